"""Joins against rooms that change: the definition known here, the one that is stored, and who is asked in between."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio
from typing_extensions import override

from durable.errors import StoreOutcomeUnknownError
from durable.repository import Kind
from session.config import SessionConfig
from session.directory import RoomDefinition, RoomDirectory, StoredRoom
from session.memory_store import MemorySeatStore
from session.records import AskHolder, HolderState, SeatLost, SessionRecord
from session.service import Sessions, open_sessions
from session.store import RoomPolicy, RoomRules, Seat, SeatAnswer
from session.tokens import SessionClaims
from signalling.errors import ErrorCode, Refused
from signalling.ids import DeviceId, NodeId, RoomId, SessionId, UserId
from tests.unit.durable.memory_repository import MemoryRepository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

    from session.records import SessionEvent

ROOM = RoomId("hall")
CONFIG = SessionConfig(cluster="alps", node=NodeId("n1"))


class Shelf(RoomDirectory):
    """Definitions as documents of a repository, with revisions; other nodes write there, too."""

    def __init__(self, documents: MemoryRepository) -> None:
        super().__init__(documents, max_rooms=10)
        self.documents = documents
        self.reads = 0

    async def write(self, definition: RoomDefinition) -> StoredRoom:
        body = msgspec.json.encode(definition)
        return StoredRoom(definition, await self.documents.put(Kind.ROOM, definition.room, body=body), body)

    @override
    async def find(self, room: RoomId) -> StoredRoom | None:
        self.reads += 1
        return await super().find(room)


class House:
    """A node with one room."""

    def __init__(self, sessions: Sessions, documents: MemoryRepository, shelf: Shelf) -> None:
        self.sessions = sessions
        self.documents = documents
        self.shelf = shelf
        self.definition = RoomDefinition(room=ROOM, max_participants=10)

    async def change(self, **fields: object) -> None:
        """Write the room as another node would."""
        self.definition = msgspec.structs.replace(self.definition, **fields)
        await self.shelf.write(self.definition)

    def enter(self, *, user: str = "ann", device: str = "laptop-01") -> SessionRecord:
        claims = SessionClaims(
            user=UserId(user), device=DeviceId(device), name=user, session=None, token_id="t", expires_at=0.0
        )
        return self.sessions.mint_session(claims)

    async def join(self, record: SessionRecord, attempt: int = 1) -> None:
        await self.sessions.join(record.session, ROOM, attempt)

    async def code_of_join(self, record: SessionRecord, attempt: int = 1) -> ErrorCode:
        with pytest.raises(Refused) as refused:
            await self.join(record, attempt)
        assert refused.value.message.endswith(".")
        return refused.value.code

    async def event(self, kind: type[SessionEvent]) -> SessionEvent:
        with trio.fail_after(60):
            while True:
                event = await self.sessions.events.take()
                if isinstance(event, kind):
                    return event


@pytest.fixture
async def house() -> AsyncIterator[House]:
    documents = MemoryRepository()
    shelf = Shelf(documents)
    store = MemorySeatStore(lease_s=CONFIG.lease_s, tombstone_s=CONFIG.tombstone_s, repository=documents)
    async with open_sessions(CONFIG, store=store, directory=shelf) as sessions:
        made = House(sessions, documents, shelf)
        await made.change()
        yield made


async def test_a_definition_is_read_once_for_many_joins(autojump_clock: MockClock, house: House) -> None:
    for n in range(20):
        await house.join(house.enter(user=f"user-{n}" if n < 10 else "user-0"), n + 1)
    assert house.shelf.reads == 1


async def test_what_another_node_wrote_decides_the_next_join(autojump_clock: MockClock, house: House) -> None:
    await house.join(house.enter(user="bob"))
    await house.change(max_participants=1)
    assert await house.code_of_join(house.enter()) is ErrorCode.ROOM_FULL
    await house.change(max_participants=5, locked=True)
    assert await house.code_of_join(house.enter()) is ErrorCode.ROOM_LOCKED
    await house.change(locked=False)
    await house.join(house.enter())
    assert house.shelf.reads == 4, "once for each state of the room"


async def test_a_room_that_was_deleted_is_made_again_or_refused(autojump_clock: MockClock, house: House) -> None:
    await house.join(house.enter(user="bob"))
    await house.documents.delete(Kind.ROOM, ROOM)
    await house.join(house.enter())
    assert await house.documents.get(Kind.ROOM, ROOM) is not None


async def test_a_deleted_room_is_unknown_where_joins_make_none(autojump_clock: MockClock) -> None:
    documents = MemoryRepository()
    store = MemorySeatStore(lease_s=8, tombstone_s=60, repository=documents)
    config = replace(CONFIG, rooms_on_join=False)
    async with open_sessions(config, store=store, directory=Shelf(documents)) as sessions:
        house = House(sessions, documents, Shelf(documents))
        await house.change()
        await house.join(house.enter(user="bob"))
        await documents.delete(Kind.ROOM, ROOM)
        assert await house.code_of_join(house.enter()) is ErrorCode.ROOM_UNKNOWN
        assert await house.code_of_join(house.enter()) is ErrorCode.ROOM_UNKNOWN, "and it is not cached"


async def test_a_room_that_never_stands_still_refuses_in_bounded_work(autojump_clock: MockClock, house: House) -> None:
    await house.join(house.enter(user="bob"))
    plain_find = house.shelf.find

    async def always_behind(room: RoomId) -> StoredRoom | None:
        found = await plain_find(room)
        await house.change()
        return found

    house.shelf.find = always_behind  # type: ignore[method-assign]
    await house.change()
    assert await house.code_of_join(house.enter()) is ErrorCode.ROOM_CHANGED
    assert house.shelf.reads == 2


async def test_a_ban_refuses_and_ends_a_seat_within_a_renewal(autojump_clock: MockClock, house: House) -> None:
    ann, bob = house.enter(), house.enter(user="bob")
    await house.join(ann)
    await house.join(bob)
    started = trio.current_time()
    await house.documents.put(Kind.BAN, ROOM, "ann", body=b"{}")
    lost = await house.event(SeatLost)
    assert lost == SeatLost(session=ann.session, room=ROOM, reason="kicked")
    assert trio.current_time() - started <= CONFIG.renew_s
    assert await house.code_of_join(house.enter(), 2) is ErrorCode.BANNED
    assert house.sessions.seat(bob.session, ROOM) is not None
    await house.documents.delete(Kind.BAN, ROOM, "ann")
    await house.join(house.enter(), 2)


async def test_while_the_repository_is_away_the_last_definition_decides(
    autojump_clock: MockClock, house: House
) -> None:
    await house.change(max_participants=2)
    await house.join(house.enter(user="bob"))
    house.documents.failure = StoreOutcomeUnknownError("no answer in time")
    admitted = await house.sessions.join(house.enter().session, ROOM, 1)
    assert admitted.degraded == ("bans", "caps", "order")
    assert await house.code_of_join(house.enter(user="zoe")) is ErrorCode.ROOM_FULL
    house.documents.failure = None
    await trio.sleep(2 * CONFIG.renew_s)
    assert house.sessions.statistics().seats_unconfirmed == 0


async def test_a_room_sets_its_own_grace(autojump_clock: MockClock, house: House) -> None:
    await house.change(grace_s=1.5)
    ann = house.enter()
    await house.join(ann)
    started = trio.current_time()
    house.sessions.socket_closed(ann.session)
    await house.event(SeatLost)
    assert trio.current_time() - started == pytest.approx(1.5)


async def test_a_second_device_waits_for_the_answer_of_the_first(autojump_clock: MockClock, house: House) -> None:
    await house.change(policy=RoomPolicy.REJECT)
    laptop = house.enter()
    await house.join(laptop)

    async def answer(state: HolderState, after_s: float) -> None:
        question = await house.event(AskHolder)
        assert question == AskHolder(holder=laptop.session, node=NodeId("n1"), room=ROOM)
        await trio.sleep(after_s)
        house.sessions.holder_answered(laptop.session, ROOM, state)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer, HolderState.ALIVE, 0.1)
        assert await house.code_of_join(house.enter(device="phone-001")) is ErrorCode.SEAT_OCCUPIED
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer, HolderState.SILENT, 2.0)
        await house.join(house.enter(device="phone-001"), 2)
    assert house.sessions.seat(laptop.session, ROOM) is None


async def test_an_answer_that_never_comes_is_a_refusal_and_not_a_hang(autojump_clock: MockClock, house: House) -> None:
    await house.change(policy=RoomPolicy.REJECT)
    await house.join(house.enter())
    started = trio.current_time()
    assert await house.code_of_join(house.enter(device="phone-001")) is ErrorCode.SEAT_OCCUPIED
    assert trio.current_time() - started == pytest.approx(2.5)


async def test_a_join_that_learns_of_the_policy_on_its_way_waits_for_the_holder(
    autojump_clock: MockClock, house: House
) -> None:
    laptop = house.enter()
    await house.join(laptop)
    await house.change(policy=RoomPolicy.REJECT)

    async def answer() -> None:
        await house.event(AskHolder)
        await trio.sleep(CONFIG.join_deadline_s + 0.1)
        house.sessions.holder_answered(laptop.session, ROOM, HolderState.SILENT)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        await house.join(house.enter(device="phone-001"))
    assert house.sessions.seat(laptop.session, ROOM) is None
    assert house.sessions.statistics().joins_pending == 0


async def test_a_join_whose_holder_nobody_asked_gets_no_longer(autojump_clock: MockClock) -> None:
    documents = MemoryRepository()
    async with open_sessions(
        CONFIG, store=MuteStore(lease_s=8, tombstone_s=60), directory=Shelf(documents)
    ) as sessions:
        house = House(sessions, documents, Shelf(documents))
        await house.change(policy=RoomPolicy.REJECT)
        started = trio.current_time()
        assert await house.code_of_join(house.enter()) is ErrorCode.DEADLINE_EXCEEDED
        assert trio.current_time() - started == pytest.approx(CONFIG.join_deadline_s)


async def test_a_definition_is_forgotten_when_told(autojump_clock: MockClock, house: House) -> None:
    await house.join(house.enter(user="bob"))
    house.sessions.definitions.forget(ROOM)
    await house.join(house.enter())
    assert house.shelf.reads == 2


class MuteStore(MemorySeatStore):
    """Answers no claim while anybody waits for it."""

    async def claim(self, seat: Seat, rules: RoomRules, *, silent: SessionId | None = None) -> SeatAnswer:
        await trio.sleep(60)
        return await super().claim(seat, rules, silent=silent)


class LateStore(MemorySeatStore):
    """Every claim is applied after its caller was told that there was no answer."""

    def __init__(self) -> None:
        super().__init__(lease_s=CONFIG.lease_s, tombstone_s=CONFIG.tombstone_s)
        self.late: list[tuple[Seat, RoomRules]] = []

    async def claim(self, seat: Seat, rules: RoomRules, *, silent: SessionId | None = None) -> SeatAnswer:
        await trio.lowlevel.checkpoint()
        self.late.append((seat, rules))
        raise StoreOutcomeUnknownError("no answer in time")

    async def land(self) -> None:
        for seat, rules in self.late:
            await super().claim(seat, rules)


async def test_a_claim_that_timed_out_may_land_later_and_seats_nobody_who_was_refused(
    autojump_clock: MockClock,
) -> None:
    store = LateStore()
    documents = MemoryRepository()
    async with open_sessions(CONFIG, store=store, directory=Shelf(documents)) as sessions:
        house = House(sessions, documents, Shelf(documents))
        await house.change(max_participants=1)
        bob = house.enter(user="bob")
        await house.join(bob)
        assert await house.code_of_join(house.enter()) is ErrorCode.ROOM_FULL
        await trio.sleep(0.1)
        await store.land()
        await trio.sleep(CONFIG.renew_s)
        live = store._table.live_sessions(ROOM, int(trio.current_time() * 1000))
        assert live == {bob.session}, "the release overtook the claim"
