"""The seats of one node, found by session, by slot, by room and by deadline; all indexes in one place."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from session.store import RoomRules, Seat, SlotId
    from signalling.ids import RoomId, SessionId

__all__ = ["HeldSeat", "HeldSeats"]


@dataclass(slots=True)
class HeldSeat:
    """A seat of this node.

    Attributes:
        seat: the seat.
        rules: of its room, the newest that this node knows.
        unconfirmed: the store has to be told (again) that it stands.
    """

    seat: Seat
    rules: RoomRules
    unconfirmed: bool


class HeldSeats:
    """All seats of this node; a session holds at most one in a room, a slot has at most one here."""

    def __init__(self) -> None:
        self._by_session: dict[SessionId, dict[RoomId, HeldSeat]] = defaultdict(dict)
        self._by_slot: dict[tuple[RoomId, SlotId], HeldSeat] = {}
        self._by_room: dict[RoomId, set[SessionId]] = defaultdict(set)
        # Rooms have graces of their own. The heap may hold a grace that is over already because its seat went or was
        # heard of again; it does so no longer than that grace would have lasted, and a seat that begins another one was
        # pinged in vain before.
        self._graces: dict[tuple[SessionId, RoomId], float] = {}
        self._ends: list[tuple[float, SessionId, RoomId]] = []

    def __iter__(self) -> Iterator[HeldSeat]:
        """All seats, in the order of their slots' last change."""
        return iter(tuple(self._by_slot.values()))

    def __len__(self) -> int:
        return len(self._by_slot)

    def of(self, session: SessionId, room: RoomId) -> HeldSeat | None:
        """The seat of a session in a room."""
        return self._by_session[session].get(room) if session in self._by_session else None

    def of_session(self, session: SessionId) -> tuple[HeldSeat, ...]:
        """All seats of a session."""
        return tuple(self._by_session[session].values()) if session in self._by_session else ()

    def in_room(self, room: RoomId) -> tuple[HeldSeat, ...]:
        """All seats in a room here."""
        return tuple(self._by_session[session][room] for session in self._by_room.get(room, ()))

    def in_slot(self, room: RoomId, slot: SlotId) -> HeldSeat | None:
        """Who sits in a slot here."""
        return self._by_slot.get((room, slot))

    def count_in(self, room: RoomId) -> int:
        """How many sit in a room here."""
        return len(self._by_room[room]) if room in self._by_room else 0

    @property
    def rooms(self) -> tuple[RoomId, ...]:
        """Rooms with a seat here."""
        return tuple(self._by_room)

    @property
    def room_count(self) -> int:
        """Rooms with a seat here."""
        return len(self._by_room)

    @property
    def grace_count(self) -> int:
        """Seats whose socket dropped."""
        return len(self._graces)

    def add(self, held: HeldSeat) -> None:
        """Seat somebody; whoever sat in that slot, or that session in that room, is gone."""
        seat = held.seat
        for before in (self.in_slot(seat.room, seat.slot), self.of(seat.session, seat.room)):
            if before is not None:
                self.remove(before)
        self._by_session[seat.session][seat.room] = held
        self._by_slot[seat.room, seat.slot] = held
        self._by_room[seat.room].add(seat.session)

    def remove(self, held: HeldSeat) -> None:
        """Unseat somebody; nothing happens when that was done already."""
        seat = held.seat
        if self.of(seat.session, seat.room) is not held:
            return
        del self._by_session[seat.session][seat.room]
        if not self._by_session[seat.session]:
            del self._by_session[seat.session]
        del self._by_slot[seat.room, seat.slot]
        self._by_room[seat.room].discard(seat.session)
        if not self._by_room[seat.room]:
            del self._by_room[seat.room]
        self._graces.pop((seat.session, seat.room), None)

    def start_grace(self, held: HeldSeat, until: float) -> None:
        """Let a seat wait for its socket."""
        held.seat = replace(held.seat, in_grace=True)
        self._graces[held.seat.session, held.seat.room] = until
        heapq.heappush(self._ends, (until, held.seat.session, held.seat.room))

    def end_grace(self, held: HeldSeat) -> None:
        """Whom a seat waited for is there again."""
        held.seat = replace(held.seat, in_grace=False)
        self._graces.pop((held.seat.session, held.seat.room), None)

    def grace_over(self, now: float) -> tuple[HeldSeat, ...]:
        """Seats that waited in vain, in the order of their deadlines; each is told once."""
        over = []
        while self._ends and self._ends[0][0] <= now:
            until, session, room = heapq.heappop(self._ends)
            if self._graces.get((session, room)) == until:
                # A grace that ended and began anew in one moment is there twice.
                del self._graces[session, room]
                over.append(self._by_session[session][room])
        return tuple(over)

    @property
    def next_grace_end(self) -> float | None:
        """When the first grace runs out."""
        while self._ends and self._graces.get(self._ends[0][1:]) != self._ends[0][0]:
            heapq.heappop(self._ends)
        return self._ends[0][0] if self._ends else None
