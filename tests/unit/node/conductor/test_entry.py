"""The door of a room while its definition changes, and while nobody knows it."""

from __future__ import annotations

import msgspec
import pytest
from trio.testing import wait_all_tasks_blocked

from node.conductor import entry
from session import RoomDirectory
from signalling.client.messages import Join, ParticipantLeft
from signalling.errors import ErrorCode, Refused
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.node.conductor.house import ROOM, Person, open_house


async def change_elsewhere(repository: MemoryRepository, **changes: object) -> None:
    """Another node changes the room: this one goes on with what it knows."""
    directory = RoomDirectory(repository, max_rooms=10)
    stored = await directory.get(ROOM)
    assert stored is not None
    await directory.replace(msgspec.structs.replace(stored.definition, **changes), expected=stored.revision)


async def refused(person: Person, join: Join) -> ErrorCode:
    """Why somebody is not let in."""
    with pytest.raises(Refused) as caught:
        await person.ask(join)
    await wait_all_tasks_blocked()
    return caught.value.code


async def test_whoever_is_refused_after_the_seat_was_handed_over_is_gone_for_everybody(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    monkeypatch.setattr(entry, "MAX_CHECKS", 1)
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        bob, ann = await house.enter("Bob"), await house.enter("Ann", "device-of-ann")
        await bob.join()
        await ann.join()
        await change_elsewhere(repository, metadata={"topic": "another"})
        reloaded = await house.enter_with(ann.token)
        assert await refused(reloaded, Join(room=ROOM, attempt=2)) is ErrorCode.ROOM_CHANGED
        assert house.conductor.stage.rooms.others(bob.session) == ()
        assert [left.reason for left in bob.ear.take(ParticipantLeft)] == ["left"]
        assert house.conductor.stage.rooms.room_of(reloaded.session) is None


async def test_a_stale_join_leaves_the_seat_that_stands(autojump_clock: object) -> None:
    async with open_house() as house:
        ann = await house.enter("Ann")
        await ann.join(attempt=3)
        reply = await ann.ask(Join(room=ROOM, attempt=2))
        assert getattr(reply, "code", None) is ErrorCode.ATTEMPT_STALE
        await wait_all_tasks_blocked()
        assert house.conductor.stage.rooms.room_of(ann.session) == ROOM
        assert house.sessions.seat(ann.session, ROOM) is not None
