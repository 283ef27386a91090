"""The session service on a clock of its own: joins, grace, outages, deadlines."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio
import trio.testing

from durable.errors import StoreOutcomeUnknownError, StoreUnavailableError
from session.config import SessionConfig
from session.directory import MAX_ROOM_PARTICIPANTS, RoomDefinition, RoomDirectory, StoredRoom
from session.memory_store import MemorySeatStore
from session.records import AskMesh, AttemptStale, RoomNodes, SeatLost, SessionEvent, SessionRecord
from session.room_media import RoomMedia
from session.service import Sessions, open_sessions
from session.store import (
    RoomPolicy,
    RoomRules,
    Seat,
    SeatAnswer,
)
from session.tokens import SessionClaims
from signalling.errors import ErrorCode, Refused
from signalling.ids import DeviceId, NodeId, RoomId, SessionId, UserId, participant_id
from tests.unit.durable.memory_repository import MemoryRepository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

    from session.records import SessionEvent

ROOM = RoomId("hall")
CONFIG = SessionConfig(cluster="alps", node=NodeId("n1"), region="here")


class FlakyStore(MemorySeatStore):
    """A memory store that can be away, or silent for a while."""

    def __init__(self) -> None:
        super().__init__(lease_s=CONFIG.lease_s, tombstone_s=CONFIG.tombstone_s)
        self.away = False
        self.silence_s = 0.0
        self.calls: list[str] = []

    async def _gate(self, name: str) -> None:
        self.calls.append(name)
        await trio.sleep(self.silence_s)
        if self.silence_s:
            raise StoreOutcomeUnknownError("silent")
        if self.away:
            raise StoreUnavailableError("away")

    async def claim(self, seat: Seat, rules: RoomRules, *, silent: SessionId | None = None) -> SeatAnswer:
        await self._gate("claim")
        return await super().claim(seat, rules, silent=silent)

    async def touch(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        await self._gate("touch")
        return await super().touch(seats)

    async def assert_seats(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        await self._gate("assert")
        return await super().assert_seats(seats)

    async def release(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        await self._gate("release")
        return await super().release(seats)


@pytest.fixture
def store() -> FlakyStore:
    return FlakyStore()


@asynccontextmanager
async def opened(store: FlakyStore, config: SessionConfig = CONFIG) -> AsyncIterator[Sessions]:
    async with open_sessions(config, store=store, directory=RoomDirectory(MemoryRepository(), max_rooms=3)) as sessions:
        yield sessions


@pytest.fixture
async def sessions(store: FlakyStore) -> AsyncIterator[Sessions]:
    async with opened(store) as service:
        yield service


async def create_room(sessions: Sessions, name: str, **fields: object) -> RoomDefinition:
    wanted = msgspec.structs.replace(sessions.definitions.usual(name), **fields)
    return (await sessions.definitions.create(wanted)).definition


def minted(sessions: Sessions, *, user: str = "ann", device: str = "laptop-01") -> SessionRecord:
    claims = SessionClaims(
        user=UserId(user), device=DeviceId(device), name=user, session=None, token_id="t", expires_at=0.0
    )
    return sessions.mint_session(claims)


async def next_event(sessions: Sessions) -> SessionEvent:
    with trio.fail_after(60):
        return await sessions.events.take()


async def code_of_join(sessions: Sessions, session: SessionId, room: str = ROOM, attempt: int = 1) -> ErrorCode:
    with pytest.raises(Refused) as refused:
        await sessions.join(session, RoomId(room), attempt)
    assert refused.value.message.endswith(".")
    return refused.value.code


async def test_a_join_takes_a_seat_and_a_refresh_takes_it_over(autojump_clock: MockClock, sessions: Sessions) -> None:
    first = minted(sessions)
    admitted = await sessions.join(first.session, ROOM, 1)
    assert admitted.participant == participant_id(ROOM, first.user, first.device)
    assert (admitted.degraded, admitted.takes_over) == ((), None)
    assert await sessions.join(first.session, ROOM, 1) == admitted

    second = minted(sessions)
    assert second.session != first.session
    again = await sessions.join(second.session, ROOM, 2)
    assert (again.participant, again.takes_over) == (admitted.participant, first.session)
    assert again.epoch > admitted.epoch
    assert await next_event(sessions) == SeatLost(
        session=first.session, room=ROOM, reason="replaced", successor=second.session
    )
    with pytest.raises(AttemptStale) as stale:
        await sessions.join(first.session, ROOM, 2)
    assert stale.value.highest_attempt == 2
    with pytest.raises(Refused) as not_in:
        sessions.leave(first.session, ROOM)
    assert not_in.value.code is ErrorCode.NOT_IN_ROOM
    sessions.leave(second.session, ROOM)
    assert sessions.seat(second.session, ROOM) is None


async def test_another_device_replaces_without_an_heir(autojump_clock: MockClock, sessions: Sessions) -> None:
    laptop, phone = minted(sessions), minted(sessions, device="phone-001")
    await sessions.join(laptop.session, ROOM, 9)
    admitted = await sessions.join(phone.session, ROOM, 1)
    assert admitted.takes_over is None
    assert await next_event(sessions) == SeatLost(session=laptop.session, room=ROOM, reason="replaced")


async def test_multi_rooms_seat_every_device(autojump_clock: MockClock, sessions: Sessions) -> None:
    await create_room(sessions, "many", policy=RoomPolicy.MULTI)
    for device in ("laptop-01", "phone-001"):
        await sessions.join(minted(sessions, device=device).session, RoomId("many"), 1)
    assert sessions.statistics().seats == 2


async def test_rooms_that_joins_make_have_the_nodes_policy(autojump_clock: MockClock, store: FlakyStore) -> None:
    async with opened(store, replace(CONFIG, room_policy=RoomPolicy.MULTI)) as sessions:
        for device in ("laptop-01", "phone-001"):
            await sessions.join(minted(sessions, device=device).session, ROOM, 1)
        assert sessions.statistics().seats == 2
        assert (await sessions.definitions.get(ROOM)).definition.policy is RoomPolicy.MULTI


async def test_a_dropped_socket_keeps_its_seat_for_the_grace(autojump_clock: MockClock, sessions: Sessions) -> None:
    first = minted(sessions)
    await sessions.join(first.session, ROOM, 1)
    sessions.socket_closed(first.session)
    sessions.socket_timed_out(first.session)
    await trio.sleep(CONFIG.grace_s - 0.1)
    assert sessions.statistics().seats_in_grace == 1
    assert sessions.record(first.session) == first
    started = trio.current_time()
    assert await next_event(sessions) == SeatLost(session=first.session, room=ROOM, reason="connection_lost")
    assert trio.current_time() - started == pytest.approx(0.1)
    assert sessions.record(first.session) is None


async def test_a_rejoin_within_the_grace_resumes(autojump_clock: MockClock, sessions: Sessions) -> None:
    first = minted(sessions)
    await sessions.join(first.session, ROOM, 1)
    sessions.socket_closed(first.session)
    await trio.sleep(3)
    second = minted(sessions)
    assert (await sessions.join(second.session, ROOM, 2)).takes_over == first.session
    assert await next_event(sessions) == SeatLost(
        session=first.session, room=ROOM, reason="replaced", successor=second.session
    )
    await trio.sleep(30)
    assert sessions.statistics().seats == 1
    assert len(sessions.events) == 0


async def test_seats_are_renewed(autojump_clock: MockClock, sessions: Sessions, store: FlakyStore) -> None:
    await sessions.join(minted(sessions).session, ROOM, 1)
    await trio.sleep(61)
    assert await store.nodes_of(ROOM) == {"n1"}
    assert store.calls.count("touch") == 61 // CONFIG.renew_s


async def test_two_nodes_learn_of_each_other_and_of_a_move(autojump_clock: MockClock, store: FlakyStore) -> None:
    other_config = SessionConfig(cluster="alps", node=NodeId("n2"))
    async with opened(store) as one, opened(store, other_config) as two:
        ann = minted(one)
        await one.join(ann.session, ROOM, 1)
        bob = minted(two, user="bob")
        await two.join(bob.session, ROOM, 1)
        assert await next_event(two) == RoomNodes(room=ROOM, nodes=frozenset({NodeId("n1")}))
        assert await next_event(one) == RoomNodes(room=ROOM, nodes=frozenset({NodeId("n2")}))
        await two.join(minted(two).session, ROOM, 2)
        one.check_seat(ann.session, ROOM)
        assert await next_event(one) == SeatLost(
            session=ann.session, room=ROOM, reason="replaced", moved_to=NodeId("n2")
        )
        assert await next_event(one) == RoomNodes(room=ROOM, nodes=frozenset())
        assert await next_event(two) == RoomNodes(room=ROOM, nodes=frozenset())


async def test_without_the_store_calls_run_and_joins_are_degraded(
    autojump_clock: MockClock, sessions: Sessions, store: FlakyStore
) -> None:
    ann = minted(sessions)
    await sessions.join(ann.session, ROOM, 1)
    store.away = True
    await trio.sleep(60)
    admitted = await sessions.join(minted(sessions, user="bob").session, ROOM, 1)
    assert admitted.degraded
    assert await code_of_join(sessions, ann.session, attempt=0) is ErrorCode.MALFORMED_MESSAGE
    statistics = sessions.statistics()
    assert (statistics.degraded, statistics.seats, statistics.seats_unconfirmed) == (True, 2, 1)
    assert (statistics.outages, statistics.joins_degraded) == (1, 1)
    assert 60 - CONFIG.renew_s <= statistics.outage_s <= 60
    # Nobody else says where the room lives: the mesh is asked, and what it says may only add.
    assert await next_event(sessions) == AskMesh(room=ROOM)
    sessions.room_heard(ROOM, frozenset({NodeId("n2"), CONFIG.node}))
    sessions.room_heard(RoomId("elsewhere"), frozenset({NodeId("n2")}))
    assert await next_event(sessions) == RoomNodes(room=ROOM, nodes=frozenset({NodeId("n2")}))
    assert sessions.rooms_here() == (ROOM,)
    store.away = False
    await trio.sleep(CONFIG.renew_s * 2)
    statistics = sessions.statistics()
    assert (statistics.degraded, statistics.seats, statistics.seats_unconfirmed) == (False, 2, 0)
    assert statistics.outage_s == 0
    # The store knows nothing of the other node; it is believed only when a lease is over.
    assert len(sessions.events) == 0
    await trio.sleep(CONFIG.lease_s)
    assert await next_event(sessions) == RoomNodes(room=ROOM, nodes=frozenset())


async def test_a_leave_during_an_outage_reaches_the_store_later(
    autojump_clock: MockClock, sessions: Sessions, store: FlakyStore
) -> None:
    ann = minted(sessions)
    await sessions.join(ann.session, ROOM, 1)
    store.away = True
    sessions.leave(ann.session, ROOM)
    await trio.sleep(CONFIG.renew_s)
    assert await code_of_join(sessions, ann.session) is ErrorCode.ATTEMPT_STALE
    store.away = False
    await trio.sleep(CONFIG.renew_s * 2)
    assert await store.nodes_of(ROOM) == frozenset()


async def test_a_cancelled_join_gives_back_what_it_took(
    autojump_clock: MockClock, sessions: Sessions, store: FlakyStore
) -> None:
    ann = minted(sessions)
    store.silence_s = 0.3
    with trio.move_on_after(0.1):
        await sessions.join(ann.session, ROOM, 1)
    store.silence_s = 0.0
    await trio.sleep(5)
    assert sessions.statistics().seats == 0
    assert await store.nodes_of(ROOM) == frozenset()
    assert await code_of_join(sessions, ann.session) is ErrorCode.ATTEMPT_STALE


async def test_a_join_ends_at_its_deadline(autojump_clock: MockClock, sessions: Sessions, store: FlakyStore) -> None:
    ann = minted(sessions)
    store.silence_s = 10.0
    started = trio.current_time()
    assert await code_of_join(sessions, ann.session) is ErrorCode.DEADLINE_EXCEEDED
    assert trio.current_time() - started == pytest.approx(CONFIG.join_deadline_s)
    await trio.sleep(60)
    assert sessions.statistics().seats == 0


async def test_repeats_of_one_join_share_one_answer(
    autojump_clock: MockClock, sessions: Sessions, store: FlakyStore
) -> None:
    ann = minted(sessions)
    answers = []

    async def join() -> None:
        answers.append(await sessions.join(ann.session, ROOM, 1))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(join)
    assert len(answers) == 50
    assert len(set(answers)) == 1
    assert store.calls.count("claim") == 1


async def test_one_attempt_in_many_sessions_admits_exactly_one(autojump_clock: MockClock, sessions: Sessions) -> None:
    admitted: list[object] = []
    refused: list[int] = []

    async def join(session: SessionId) -> None:
        try:
            admitted.append(await sessions.join(session, ROOM, 1))
        except AttemptStale as stale:
            refused.append(stale.highest_attempt)

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(join, minted(sessions).session)
    assert len(admitted) == 1
    assert refused == [1] * 99


class BunchedStore(FlakyStore):
    """Answers claims only when told to, and then all at once."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = trio.Event()

    async def claim(self, seat: Seat, rules: RoomRules, *, silent: SessionId | None = None) -> SeatAnswer:
        await self.let_go.wait()
        return await super().claim(seat, rules, silent=silent)


