"""Which rooms are asked for by query, and when: pure.

A query costs the whole cluster, whoever it concerns. So each room is asked for once, and what was answered counts
for a few seconds; all questions of a node pass one bucket, and those that find it empty wait their turn. A question
that nobody answered is asked once more, because a query is a datagram and the room may have come a moment later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from signalling.ids import NodeId, RoomId

__all__ = ["RoomQuestions"]

RATE_PER_S: Final = 2.0
"""A cluster carries some 15 small events a second (measured); an outage makes several nodes ask at once."""

BURST: Final = 10
"""Rooms whose people come back together, before the bucket slows them down."""

REMEMBERED_S: Final = 5.0
"""How long an answer counts. A room that grows meanwhile asks from the node that it grows to."""

MAX_TRIES: Final = 2

MAX_WAITING: Final = 512
"""Four minutes of the bucket; an outage that leaves more rooms unasked is mended by the next join in each."""


@dataclass(slots=True)
class _Asked:
    """A room that was asked for, and what came of it."""

    at: float
    tries: int
    nodes: frozenset[NodeId] = frozenset()


class RoomQuestions:
    """The questions of one node; every method takes the time in seconds."""

    def __init__(self) -> None:
        self._waiting: dict[RoomId, int] = {}
        self._asked: dict[RoomId, _Asked] = {}
        self._tokens = float(BURST)
        self._filled_at: float | None = None
        self.turned_away = 0
        """Rooms that were not asked for because too many waited, since start."""

    def want(self, room: RoomId, now: float) -> frozenset[NodeId]:
        """Have a room asked for, unless it was a moment ago; returns what is known of it from then."""
        self._forget(now)
        known = self._asked.get(room)
        if known is not None:
            return known.nodes
        self._wait(room, tries=0)
        return frozenset()

    def take(self, now: float) -> RoomId | None:
        """The room to ask for now, if there is one and the bucket has a token for it."""
        self._fill(now)
        if not self._waiting or self._tokens < 1.0:
            return None
        self._tokens -= 1.0
        room = next(iter(self._waiting))
        self._asked.pop(room, None)  # so that the dictionary stays in order of time
        self._asked[room] = _Asked(at=now, tries=self._waiting.pop(room) + 1)
        return room

    def next_at(self, now: float) -> float:
        """When :meth:`take` has something; infinity while nothing waits."""
        if not self._waiting:
            return float("inf")
        self._fill(now)
        # A hair later, so that rounding never finds the bucket just short of one.
        return now if self._tokens >= 1.0 else now + (1.0 - self._tokens) / RATE_PER_S + 1e-6

    def found(self, room: RoomId, node: NodeId) -> bool:
        """A node answered; says whether that is news."""
        asked = self._asked.get(room)
        if asked is None or node in asked.nodes:
            return False
        asked.nodes |= {node}
        return True

    def over(self, room: RoomId) -> None:
        """The time for answers is over."""
        asked = self._asked.get(room)
        if asked is not None and not asked.nodes and asked.tries < MAX_TRIES:
            self._wait(room, tries=asked.tries)

    def _wait(self, room: RoomId, *, tries: int) -> None:
        if room not in self._waiting and len(self._waiting) >= MAX_WAITING:
            self.turned_away += 1
            return
        self._waiting.setdefault(room, tries)

    def _forget(self, now: float) -> None:
        # Asked in order of time, so the old ones are in front.
        while self._asked:
            room = next(iter(self._asked))
            if now < self._asked[room].at + REMEMBERED_S:
                return
            del self._asked[room]

    def _fill(self, now: float) -> None:
        passed = 0.0 if self._filled_at is None else max(0.0, now - self._filled_at)
        self._tokens = min(float(BURST), self._tokens + passed * RATE_PER_S)
        self._filled_at = now
