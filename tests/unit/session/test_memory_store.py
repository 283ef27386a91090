"""The memory store keeps the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from durable.errors import StoreUnavailableError
from durable.repository import Document, Kind
from session import memory_store
from session.memory_store import MemorySeatStore
from session.seat_table import SWEEP_EVERY_CHANGES, SeatTable
from session.store import Verdict
from tests.unit.durable import memory_repository
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.session.seats import ROOM, by, seat
from tests.unit.session.store_contract import LEASE_S, START_MS, TOMBSTONE_S, SeatStoreContract, StoreWorld

if TYPE_CHECKING:
    from trio.testing import MockClock


class _Clock:
    def __init__(self) -> None:
        self.now_ms = START_MS

    async def advance(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


class _House:
    """A store and the documents that it reads."""

    def __init__(self, clock: _Clock) -> None:
        self.clock = clock
        self.documents = MemoryRepository()
        self.store = MemorySeatStore(
            lease_s=LEASE_S,
            tombstone_s=TOMBSTONE_S,
            repository=self.documents,
            clock=lambda: self.clock.now_ms / 1000,
        )

    async def define(self) -> int:
        return await self.documents.put(Kind.ROOM, ROOM, body=b"{}")

    async def undefine(self) -> None:
        await self.documents.delete(Kind.ROOM, ROOM)

    async def ban(self, user: str, until_ms: int | None) -> None:
        await self.documents.put(Kind.BAN, ROOM, user, body=b"{}", expires_at_ms=until_ms)

    async def lift(self, user: str) -> None:
        await self.documents.delete(Kind.BAN, ROOM, user)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> _House:
    clock = _Clock()
    monkeypatch.setattr(memory_repository, "_wall_clock_ms", lambda: clock.now_ms)
    return _House(clock)


@pytest.fixture
def world(house: _House) -> StoreWorld:
    return StoreWorld(
        store=house.store,
        advance=house.clock.advance,
        define=house.define,
        undefine=house.undefine,
        ban=house.ban,
        lift=house.lift,
    )


class TestMemorySeatStore(SeatStoreContract):
    pass


async def test_a_renewal_asks_once_for_all_rooms_and_bans(house: _House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.ban("bob", None)
    seats = tuple(seat(f"s{n}", 1, user=f"user-{n}", room=f"room-{n % 3}") for n in range(60))
    await house.store.assert_seats(seats)
    house.documents.calls = 0
    await house.store.touch(seats)
    assert house.documents.calls == 1
    monkeypatch.setattr(memory_store, "BANS_EACH_PAGE", 2)
    for user in ("ann", "cid"):
        await house.ban(user, None)
    house.documents.calls = 0
    (answer,) = await house.store.touch((seat("s1", 1, user="cid"),))
    assert answer.verdict is Verdict.BANNED
    assert house.documents.calls == 2


async def test_documents_that_cannot_be_read_are_a_store_that_is_away(house: _House) -> None:
    mine = seat("s1", 1)
    house.documents.failure = StoreUnavailableError("away")
    for call in (house.store.claim(mine, by(10)), house.store.touch((mine,)), house.store.assert_seats((mine,))):
        with pytest.raises(StoreUnavailableError):
            await call
    assert (await house.store.release((mine,)))[0].verdict is Verdict.UNKNOWN


async def test_a_repository_that_is_silent_is_a_store_that_is_away_in_good_time(autojump_clock: MockClock) -> None:
    class Silent(MemoryRepository):
        async def get(self, kind: Kind, scope: str, key: str = "") -> Document | None:
            await trio.sleep_forever()
            raise AssertionError("woken")

    store = MemorySeatStore(lease_s=LEASE_S, tombstone_s=TOMBSTONE_S, repository=Silent())
    with trio.fail_after(0.5), pytest.raises(StoreUnavailableError):
        await store.claim(seat("s1", 1), by(10))


async def test_without_a_repository_a_claim_is_believed() -> None:
    store = MemorySeatStore(lease_s=LEASE_S, tombstone_s=TOMBSTONE_S)
    assert (await store.claim(seat("s1", 1), by(10, revision=7))).verdict is Verdict.OK


def test_what_is_past_its_time_is_dropped() -> None:
    table = SeatTable(lease_ms=8_000, keep_ms=100_000)
    for n in range(SWEEP_EVERY_CHANGES - 1):
        assert table.claim(seat(f"s{n}", 1, room=f"room-{n}"), 0, by(10)).verdict is Verdict.OK
    table.claim(seat("last", 1), 200_000, by(10))
    assert list(table._rooms) == [ROOM]