async def test_a_seat_that_went_before_its_owner_heard_of_it_is_refused(autojump_clock: MockClock) -> None:
    store = BunchedStore()
    admitted: list[str] = []
    refused: list[ErrorCode] = []
    async with opened(store) as sessions:

        async def join(session: SessionId) -> None:
            try:
                await sessions.join(session, ROOM, 1)
            except Refused as no:
                refused.append(no.code)
            else:
                admitted.append(session)
                assert sessions.seat(session, ROOM) is not None, "whoever is told of a seat has it"

        async with trio.open_nursery() as nursery:
            for device in ("laptop-01", "phone-001", "tablet-01"):
                nursery.start_soon(join, minted(sessions, device=device).session)
            await trio.sleep(0.1)
            store.let_go.set()
        assert len(admitted) == 1
        assert refused == [ErrorCode.REPLACED] * 2


class SlowDirectory(RoomDirectory):
    """Is away whenever it is asked, and says so slowly."""

    async def find(self, room: RoomId) -> StoredRoom | None:
        await trio.sleep(0.3)
        raise StoreUnavailableError("away")


async def test_a_repeat_that_is_given_up_leaves_the_seat_alone(autojump_clock: MockClock, store: FlakyStore) -> None:
    async with open_sessions(CONFIG, store=store, directory=SlowDirectory(MemoryRepository(), max_rooms=3)) as sessions:
        ann = minted(sessions)
        await sessions.join(ann.session, ROOM, 1)
        with trio.move_on_after(0.1):
            await sessions.join(ann.session, ROOM, 1)
        assert sessions.seat(ann.session, ROOM) is not None


