"""How far the nodes are from each other, from all that this node knows: gossip, maps, and its own links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from relay import LinkState

if TYPE_CHECKING:
    from collections.abc import Callable

    from membership import ClusterView, Membership, RttMatrix
    from relay import Relay


KEPT_S: Final = 1.0
"""How long a snapshot serves: coordinates are read every 15 s, a link's figure is an average over a second."""


class RecentRtts:
    """The round trips of a moment ago: questions about one room ask for the same pairs, whoever asks.

    Args:
        view: The cluster now; when it changes, nothing of before counts.
        make: Makes a snapshot.
        now: The time, seconds.
    """

    def __init__(
        self,
        view: Callable[[], ClusterView],
        make: Callable[[], RttMatrix],
        now: Callable[[], float] = trio.current_time,
    ) -> None:
        self._view = view
        self._make = make
        self._now = now
        self._kept: tuple[ClusterView, float, RttMatrix] | None = None

    def __call__(self) -> RttMatrix:
        """All round trips, as they were known within the last second."""
        view, now = self._view(), self._now()
        if self._kept is None or self._kept[0] is not view or now >= self._kept[1] + KEPT_S:
            self._kept = view, now, self._make()
        return self._kept[2]


def rtts_now(membership: Membership, relay: Relay | None) -> RttMatrix:
    """All round trips as a snapshot; a link counts while it carries packets, one of two others as both tell it."""
    links = () if relay is None else relay.snapshot()
    return membership.rtts(
        {one.node: one.rtt_ms for one in links if one.state is LinkState.UP and one.rtt_ms is not None},
        None if relay is None else relay.reported_rtt_ms,
    )
