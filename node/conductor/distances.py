"""How far the nodes are from each other, from all that this node knows: gossip, maps, and its own links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay import LinkState

if TYPE_CHECKING:
    from membership import Membership, RttMatrix
    from relay import Relay


def rtts_now(membership: Membership, relay: Relay | None) -> RttMatrix:
    """All round trips as a snapshot; a link counts while it carries packets."""
    links = () if relay is None else relay.snapshot()
    return membership.rtts(
        {one.node: one.rtt_ms for one in links if one.state is LinkState.UP and one.rtt_ms is not None}
    )