async def test_a_leave_overtakes_its_join(autojump_clock: MockClock, sessions: Sessions, store: FlakyStore) -> None:
    ann = minted(sessions)
    codes = []
    store.silence_s = 0.3

    async def join() -> None:
        codes.append(await code_of_join(sessions, ann.session))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(join)
        await trio.sleep(0.1)
        sessions.leave(ann.session, ROOM)
    assert codes == [ErrorCode.NOT_IN_ROOM]


async def test_bounds(autojump_clock: MockClock, store: FlakyStore) -> None:
    config = SessionConfig(
        cluster="alps", node=NodeId("n1"), max_sessions=3, max_pending_joins=1, room_max_participants=1
    )
    async with opened(store, config) as sessions:
        ann, bob = minted(sessions), minted(sessions, user="bob")
        minted(sessions)
        with pytest.raises(Refused) as full:
            minted(sessions)
        assert full.value.code is ErrorCode.NODE_FULL
        await sessions.join(ann.session, ROOM, 1)
        assert await code_of_join(sessions, bob.session) is ErrorCode.ROOM_FULL
        store.silence_s = 0.2
        async with trio.open_nursery() as nursery:
            nursery.start_soon(code_of_join, sessions, bob.session)
            await trio.testing.wait_all_tasks_blocked()
            assert await code_of_join(sessions, ann.session, attempt=2) is ErrorCode.RATE_LIMITED
            nursery.cancel_scope.cancel()
    for bad in ({"renew_s": 3.0}, {"grace_s": 9.0}, {"lease_s": 0.0}, {"max_rooms": 0}, {"node": "N 1"}):
        with pytest.raises(ValueError, match=next(iter(bad)).replace("node", "node id")):
            SessionConfig(**{"cluster": "alps", "node": NodeId("n1"), **bad})  # type: ignore[arg-type]


