"""The memory store keeps the contract."""

from __future__ import annotations

import pytest

from session.memory_store import MemorySeatStore
from session.seat_table import SWEEP_EVERY_CHANGES, SeatTable
from session.store import Verdict
from tests.unit.session.seats import ROOM, seat
from tests.unit.session.store_contract import LEASE_S, TOMBSTONE_S, SeatStoreContract, StoreWorld


@pytest.fixture
def world() -> StoreWorld:
    now = 1_000.0

    async def advance(seconds: float) -> None:
        nonlocal now
        now += seconds

    return StoreWorld(MemorySeatStore(lease_s=LEASE_S, tombstone_s=TOMBSTONE_S, clock=lambda: now), advance)


class TestMemorySeatStore(SeatStoreContract):
    pass


def test_what_is_past_its_time_is_dropped() -> None:
    table = SeatTable(lease_ms=8_000, keep_ms=100_000)
    for n in range(SWEEP_EVERY_CHANGES - 1):
        assert table.claim(seat(f"s{n}", 1, room=f"room-{n}"), 0, cap=10).verdict is Verdict.OK
    table.claim(seat("last", 1), 200_000, cap=10)
    assert list(table._rooms) == [ROOM]
