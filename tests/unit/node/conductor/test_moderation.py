"""Orders of other nodes about people and rooms here: each acts once, and none is used up before it acts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from durable.errors import StoreUnavailableError
from durable.repository import Kind
from relay import RemoteOrder
from signalling.client.messages import MuteAsked, RoomChanged, SeatLost
from signalling.ids import TrackId
from signalling.mesh.link import KickOrder, MuteOrder, RoomAltered
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.node.conductor.house import ROOM, THERE, Mesh, open_house

if TYPE_CHECKING:
    from trio.testing import MockClock

    from durable.repository import Document
    from session import RoomDefinition
    from signalling.mesh.link import RoomOrder


class SlowRepository(MemoryRepository):
    """Takes its time to read."""

    async def get(self, kind: Kind, scope: str, key: str = "") -> Document | None:
        await trio.sleep(0.1)
        return await super().get(kind, scope, key)


def locked(definition: RoomDefinition) -> RoomDefinition:
    return msgspec.structs.replace(definition, locked=True)


async def hear(mesh: Mesh, order: RoomOrder) -> None:
    """Another node sends an order, for the first time or again."""
    await mesh.say.send(RemoteOrder(node=THERE, order=order))
    await wait_all_tasks_blocked()


async def test_a_kick_that_comes_before_its_target_acts_when_it_is_repeated(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ann = await house.enter("Ann")
        joined = await ann.join()
        await ann.leave()
        order = KickOrder(ROOM, "order-1", joined.participant)
        await hear(mesh, order)
        again = await ann.join(2)
        assert again.participant == joined.participant
        await hear(mesh, order)
        assert ann.ear.take(SeatLost) == [SeatLost(reason="kicked")]
        await ann.join(3)
        await hear(mesh, order)
        assert len(ann.ear.take(SeatLost)) == 1, "once it has acted, a late copy does nothing"


async def test_a_mute_is_asked_for_once_and_not_before_there_is_whom_to_ask(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ann = await house.enter("Ann")
        joined = await ann.join()
        await ann.leave()
        order = MuteOrder(ROOM, "order-1", joined.participant, TrackId("tr_1"))
        await hear(mesh, order)
        await ann.join(2)
        for _ in range(3):
            await hear(mesh, order)
        assert ann.ear.take(MuteAsked) == [MuteAsked(by=None, track=TrackId("tr_1"))]


# --- rooms ---------------------------------------------------------------------------------


GONE = RoomAltered(ROOM, "order-1", is_deleted=True)


async def test_a_deleted_room_is_emptied(autojump_clock: MockClock) -> None:
    mesh, repository = Mesh(), MemoryRepository()
    async with open_house(mesh=mesh, repository=repository) as house:
        ann = await house.enter("Ann")
        await ann.join()
        await repository.delete(Kind.ROOM, ROOM)
        await hear(mesh, GONE)
        assert ann.ear.take(SeatLost) == [SeatLost(reason="room_deleted")]


async def test_an_order_that_comes_late_does_not_empty_a_room_made_anew(autojump_clock: MockClock) -> None:
    mesh, repository = Mesh(), MemoryRepository()
    async with open_house(mesh=mesh, repository=repository) as house:
        ann = await house.enter("Ann")
        await repository.delete(Kind.ROOM, ROOM)
        await ann.join()
        await hear(mesh, GONE)
        assert not ann.ear.take(SeatLost)
        assert [event.room for event in ann.ear.take(RoomChanged)] == [ROOM], "but hears what stands now"
        await hear(mesh, GONE)
        assert len(ann.ear.take(RoomChanged)) == 1


async def test_many_orders_about_a_room_are_one_question_at_a_time(autojump_clock: MockClock) -> None:
    mesh, repository = Mesh(), SlowRepository()
    async with open_house(mesh=mesh, repository=repository) as house:
        ann = await house.enter("Ann")
        await ann.join()
        stored = await house.sessions.definitions.get(ROOM)
        await house.sessions.definitions.change(stored, locked, again=False)
        before = repository.statistics().calls
        for number in range(10):
            await mesh.say.send(RemoteOrder(node=THERE, order=RoomAltered(ROOM, f"order-{number}")))
        await trio.sleep(1)
        assert repository.statistics().calls - before <= 2, "one read, and one for all that came meanwhile"
        assert [event.locked for event in ann.ear.take(RoomChanged)] == [True]


@pytest.mark.parametrize("is_deleted", [True, False])
async def test_while_the_store_is_away_an_order_waits_for_its_repeat(
    autojump_clock: MockClock, is_deleted: bool
) -> None:
    mesh, repository = Mesh(), MemoryRepository()
    order = RoomAltered(ROOM, "order-1", is_deleted=is_deleted)
    async with open_house(mesh=mesh, repository=repository) as house:
        ann = await house.enter("Ann")
        await ann.join()
        if is_deleted:
            await repository.delete(Kind.ROOM, ROOM)
        repository.failure = StoreUnavailableError("away")
        await hear(mesh, order)
        assert not ann.ear.take(SeatLost)
        assert not ann.ear.take(RoomChanged)
        repository.failure = None
        await hear(mesh, order)
        assert len(ann.ear.take(SeatLost)) == int(is_deleted)
        assert len(ann.ear.take(RoomChanged)) == int(not is_deleted)