async def test_drain_refuses_joins_then_releases_at_once(
    autojump_clock: MockClock, sessions: Sessions, store: FlakyStore
) -> None:
    ann = minted(sessions)
    await sessions.join(ann.session, ROOM, 1)
    sessions.start_drain()
    assert await code_of_join(sessions, ann.session, attempt=2) is ErrorCode.NODE_DRAINING
    with pytest.raises(Refused):
        minted(sessions)
    sessions.undo_drain()
    bob = minted(sessions, user="bob")
    await sessions.join(bob.session, ROOM, 1)
    await sessions.release_all()
    assert await store.nodes_of(ROOM) == frozenset()
    lost = {await next_event(sessions) for _ in range(2)}
    assert lost == {SeatLost(session=who.session, room=ROOM, reason="node_drained") for who in (ann, bob)}


async def test_release_all_does_not_wait_for_a_silent_store(
    autojump_clock: MockClock, sessions: Sessions, store: FlakyStore
) -> None:
    await sessions.join(minted(sessions).session, ROOM, 1)
    store.silence_s = 100.0
    started = trio.current_time()
    await sessions.release_all()
    assert trio.current_time() - started == pytest.approx(CONFIG.join_deadline_s)


async def test_rooms(autojump_clock: MockClock, sessions: Sessions) -> None:
    created = await create_room(sessions, "hall", max_participants=2)
    assert (created.room, created.max_participants) == ("hall", 2)
    assert (await sessions.definitions.get("hall")).definition == created
    for name, code in (("hall", ErrorCode.ROOM_EXISTS), ("a b", ErrorCode.ROOM_INVALID), ("", ErrorCode.ROOM_INVALID)):
        with pytest.raises(Refused) as refused:
            await create_room(sessions, name)
        assert refused.value.code is code
    for cap in (0, MAX_ROOM_PARTICIPANTS + 1):
        with pytest.raises(Refused) as refused:
            await create_room(sessions, "big", max_participants=cap)
        assert refused.value.code is ErrorCode.ROOM_INVALID
    for media in (RoomMedia(loudest=-1), RoomMedia(max_height=20_000), RoomMedia(max_bitrate_bps=-5)):
        with pytest.raises(Refused) as refused:
            await create_room(sessions, "odd", media=media)
        assert refused.value.code is ErrorCode.ROOM_INVALID
        assert "is 0, for no limit, or up to" in refused.value.message
    with pytest.raises(Refused) as refused:
        await sessions.definitions.get("nowhere")
    assert refused.value.code is ErrorCode.ROOM_UNKNOWN
    await create_room(sessions, "attic")
    await sessions.join(minted(sessions).session, RoomId("yard"), 1)
    assert [each.definition.room for each in await sessions.definitions.list(after="", limit=9)] == [
        "attic",
        "hall",
        "yard",
    ]
    assert [each.definition.room for each in await sessions.definitions.list(after="attic", limit=1)] == ["hall"]
    assert await code_of_join(sessions, minted(sessions).session, "one-too-many") is ErrorCode.ROOMS_FULL
    assert await code_of_join(sessions, minted(sessions).session, "a b") is ErrorCode.ROOM_INVALID
    assert await code_of_join(sessions, SessionId("nobody")) is ErrorCode.UNEXPECTED_MESSAGE


