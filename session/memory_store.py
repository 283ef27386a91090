"""A seat store for one node, in its memory.

What the repository says of a room is read before a change, and the change itself does not wait. A ban or a
new definition that comes in between meets the seat at its next renewal, and the next claim.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import trio

from durable.errors import StoreUnavailableError
from durable.repository import ABSENT, Kind
from session.seat_table import SeatTable
from signalling.ids import RoomId, UserId

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from durable.repository import LocalRepository
    from session.audit import StoredSeat
    from session.store import RoomRules, Seat, SeatAnswer
    from signalling.ids import NodeId, ParticipantId, SessionId

__all__ = ["MemorySeatStore"]

BANS_EACH_PAGE: Final = 1_000
"""All bans are read for a renewal, whatever its rooms: one question for most nodes (0.5 ms), where one for each of
2,000 rooms takes a second (measured)."""


class MemorySeatStore:
    """See :class:`session.store.SeatStore`; without a repository never unavailable, its calls then only checkpoint.

    Args:
        lease_s: how long a seat stands without a renewal.
        tombstone_s: how long ended attempts and epochs are remembered after the last change.
        repository: where rooms and bans are; without one nobody is banned, and claims are believed about the rules.
        deadline_s: for the repository to say what it has; a call that waited longer has changed nothing.
        clock: seconds on a clock that never steps back.
    """

    def __init__(
        self,
        *,
        lease_s: float,
        tombstone_s: float,
        repository: LocalRepository | None = None,
        deadline_s: float = 0.4,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._table = SeatTable(lease_ms=round(lease_s * 1000), keep_ms=round(tombstone_s * 1000))
        self._repository = repository
        self._deadline_s = deadline_s
        self._clock = clock

    async def claim(self, seat: Seat, rules: RoomRules, *, silent: SessionId | None = None) -> SeatAnswer:
        """See :meth:`SeatStore.claim`."""
        await trio.lowlevel.checkpoint()
        revision, banned = None, False
        if self._repository is not None:
            with self._in_time():
                document = await self._repository.get(Kind.ROOM, seat.room)
                banned = await self._repository.get(Kind.BAN, seat.room, seat.user) is not None
            revision = ABSENT if document is None else document.revision
        return self._table.claim(seat, self._now_ms(), rules, silent=silent, revision=revision, banned=banned)

    async def touch(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """See :meth:`SeatStore.touch`."""
        banned = await self._banned_of(seats)
        return tuple(self._table.touch(seat, self._now_ms(), banned=(seat.room, seat.user) in banned) for seat in seats)

    async def assert_seats(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """See :meth:`SeatStore.assert_seats`."""
        banned = await self._banned_of(seats)
        return tuple(self._table.state(seat, self._now_ms(), banned=(seat.room, seat.user) in banned) for seat in seats)

    async def release(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """See :meth:`SeatStore.release`."""
        await trio.lowlevel.checkpoint()
        return tuple(self._table.release(seat, self._now_ms()) for seat in seats)

    async def evict(
        self, room: RoomId, *, participant: ParticipantId | None = None, user: UserId | None = None
    ) -> None:
        """See :meth:`SeatStore.evict`."""
        await trio.lowlevel.checkpoint()
        self._table.evict(room, self._now_ms(), participant=participant or "", user=user)

    async def nodes_of(self, room: RoomId) -> frozenset[NodeId]:
        """See :meth:`SeatStore.nodes_of`."""
        await trio.lowlevel.checkpoint()
        return self._table.nodes_of(room, self._now_ms())

    async def rooms(self) -> frozenset[RoomId]:
        """See :meth:`session.audit.SeatReader.rooms`."""
        await trio.lowlevel.checkpoint()
        return self._table.rooms()

    async def seats_in(self, rooms: Collection[RoomId]) -> tuple[StoredSeat, ...]:
        """See :meth:`session.audit.SeatReader.seats_in`."""
        await trio.lowlevel.checkpoint()
        now_ms = self._now_ms()
        return tuple(seat for room in rooms for seat in self._table.seats_in(room, now_ms))

    async def _banned_of(self, seats: tuple[Seat, ...]) -> frozenset[tuple[RoomId, UserId]]:
        """Who of these is banned."""
        await trio.lowlevel.checkpoint()
        if self._repository is None:
            return frozenset()
        asked = {(seat.room, seat.user) for seat in seats}
        banned: set[tuple[RoomId, UserId]] = set()
        after = ("", "")
        while True:
            with self._in_time():
                page = await self._repository.everywhere(Kind.BAN, after=after, limit=BANS_EACH_PAGE)
            banned |= asked.intersection((RoomId(room), UserId(user)) for room, user in page)
            if len(page) < BANS_EACH_PAGE:
                return frozenset(banned)
            after = page[-1]

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        try:
            with trio.fail_after(self._deadline_s):
                yield
        except trio.TooSlowError as error:
            raise StoreUnavailableError(f"no answer from the repository in {self._deadline_s} s") from error

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
