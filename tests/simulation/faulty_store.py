"""One store for all nodes, with what goes wrong between a node and its Redis."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeVar

import trio

from durable.errors import StoreUnavailableError
from session.seat_table import SeatTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from session.store import RoomRules, Seat, SeatAnswer
    from signalling.ids import NodeId, ParticipantId, RoomId, SessionId, UserId
    from tests.simulation.universe import Universe

__all__ = ["FaultyStore"]

DEADLINE_S = 0.5
"""As a node's own deadline for a call."""

T = TypeVar("T")


class FaultyStore:
    """A :class:`session.store.SeatStore`.

    Args:
        universe: gives the dice.
        lease_s: of a seat.
        tombstone_s: how long ended attempts are remembered.
    """

    def __init__(self, universe: Universe, *, lease_s: float, tombstone_s: float) -> None:
        self._universe = universe
        self._dice = universe.dice("store")
        self._table = SeatTable(lease_ms=round(lease_s * 1000), keep_ms=round(tombstone_s * 1000))
        self._replica = copy.deepcopy(self._table)
        self.is_away = False
        self.lost_answers = 0.0
        """Share of calls that take effect and are not answered."""

    # --- faults ---

    def replicate(self) -> None:
        """The replica is as far as this."""
        self._replica = copy.deepcopy(self._table)

    def fail_over(self) -> None:
        """The replica takes over; what it had not heard is lost."""
        self._table = copy.deepcopy(self._replica)

    def heal(self) -> None:
        """No more faults."""
        self.is_away, self.lost_answers = False, 0.0

    def shown(self, room: RoomId) -> frozenset[SessionId]:
        """Who sits in the room."""
        return self._table.live_sessions(room, self._now_ms())

    # --- the interface ---

    async def claim(self, seat: Seat, rules: RoomRules, *, silent: SessionId | None = None) -> SeatAnswer:
        """See :meth:`session.store.SeatStore.claim`."""
        return await self._call(lambda: self._table.claim(seat, self._now_ms(), rules, silent=silent))

    async def touch(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """See :meth:`session.store.SeatStore.touch`."""
        return await self._call(lambda: tuple(self._table.touch(seat, self._now_ms()) for seat in seats))

    async def assert_seats(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """See :meth:`session.store.SeatStore.assert_seats`."""
        return await self._call(lambda: tuple(self._table.state(seat, self._now_ms()) for seat in seats))

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
        there, back = self._dice.uniform(0.001, 0.05), self._dice.uniform(0.001, 0.05)
        if self.is_away:
            await trio.sleep(self._dice.choice((0.01, DEADLINE_S)))
            raise StoreUnavailableError("away")
        await trio.sleep(there)
        answer = change()
        if self._dice.random() < self.lost_answers:
            await trio.sleep(DEADLINE_S)
            raise StoreUnavailableError("no answer")
        await trio.sleep(back)
        return answer

    def _now_ms(self) -> int:
        return int(trio.current_time() * 1000) + 1_800_000_000_000