async def test_limits_on_media_are_the_rooms_own_else_the_nodes(autojump_clock: MockClock, store: FlakyStore) -> None:
    """They are read where somebody joined; a directory that never answered leaves the node's own."""
    usual, few = RoomMedia(max_height=720), RoomMedia(loudest=3)
    config = SessionConfig(cluster="alps", node=NodeId("n1"), room_media=usual)
    async with opened(store, config) as sessions:
        await create_room(sessions, "panel", media=few)
        await sessions.join(minted(sessions).session, ROOM, 1)
        assert sessions.media_of(RoomId("panel")) == few
        assert (await sessions.definitions.get(ROOM)).definition.media == sessions.media_of(ROOM) == usual
    async with open_sessions(config, store=store, directory=AwayDirectory(MemoryRepository(), max_rooms=1)) as sessions:
        await sessions.join(minted(sessions).session, RoomId("panel"), 1)
        assert sessions.media_of(RoomId("panel")) == usual


async def test_joining_does_not_create_where_the_operator_says_so(autojump_clock: MockClock, store: FlakyStore) -> None:
    config = SessionConfig(cluster="alps", node=NodeId("n1"), rooms_on_join=False)
    async with opened(store, config) as sessions:
        assert await code_of_join(sessions, minted(sessions).session) is ErrorCode.ROOM_UNKNOWN
        await create_room(sessions, ROOM)
        await sessions.join(minted(sessions).session, ROOM, 1)


