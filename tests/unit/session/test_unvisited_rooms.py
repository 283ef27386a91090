"""A room that a join made is forgotten when nobody comes; nobody loses one that is used or was configured."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

from durable.errors import StoreUnavailableError
from durable.repository import Entry, Kind, Log
from session import MemorySeatStore, RoomDirectory, SessionConfig, open_sessions
from session.unvisited_rooms import LOOKS_IN_TIME, SLACK_LOOKS
from signalling.ids import NodeId, RoomId
from tests.unit.durable import memory_repository
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.session.test_service import minted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

    from session import Sessions

HALL = RoomId("hall")
CONFIG = SessionConfig(cluster="alps", node=NodeId("n1"), forget_rooms_after_s=800.0)
PERIOD_S = CONFIG.forget_rooms_after_s / LOOKS_IN_TIME
GONE_AFTER_S = CONFIG.forget_rooms_after_s + (2 * SLACK_LOOKS + 1) * PERIOD_S


def now_ms() -> int:
    return 1_800_000_000_000 + int(trio.current_time() * 1000)


class Mesh:
    """What outlives a node."""

    def __init__(self) -> None:
        self.repository = MemoryRepository()
        self.directory = RoomDirectory(self.repository, max_rooms=9)
        self.store = MemorySeatStore(lease_s=CONFIG.lease_s, tombstone_s=CONFIG.tombstone_s, repository=self.repository)

    @asynccontextmanager
    async def node(self, config: SessionConfig = CONFIG) -> AsyncIterator[Sessions]:
        async with open_sessions(config, store=self.store, directory=self.directory) as sessions:
            yield sessions

    async def has(self, room: RoomId = HALL) -> bool:
        return await self.directory.get(room) is not None


@pytest.fixture
def mesh(monkeypatch: pytest.MonkeyPatch) -> Mesh:
    for place in ("session.unvisited_rooms", "session.room_definitions"):
        monkeypatch.setattr(f"{place}._now_ms", now_ms)
    monkeypatch.setattr(memory_repository, "_wall_clock_ms", now_ms)
    return Mesh()


async def visit(sessions: Sessions, attempt: int = 1, *, stays_s: float = 1.0) -> None:
    session = minted(sessions).session
    await sessions.join(session, HALL, attempt)
    await trio.sleep(stays_s)
    sessions.leave(session, HALL)


async def test_it_goes_with_its_chat_after_the_last_visit_and_not_before(autojump_clock: MockClock, mesh: Mesh) -> None:
    async with mesh.node() as sessions:
        await visit(sessions)
        await mesh.repository.append(Log.CHAT, HALL, Entry(id="1", body=b"{}"), keep=9)
        for attempt in range(2, 6):
            await trio.sleep(CONFIG.forget_rooms_after_s - 2)
            assert await mesh.has()
            await visit(sessions, attempt)
        await trio.sleep(CONFIG.forget_rooms_after_s)
        assert await mesh.has()
        await trio.sleep(GONE_AFTER_S - CONFIG.forget_rooms_after_s)
        assert not await mesh.has()
        assert await mesh.repository.tail(Log.CHAT, HALL) == ()
        assert not mesh.repository._documents, "nothing is left of it"
        await visit(sessions, 9)
        assert await mesh.has(), "whoever comes again makes it anew"


async def test_a_visit_costs_a_join_nothing(autojump_clock: MockClock, mesh: Mesh) -> None:
    async with mesh.node() as sessions:
        await visit(sessions, 1)
        calls = mesh.repository.calls
        await sessions.join(minted(sessions).session, HALL, 2)
        assert mesh.repository.calls == calls + 2, "the claim's own: the room and the ban"


async def test_where_somebody_sits_it_stays_also_on_a_node_that_notes_no_visits(
    autojump_clock: MockClock, mesh: Mesh
) -> None:
    older = SessionConfig(cluster="alps", node=NodeId("n2"), forget_rooms_after_s=0.0)
    async with mesh.node() as sessions, mesh.node(older) as others:
        await visit(sessions)
        session = minted(others, user="bob").session
        await others.join(session, HALL, 1)
        await trio.sleep(3 * GONE_AFTER_S)
        assert await mesh.has()
        others.leave(session, HALL)
        await trio.sleep(2 * GONE_AFTER_S)
        assert not await mesh.has()


async def test_a_long_call_is_a_visit(autojump_clock: MockClock, mesh: Mesh) -> None:
    async with mesh.node() as sessions:
        await visit(sessions, stays_s=3 * GONE_AFTER_S)
        await trio.sleep(CONFIG.forget_rooms_after_s)
        assert await mesh.has()


@pytest.mark.parametrize("how", ["created", "changed", "invited", "banned", "of an older node"])
async def test_what_somebody_configured_stays(autojump_clock: MockClock, mesh: Mesh, how: str) -> None:
    async with mesh.node() as sessions:
        definitions = sessions.definitions
        if how == "created":
            await definitions.create(definitions.usual(HALL, owner="ann"))
        await visit(sessions)
        stored = await definitions.get(HALL)
        if how == "changed":
            await definitions.change(stored, lambda old: msgspec.structs.replace(old, locked=True), again=False)
        elif how == "invited":
            await mesh.repository.put(Kind.INVITATION, HALL, "in_1", body=b"{}")
        elif how == "banned":
            await mesh.repository.put(Kind.BAN, HALL, "eve", body=b"{}")
        elif how == "of an older node":
            await mesh.repository.put(Kind.ROOM, HALL, body=b'{"room":"hall","max_participants":7,"version":2}')
        await trio.sleep(3 * GONE_AFTER_S)
        assert await mesh.has()


async def test_nothing_is_forgotten_where_the_operator_says_so(autojump_clock: MockClock, mesh: Mesh) -> None:
    async with mesh.node(SessionConfig(cluster="alps", node=NodeId("n1"), forget_rooms_after_s=0.0)) as sessions:
        await visit(sessions)
        await trio.sleep(100 * 86_400)
        assert await mesh.has()


async def test_a_store_that_is_away_is_looked_through_when_it_is_back(autojump_clock: MockClock, mesh: Mesh) -> None:
    async with mesh.node() as sessions:
        await visit(sessions)
        mesh.repository.failure = StoreUnavailableError("away")
        await trio.sleep(5 * PERIOD_S)
        mesh.repository.failure = None
        await trio.sleep(CONFIG.forget_rooms_after_s)
        assert await mesh.has(), "the visit was noted late, and counts from then"
        await trio.sleep(GONE_AFTER_S)
        assert not await mesh.has()


async def test_a_change_between_the_look_and_the_deletion_wins(
    autojump_clock: MockClock, mesh: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mesh.node() as sessions:
        await visit(sessions)

        async def changed_meanwhile(room: RoomId) -> bool:
            stored = await mesh.directory.get(room)
            if stored is not None:
                await mesh.directory.replace(stored, stored.definition)
            return False

        monkeypatch.setattr(mesh.directory, "is_wanted", changed_meanwhile)
        await trio.sleep(3 * GONE_AFTER_S)
        assert await mesh.has()
