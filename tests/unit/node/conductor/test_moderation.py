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
from session import RoomDirectory
from signalling.client.messages import MuteAsked, RoomChanged, SeatLost
from signalling.client.rooms import RoomCreation, RoomPatch
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


async def change_elsewhere(repository: MemoryRepository, **changes: object) -> None:
    """Another node changes the room, by locking it where nothing else is named: this one is told nothing."""
    directory = RoomDirectory(repository, max_rooms=10)
    stored = await directory.get(ROOM)
    assert stored is not None
    definition = msgspec.structs.replace(stored.definition, **(changes or {"locked": True}))
    await directory.replace(stored, definition)


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
        assert not ann.ear.take(RoomChanged), "she joined by what stands now"
        await change_elsewhere(repository)
        await hear(mesh, GONE)
        await hear(mesh, GONE)
        assert [event.locked for event in ann.ear.take(RoomChanged)] == [True], "but hears what stands by then"


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
        else:
            await change_elsewhere(repository)
        repository.failure = StoreUnavailableError("away")
        await hear(mesh, order)
        assert not ann.ear.take(SeatLost)
        assert not ann.ear.take(RoomChanged)
        repository.failure = None
        await hear(mesh, order)
        assert len(ann.ear.take(SeatLost)) == int(is_deleted)
        assert len(ann.ear.take(RoomChanged)) == int(not is_deleted)


async def test_those_inside_hear_what_a_join_found_changed(autojump_clock: MockClock) -> None:
    """No link carried it, and the room has not been looked at since the first of them came."""
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        ann, bob = await house.enter("Ann"), await house.enter("Bob")
        await house.conductor.room_desk.create(ann.token, RoomCreation(room=ROOM))
        await ann.join()
        await change_elsewhere(repository, metadata={"topic": "another"}, grace_s=1.0)
        await bob.join()
        assert [event.metadata for event in ann.ear.take(RoomChanged)] == [{"topic": "another"}]
        assert not bob.ear.take(RoomChanged), "he was told in the answer to his join"
        await trio.sleep(60)
        assert len(ann.ear.take(RoomChanged)) == 1
        assert not bob.ear.take(RoomChanged)
        house.conductor.session_closed(ann.session, "gone")
        await trio.sleep(2)
        assert house.sessions.seat(ann.session, ROOM) is None, "the new grace holds for her as well"


async def test_a_change_before_the_first_look_is_found_by_it(autojump_clock: MockClock) -> None:
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        ann, bob = await house.enter("Ann"), await house.enter("Bob")
        await house.conductor.room_desk.create(ann.token, RoomCreation(room=ROOM))
        await ann.join()
        await change_elsewhere(repository)
        await house.conductor.room_desk.get(bob.token, ROOM)  # Somebody reads it, who does not come in.
        await trio.sleep(16)
        assert [event.locked for event in ann.ear.take(RoomChanged)] == [True]


async def test_everybody_hears_who_decides_from_now_on() -> None:
    async with open_house() as house:
        ann, bob, eve = [await house.enter(name) for name in ("Ann", "Bob", "Eve")]
        await house.conductor.room_desk.create(ann.token, RoomCreation(room=ROOM))
        for person in (ann, bob, eve):
            await person.join()
        record = house.sessions.record(bob.session)
        assert record is not None
        await house.conductor.room_desk.patch(ann.token, ROOM, RoomPatch(owner=record.user), revisions=None)
        heard = [[event.moderates for event in person.ear.take(RoomChanged)] for person in (ann, bob, eve)]
        assert heard == [[False], [True], [False]]
