"""A seat store for one node, in its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from session.seat_table import SeatTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from session.store import Seat, SeatAnswer
    from signalling.ids import NodeId, RoomId

__all__ = ["MemorySeatStore"]


class MemorySeatStore:
    """See :class:`session.store.SeatStore`; never unavailable, its calls only checkpoint.

    Args:
        lease_s: how long a seat stands without a renewal.
        tombstone_s: how long ended attempts and epochs are remembered after the last change.
        clock: seconds on a clock that never steps back.
    """

    def __init__(self, *, lease_s: float, tombstone_s: float, clock: Callable[[], float] = trio.current_time) -> None:
        self._table = SeatTable(lease_ms=round(lease_s * 1000), keep_ms=round(tombstone_s * 1000))
        self._clock = clock

    async def claim(self, seat: Seat, *, cap: int) -> SeatAnswer:
        """See :meth:`SeatStore.claim`."""
        await trio.lowlevel.checkpoint()
        return self._table.claim(seat, self._now_ms(), cap=cap)

    async def touch(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """See :meth:`SeatStore.touch`."""
        await trio.lowlevel.checkpoint()
        return tuple(self._table.touch(seat, self._now_ms()) for seat in seats)

    async def assert_seats(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """See :meth:`SeatStore.assert_seats`."""
        await trio.lowlevel.checkpoint()
        return tuple(self._table.state(seat, self._now_ms()) for seat in seats)

    async def release(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """See :meth:`SeatStore.release`."""
        await trio.lowlevel.checkpoint()
        return tuple(self._table.release(seat, self._now_ms()) for seat in seats)

    async def nodes_of(self, room: RoomId) -> frozenset[NodeId]:
        """See :meth:`SeatStore.nodes_of`."""
        await trio.lowlevel.checkpoint()
        return self._table.nodes_of(room, self._now_ms())

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
