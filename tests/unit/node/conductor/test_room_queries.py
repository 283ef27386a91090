"""A join without the store: the mesh is asked, and what it says reaches the stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import trio
from trio.testing import wait_all_tasks_blocked

from durable import StoreUnavailableError
from membership import RoomFound
from node.conductor.pumps import pump_queries, pump_sessions
from session import (
    MemorySeatStore,
    RoomDirectory,
    Seat,
    SeatStore,
    SessionClaims,
    SessionConfig,
    open_sessions,
)
from signalling.ids import DeviceId, NodeId, RoomId, UserId
from tests.unit.durable.memory_repository import MemoryRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from trio.testing import MockClock

    from node.conductor.holders import HolderDesk
    from node.conductor.moves import MoveDesk
    from node.conductor.stage import Stage
    from session import Sessions

ROOM = RoomId("hall")
HERE, THERE = NodeId("here"), NodeId("there")
NO_HOLDERS = cast("HolderDesk", None)
NO_MOVES = cast("MoveDesk", None)
CONFIG = SessionConfig(cluster="test", node=HERE)


class Gone(MemorySeatStore):
    """A store that answers no claim."""

    async def claim(self, seat: Seat, *args: object, **named: object) -> None:  # type: ignore[override]
        raise StoreUnavailableError("away")


class Gossip:
    """Where rooms are asked for: notes which, and says what the test wants."""

    def __init__(self) -> None:
        self.say, self.found = trio.open_memory_channel[RoomFound](4)
        self.asked: list[RoomId] = []

    def ask(self, room: RoomId) -> None:
        self.asked.append(room)

    def speak_for(self, rooms_here: Callable[[], Iterable[RoomId]]) -> None:
        raise AssertionError("the conductor does that")


class Ear:
    """The stage's place."""

    def __init__(self) -> None:
        self.stored: list[tuple[RoomId, frozenset[NodeId]]] = []

    def room_is_stored_on(self, room: RoomId, nodes: frozenset[NodeId]) -> None:
        self.stored.append((room, nodes))


async def _join(sessions: Sessions) -> bool:
    claims = SessionClaims(
        user=UserId("ann"), device=DeviceId("laptop-01"), name="Ann", session=None, token_id="t", expires_at=0.0
    )
    return bool((await sessions.join(sessions.mint_session(claims).session, ROOM, 1)).degraded)


async def test_what_the_mesh_says_of_a_room_reaches_the_stage(autojump_clock: MockClock) -> None:
    gossip, ear = Gossip(), Ear()
    stage = cast("Stage", ear)
    store = cast("SeatStore", Gone(lease_s=8, tombstone_s=60))
    async with (
        open_sessions(CONFIG, store=store, directory=RoomDirectory(MemoryRepository(), max_rooms=9)) as sessions,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(pump_sessions, sessions, stage, NO_MOVES, NO_HOLDERS, gossip)
        nursery.start_soon(pump_queries, gossip, sessions)
        assert await _join(sessions)
        await wait_all_tasks_blocked()
        assert gossip.asked == [ROOM]
        await gossip.say.send(RoomFound(room=ROOM, nodes=frozenset({THERE})))
        await gossip.say.send(RoomFound(room=RoomId("unknown"), nodes=frozenset({THERE})))
        await wait_all_tasks_blocked()
        assert ear.stored == [(ROOM, frozenset({THERE}))]
        nursery.cancel_scope.cancel()


async def test_a_node_without_a_mesh_asks_nobody(autojump_clock: MockClock) -> None:
    store = cast("SeatStore", Gone(lease_s=8, tombstone_s=60))
    async with (
        open_sessions(CONFIG, store=store, directory=RoomDirectory(MemoryRepository(), max_rooms=9)) as sessions,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(pump_sessions, sessions, cast("Stage", Ear()), NO_MOVES, NO_HOLDERS, None)
        assert await _join(sessions)
        await wait_all_tasks_blocked()
        assert len(sessions.events) == 0
        nursery.cancel_scope.cancel()
