"""Joins whose claim is on its way to the store: pure bookkeeping of the registry.

A join may claim more than once: again when the room's rules turned out to be others, and again when whoever
sits in the slot was asked and is not there. Between two claims it waits for the answer to a question.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from itertools import takewhile
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from session.store import RoomRules, Seat
    from signalling.ids import RoomId, SessionId

__all__ = ["Awaits", "Claiming", "Claims", "JoinKey"]

JoinKey: TypeAlias = "tuple[SessionId, RoomId, int]"
"""One join: a session, a room and an attempt of the session's device."""


class Awaits(Enum):
    """What a join waits for."""

    STORE = auto()
    RULES = auto()
    HOLDER = auto()


@dataclass(slots=True)
class Claiming:
    """A join on its way.

    Attributes:
        seat: what it claims.
        rules: of the room, by which it claims.
        wanted: until whoever asked gave the join up: then its seat is given back.
        awaits: what it waits for now.
        claims: how many it has made; an answer to an earlier one is not its answer any more.
        has_reread: whether the rules were read again for it.
        holder: who sits in the slot and was asked whether it is there.
        ask_until: when the holder's answer is no longer waited for.
        may_be_seated: whether a claim of it had no answer, and may have landed.
    """

    seat: Seat
    rules: RoomRules
    wanted: bool = True
    awaits: Awaits = Awaits.STORE
    claims: int = 1
    has_reread: bool = False
    holder: SessionId | None = None
    ask_until: float = 0.0
    may_be_seated: bool = False


class Claims:
    """The joins that wait for the store's answer, each for a few deadlines at most."""

    def __init__(self) -> None:
        self._claiming: dict[JoinKey, Claiming] = {}
        # All holders are waited for equally long, so the first that was asked is the first to be overdue.
        self._asking: dict[JoinKey, Claiming] = {}

    def __len__(self) -> int:
        return len(self._claiming)

    def start(self, key: JoinKey, seat: Seat, rules: RoomRules) -> None:
        """The first claim of a join goes out."""
        self._claiming[key] = Claiming(seat, rules)

    def get(self, key: JoinKey) -> Claiming | None:
        """That join, while it is on its way."""
        return self._claiming.get(key)

    def drop(self, key: JoinKey) -> None:
        """That join came to its end."""
        self._claiming.pop(key, None)
        self._asking.pop(key, None)

    def await_holder(self, key: JoinKey, holder: SessionId, until: float) -> bool:
        """That join waits for a word of whoever sits in its slot; says whether no other waits for it already.

        A holder is asked for each room by itself: it may sit in one and not in the other.
        """
        is_first = all((other.holder, room) != (holder, key[1]) for (_, room, _), other in self._asking.items())
        claiming = self._asking[key] = self._claiming[key]
        claiming.awaits, claiming.holder, claiming.ask_until = Awaits.HOLDER, holder, until
        return is_first

    def end_asking(self, holder: SessionId, room: RoomId) -> tuple[JoinKey, ...]:
        """The joins to a room that wait for a word of that holder; they wait for it no longer."""
        return self._end(key for key, claiming in self._asking.items() if (claiming.holder, key[1]) == (holder, room))

    def end_overdue(self, now: float) -> tuple[JoinKey, ...]:
        """The joins that waited for a holder in vain; they wait for it no longer."""
        return self._end(takewhile(lambda key: self._asking[key].ask_until <= now, self._asking))

    def _end(self, keys: Iterable[JoinKey]) -> tuple[JoinKey, ...]:
        ended = tuple(keys)
        for key in ended:
            del self._asking[key]
        return ended

    @property
    def next_overdue(self) -> float | None:
        """When the first holder's answer is no longer waited for."""
        return next((claiming.ask_until for claiming in self._asking.values()), None)

    def give_up(self, session: SessionId | None = None, room: RoomId | None = None) -> tuple[JoinKey, ...]:
        """Nobody waits any more for these: all, those of a session, or those of a session and a room.

        Returns:
            The joins that were wanted until now.
        """
        given_up = []
        for key, claiming in self._claiming.items():
            if claiming.wanted and session in (None, key[0]) and room in (None, key[1]):
                claiming.wanted = False
                given_up.append(key)
        return tuple(given_up)

    def is_on_way(self, session: SessionId, room: RoomId) -> bool:
        """Whether a session joins a room and still wants to."""
        return any(key[:2] == (session, room) and claiming.wanted for key, claiming in self._claiming.items())

    def seats_wanted(self, room: RoomId) -> Iterator[Seat]:
        """The seats that joins to a room on their way still want."""
        return (each.seat for key, each in self._claiming.items() if key[1] == room and each.wanted)

    def heir_of(self, seat: Seat) -> bool:
        """Whether the same device joins here again, so that the answer to come hands the seat over without a gap."""
        return any(
            claiming.wanted
            and (claiming.seat.room, claiming.seat.user, claiming.seat.device) == (seat.room, seat.user, seat.device)
            and claiming.seat.attempt > seat.attempt
            for claiming in self._claiming.values()
        )
