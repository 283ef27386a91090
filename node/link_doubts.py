"""Who is asked whether it is there: nodes that gossip holds alive and whose link is down."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio

from relay import LinkState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from membership import Membership
    from relay import LinkStatus, Relay
    from signalling.ids import NodeId

LOOK_EVERY_S: Final = 1.0
"""A third of a round of pings."""


@asynccontextmanager
async def doubting(membership: Membership, relay: Relay) -> AsyncIterator[None]:
    """Carry what the links know to the membership for the length of the block.

    A link that is being made counts as down: its node may be one that hangs and never answers an offer.
    """

    async def carry() -> None:
        while True:
            membership.doubt(nodes_in_doubt(relay.snapshot()))
            await trio.sleep(LOOK_EVERY_S)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(carry)
        yield
        nursery.cancel_scope.cancel()


def nodes_in_doubt(links: Iterable[LinkStatus]) -> frozenset[NodeId]:
    """The far ends of all links that do not work now."""
    return frozenset(link.node for link in links if link.state is not LinkState.UP)