class AwayDirectory(RoomDirectory):
    async def find(self, room: RoomId) -> StoredRoom | None:
        raise StoreUnavailableError("away")


async def test_a_directory_that_is_away_keeps_nobody_out(autojump_clock: MockClock, store: FlakyStore) -> None:
    async with open_sessions(CONFIG, store=store, directory=AwayDirectory(MemoryRepository(), max_rooms=1)) as sessions:
        await sessions.join(minted(sessions).session, ROOM, 1)
        with pytest.raises(Refused) as refused:
            await sessions.definitions.get(ROOM)
        assert refused.value.code is ErrorCode.STORE_UNAVAILABLE


class SilentDirectory(RoomDirectory):
    """Its store answers nothing for a while, and everything after it."""

    silence_s = 0.0

    async def find(self, room: RoomId) -> StoredRoom | None:
        await trio.sleep(self.silence_s)
        if self.silence_s:
            raise StoreOutcomeUnknownError("silent")
        return await super().find(room)


async def test_a_join_without_the_store_waits_for_it_once(autojump_clock: MockClock, store: FlakyStore) -> None:
    """By a definition that is known here it asks for the seat, else for the definition, and then for nothing more."""
    directory = SilentDirectory(MemoryRepository(), max_rooms=3)
    async with open_sessions(CONFIG, store=store, directory=directory) as sessions:
        await sessions.join(minted(sessions).session, RoomId("known"), 1)
        store.silence_s = directory.silence_s = 0.4
        for room in ("known", "new", "new"):
            started = trio.current_time()
            admitted = await sessions.join(minted(sessions, user=f"{room} {started}").session, RoomId(room), 1)
            assert admitted.degraded
            assert trio.current_time() - started == pytest.approx(0.4)
        store.silence_s = directory.silence_s = 0.0
        assert not (await sessions.join(minted(sessions).session, RoomId("new"), 1)).degraded
        assert await directory.get(RoomId("new")) is not None, "what a stand-in was for is made when the store is back"


async def test_events_wait_for_a_slow_reader_at_most_one_per_seat(
    autojump_clock: MockClock, sessions: Sessions
) -> None:
    for attempt in range(1, 40):
        record = minted(sessions)
        await sessions.join(record.session, ROOM, attempt)
        sessions.leave(record.session, ROOM)
    ann = minted(sessions)
    for attempt in range(50, 90, 2):
        await sessions.join(ann.session, ROOM, attempt)
        phone = minted(sessions, device="phone-001")
        await sessions.join(phone.session, ROOM, attempt)
    lost = [event async for event in _drained(sessions)]
    assert len(lost) == len({event.session for event in lost if isinstance(event, SeatLost)})


async def _drained(sessions: Sessions) -> AsyncIterator[SessionEvent]:
    while len(sessions.events):
        yield await sessions.events.take()
