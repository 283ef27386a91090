"""Which node sends to which how much, second by second, as the network counted it: so which way media really goes.

Nobody has to believe a node: what a path carried is what the emulator carried.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import trio

from lab.experiment.records import Happening

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lab import Wan
    from lab.emulator import WanStatistics

__all__ = ["Traffic", "watch"]

MEDIA_MBIT_S: Final = 0.1
"""More than gossip, keepalives and the store take between two nodes, less than the picture of one person."""

CLEARLY: Final = 2.0
"""What a new way carries of what the old one still does, when it counts as the way."""

LOOK_S: Final = 0.5
"""A change of the way is dated to this."""

Pair = tuple[str, str]


@dataclass(kw_only=True)
class Traffic:
    """What went between nodes.

    Attributes:
        nodes: Their hosts.
        began_s: When measuring began, by the machine's monotonic clock.
        changes: When a node began to send most of its media for other nodes to another one.
        late_ms: The latest that the network handed a packet over after it was due.
        rates: What each sent to each since the beginning, Mbit/s, packets' headers included.
    """

    nodes: Sequence[str]
    began_s: float
    changes: list[Happening] = field(default_factory=list)
    late_ms: float = 0.0
    rates: dict[Pair, float] = field(default_factory=dict)
    _next: dict[str, str] = field(default_factory=dict)
    _first: tuple[float, dict[Pair, int]] | None = None
    _before: tuple[float, dict[Pair, int]] | None = None

    def take(self, at_s: float, statistics: WanStatistics) -> None:
        """Compare with what was there before."""
        sent = {
            (one, other): statistics.path(one, other).sent_bytes for one, other in itertools.permutations(self.nodes, 2)
        }
        if self._first is None:
            self._first = (at_s, sent)  # how late it was before that is nobody's concern
        elif self._before is not None:
            self.late_ms = max(self.late_ms, statistics.max_late_us / 1000)
            self.rates = _rates(self._first, (at_s, sent))
            self._compare(at_s, _rates(self._before, (at_s, sent)))
        self._before = (at_s, sent)

    def way(self, first: str, last: str) -> tuple[str, ...]:
        """The nodes from a person's to another's, as media went lately; both ends alone where that is not known."""
        way = [first]
        while way[-1] != last:
            following = self._next.get(way[-1])
            if following is None or following in way:
                return tuple(dict.fromkeys((first, last)))
            way.append(following)
        return tuple(way)

    def _compare(self, at_s: float, rates: Mapping[Pair, float]) -> None:
        for node in self.nodes:
            to = {other: rate for (one, other), rate in rates.items() if one == node and rate > MEDIA_MBIT_S}
            if not to:
                continue
            most = max(to, key=lambda other: to[other])
            before = self._next.get(node)
            if before is not None and to[most] < CLEARLY * to.get(before, 0.0):
                continue  # both carry media for a while when a way changes
            if before is not None and before != most:
                what = f"media of {node} goes to {most} now, not to {before}"
                self.changes.append(Happening(at_s=round(at_s - self.began_s, 3), what=what))
            self._next[node] = most


async def watch(wan: Wan, traffic: Traffic) -> None:
    """Look every half second, until cancelled.

    Raises:
        LabError: ``emulator_failed``.
    """
    while True:
        traffic.take(time.monotonic(), await wan.statistics())
        await trio.sleep(LOOK_S)


def _rates(before: tuple[float, dict[Pair, int]], after: tuple[float, dict[Pair, int]]) -> dict[Pair, float]:
    length_s = after[0] - before[0]
    return {pair: (count - before[1][pair]) * 8 / length_s / 1e6 for pair, count in after[1].items()}
