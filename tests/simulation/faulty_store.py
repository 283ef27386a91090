"""One store for all nodes, with what goes wrong between a node and its Redis."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeVar

import trio

from durable.errors import StoreUnavailableError
from durable.repository import ABSENT, Kind
from session.seat_table import SeatTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from session.audit import StoredSeat
    from session.store import RoomRules, Seat, SeatAnswer
    from signalling.ids import NodeId, ParticipantId, RoomId, SessionId, UserId
    from tests.simulation.universe import Universe
    from tests.unit.durable.memory_repository import MemoryRepository

__all__ = ["FaultyStore"]

STEADY_S = 8.0
"""A lease: by then every node has said again what it holds."""

LATE_S = 3.0
"""Until a question lands after its asker gave it up, at most."""

DEADLINE_S = 0.5
"""As a node's own deadline for a call."""

T = TypeVar("T")


class FaultyStore:
    """A :class:`session.store.SeatStore`.

    Args:
        universe: gives the dice.
        lease_s: of a seat.
        tombstone_s: how long ended attempts are remembered.
        repository: where rooms and bans are.
        late: in which questions land whose askers have given up.
    """

    def __init__(
        self,
        universe: Universe,
        *,
        lease_s: float,
        tombstone_s: float,
        repository: MemoryRepository,
        late: trio.Nursery,
    ) -> None:
        self._repository = repository
        self._late = late
        self._universe = universe
        self._dice = universe.dice("store")
        self._table = SeatTable(lease_ms=round(lease_s * 1000), keep_ms=round(tombstone_s * 1000))
        self._replica = copy.deepcopy(self._table)
        self.is_away = False
        self.lost_answers = 0.0
        """Share of calls that take effect, half of them late, and are not answered."""
        self.was_steady = True
        """It was there all the time, answered, and forgot nothing."""
        self.remembers = True
        """It lost no write and outlived no lease."""
        self._steady_from = 0.0

    # --- faults ---

    def replicate(self) -> None:
        """The replica is as far as this."""
        self._replica = copy.deepcopy(self._table)

    def fail_over(self) -> None:
        """The replica takes over; what it had not heard is lost."""
        self._table = copy.deepcopy(self._replica)
        self.remembers = False
        self._disturb()

    def go_away(self) -> None:
        """Nobody reaches it."""
        self.is_away = True
        self.remembers = False
        self._disturb()

    def come_back(self) -> None:
        """It can be reached."""
        if self.is_away:
            self._disturb()
        self.is_away = False

    def lose_answers(self, share: float) -> None:
        """Some calls take effect and are not answered."""
        self._disturb()
        self.lost_answers = share

    def heal(self) -> None:
        """No more faults."""
        self.come_back()
        self.lost_answers = 0.0

    def _disturb(self) -> None:
        self.was_steady = False
        self._steady_from = trio.current_time() + STEADY_S

    # --- what a test may know ---

    @property
    def is_steady(self) -> bool:
        """Whether its last fault is long over."""
        return not self.is_away and not self.lost_answers and trio.current_time() >= self._steady_from

    def seats(self, room: RoomId) -> tuple[StoredSeat, ...]:
        """The live seats of a room."""
        return self._table.seats_in(room, self._now_ms())

    def epoch_of(self, room: RoomId, seat: StoredSeat) -> int:
        """Which place among all joins a live seat has."""
        holder = self._table._rooms[room].slots[seat.slot].holder
        assert holder is not None
        return holder.epoch

    def shown(self, room: RoomId) -> frozenset[SessionId]:
        """Who sits in the room."""
        return self._table.live_sessions(room, self._now_ms())

    # --- the interface ---

    async def claim(self, seat: Seat, rules: RoomRules, *, silent: SessionId | None = None) -> SeatAnswer:
        """See :meth:`session.store.SeatStore.claim`."""

        def change() -> SeatAnswer:
            document = self._repository._live(seat.room, Kind.ROOM, "")
            revision, banned = ABSENT if document is None else document.revision, self._is_banned(seat)
            now_ms = self._now_ms()
            return self._table.claim(seat, now_ms, rules, silent=silent, revision=revision, banned=banned)

        return await self._call(change)

    async def touch(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """See :meth:`session.store.SeatStore.touch`."""
        touch = self._table.touch
        return await self._call(
            lambda: tuple(touch(seat, self._now_ms(), banned=self._is_banned(seat)) for seat in seats)
        )

    async def assert_seats(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """See :meth:`session.store.SeatStore.assert_seats`."""
        state = self._table.state
        return await self._call(
            lambda: tuple(state(seat, self._now_ms(), banned=self._is_banned(seat)) for seat in seats)
        )

    async def release(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """See :meth:`session.store.SeatStore.release`."""
        return await self._call(lambda: tuple(self._table.release(seat, self._now_ms()) for seat in seats))

    async def evict(
        self, room: RoomId, *, participant: ParticipantId | None = None, user: UserId | None = None
    ) -> None:
        """See :meth:`session.store.SeatStore.evict`."""
        await self._call(lambda: self._table.evict(room, self._now_ms(), participant=participant or "", user=user))

    async def nodes_of(self, room: RoomId) -> frozenset[NodeId]:
        """See :meth:`session.store.SeatStore.nodes_of`."""
        return await self._call(lambda: self._table.nodes_of(room, self._now_ms()))

    async def _call(self, change: Callable[[], T]) -> T:
        # Now and then a question is overtaken by many others.
        there, back = self._dice.choice((0.05, 0.05, 0.05, 0.4)), self._dice.uniform(0.001, 0.05)
        there = self._dice.uniform(0.001, there)
        if self.is_away:
            await trio.sleep(self._dice.choice((0.01, DEADLINE_S)))
            raise StoreUnavailableError("away")
        if self._dice.random() < self.lost_answers / 2:
            self._late.start_soon(self._land, change, self._dice.uniform(DEADLINE_S, LATE_S))
            await trio.sleep(DEADLINE_S)
            raise StoreUnavailableError("no answer")
        await trio.sleep(there)
        answer = change()
        if self._dice.random() < self.lost_answers / 2:
            await trio.sleep(DEADLINE_S)
            raise StoreUnavailableError("no answer")
        await trio.sleep(back)
        return answer

    async def _land(self, change: Callable[[], object], seconds: float) -> None:
        await trio.sleep(seconds)
        change()

    def _is_banned(self, seat: Seat) -> bool:
        return self._repository._live(seat.room, Kind.BAN, seat.user) is not None

    def _now_ms(self) -> int:
        return int(trio.current_time() * 1000) + 1_800_000_000_000
