"""Which of the ways to an origin is taken, and for how long: hysteresis, for one origin. Pure.

A way that works is left only for one that has been clearly better for a while: both a share and an amount, because
5 ms are much of 10 and little of 300. Measurements jump; a change of path costs a keyframe and twice the bandwidth for
a moment. A way that broke, or whose neighbour refused, is left at once for the best that is there.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from relay.paths.tree import Way
    from signalling.ids import NodeId

BETTER_BY: Final = 0.2
BETTER_BY_MS: Final = 10.0
BETTER_FOR_S: Final = 3.0
"""A new way costs this share and this much less, for this long, before it is taken. Three seconds are three
measurements."""

REFUSED_S: Final = 0.5
REFUSED_LIMIT_S: Final = 60.0
"""A neighbour that cannot pass an origin on is not asked again for so long: first as long as news of a link take, then
twice as long each time."""


class Reason(enum.StrEnum):
    """Why a way was taken."""

    FIRST = "first"
    """There was none before."""
    BETTER = "better"
    """It has been clearly better for a while."""
    BROKEN = "broken"
    """The one before is no way any more."""
    REFUSED = "refused"
    """The neighbour of the one before does not pass these tracks on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pick:
    """What was decided of one origin."""

    way: Way | None
    reason: Reason
    since: float


class Choice:
    """The way to one origin."""

    def __init__(self) -> None:
        self.pick: Pick | None = None
        self.alternatives: tuple[Way, ...] = ()
        self._better: tuple[NodeId, float] | None = None
        self._refused: dict[NodeId, tuple[float, float]] = {}
        self._decided_at = float("-inf")

    @property
    def way(self) -> Way | None:
        """The way that is taken now, at what it costs now."""
        return self.pick.way if self.pick is not None else None

    def refuse(self, via: NodeId, now: float) -> None:
        """The neighbour said no."""
        _, wait_s = self._refused.get(via, (0.0, REFUSED_S / 2))
        wait_s = min(2 * wait_s, REFUSED_LIMIT_S)
        self._refused[via] = (now + wait_s, wait_s)

    def decide(self, ways: Sequence[Way], now: float) -> bool:
        """Look at all ways, the cheapest first; gives whether another neighbour is asked now, or none."""
        self._decided_at = now
        # How long the last wait was is known for as long again.
        self._refused = {via: (at, wait_s) for via, (at, wait_s) in self._refused.items() if at + wait_s > now}
        self.alternatives = tuple(ways)
        # The origin itself cannot say that it does not know the way.
        usable = [way for way in ways if way.is_direct or not self._is_refused(way.via, now)]
        before = self.way
        kept = next((way for way in usable if before is not None and way.via == before.via), None)
        best = usable[0] if usable else None
        if kept is None or best is None:
            self._better = None
            if before is None and best is None:
                return False
            return self._take(best, before, now)
        assert self.pick is not None
        self.pick = Pick(way=kept, reason=self.pick.reason, since=self.pick.since)
        if best.via == kept.via or not is_better(best, kept):
            self._better = None
            return False
        if self._better is None or self._better[0] != best.via:
            self._better = (best.via, now)
        if now < self._better[1] + BETTER_FOR_S:
            return False
        self._better = None
        self.pick = Pick(way=best, reason=Reason.BETTER, since=now)
        return True

    def deadline(self) -> float | None:
        """When to decide again though nothing is heard: a better way has lasted, or a refusal is over."""
        times = [at for at, _ in self._refused.values() if at > self._decided_at]
        if self._better is not None:
            times.append(self._better[1] + BETTER_FOR_S)
        return min(times, default=None)

    def _is_refused(self, via: NodeId, now: float) -> bool:
        return via in self._refused and self._refused[via][0] > now

    def _take(self, best: Way | None, before: Way | None, now: float) -> bool:
        if before is None:
            reason = Reason.FIRST
        elif self._is_refused(before.via, now):
            reason = Reason.REFUSED
        else:
            reason = Reason.BROKEN
        self.pick = Pick(way=best, reason=reason, since=now)
        return True


def is_better(way: Way, than: Way) -> bool:
    """Whether a way costs so much less that a change is worth it."""
    return clearly_less(way.cost_ms, than.cost_ms)


def clearly_less(cost_ms: float, than_ms: float) -> bool:
    """Whether a cost is lower by enough to be worth a change."""
    return cost_ms <= than_ms * (1 - BETTER_BY) and cost_ms <= than_ms - BETTER_BY_MS
