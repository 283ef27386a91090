"""Joins whose claim is on its way to the store: pure bookkeeping of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from session.store import Seat
    from signalling.ids import RoomId, SessionId

__all__ = ["Claiming", "Claims", "JoinKey"]

JoinKey: TypeAlias = "tuple[SessionId, RoomId, int]"
"""One join: a session, a room and an attempt of the session's device."""


@dataclass(slots=True)
class Claiming:
    """A claim on its way; `wanted` until whoever asked gave the join up: then its seat is given back."""

    seat: Seat
    cap: int
    wanted: bool = True


class Claims:
    """The claims that wait for the store's answer, each for one store deadline at most."""

    def __init__(self) -> None:
        self._claiming: dict[JoinKey, Claiming] = {}

    def __len__(self) -> int:
        return len(self._claiming)

    def start(self, key: JoinKey, seat: Seat, cap: int) -> None:
        """A claim goes out."""
        self._claiming[key] = Claiming(seat, cap)

    def get(self, key: JoinKey) -> Claiming | None:
        """The claim of that join, while it is on its way."""
        return self._claiming.get(key)

    def take(self, key: JoinKey) -> Claiming | None:
        """The claim of that join, whose answer has come."""
        return self._claiming.pop(key, None)

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

    def heir_of(self, seat: Seat) -> bool:
        """Whether the same device joins here again, so that the answer to come hands the seat over without a gap."""
        return any(
            claiming.wanted
            and (claiming.seat.room, claiming.seat.slot, claiming.seat.device) == (seat.room, seat.slot, seat.device)
            and claiming.seat.attempt > seat.attempt
            for claiming in self._claiming.values()
        )
