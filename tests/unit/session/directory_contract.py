"""What every room directory must do; run against the one in memory here and against Redis in the cluster ring."""

from __future__ import annotations

import msgspec
import pytest

from durable.repository import Kind, Repository, RevisionConflictError
from session.directory import RoomDefinition, RoomDirectory, define_room
from session.room_media import RoomMedia
from session.store import RoomPolicy
from signalling.errors import ErrorCode, Refused
from signalling.ids import RoomId, UserId

MAX_ROOMS = 4


def definition(name: str) -> RoomDefinition:
    media = RoomMedia(loudest=3, max_height=720, max_bitrate_bps=2_000_000, codec_policy="tell")
    return define_room(name, max_participants=7, policy=RoomPolicy.MULTI, media=media, now_ms=1)


class RoomDirectoryContract:
    """Subclasses give a fixture `repository`, and over it a `directory` for :data:`MAX_ROOMS` rooms."""

    async def test_what_was_created_is_found_whole(self, directory: RoomDirectory) -> None:
        created = await directory.create(definition("hall"))
        assert created.definition == definition("hall")
        assert created.revision > 0
        assert await directory.get(RoomId("hall")) == created
        assert await directory.get(RoomId("attic")) is None

    async def test_a_change_needs_the_revision_that_it_was_made_of(self, directory: RoomDirectory) -> None:
        created = await directory.create(definition("hall"))
        locked = msgspec.structs.replace(created.definition, locked=True, owner=UserId("ann"))
        changed = await directory.replace(created, locked)
        assert changed.revision > created.revision
        assert await directory.get(RoomId("hall")) == changed
        with pytest.raises(RevisionConflictError) as conflict:
            await directory.replace(created, created.definition)
        assert conflict.value.revision == changed.revision

    async def test_a_change_keeps_what_a_newer_version_wrote(
        self, directory: RoomDirectory, repository: Repository
    ) -> None:
        newer = msgspec.json.decode(msgspec.json.encode(definition("hall")))
        newer |= {"version": 9, "colour": "blue", "metadata": {"a": 1}, "media": {**newer["media"], "max_fps": 30}}
        await repository.put(Kind.ROOM, "hall", body=msgspec.json.encode(newer))
        stored = await directory.get(RoomId("hall"))
        assert stored is not None
        for metadata in ({"b": 2}, {"c": 3}):
            stored = await directory.replace(
                stored, msgspec.structs.replace(stored.definition, locked=True, metadata=metadata)
            )
        document = await repository.get(Kind.ROOM, "hall")
        assert document is not None
        assert msgspec.json.decode(document.body) == {**newer, "locked": True, "metadata": {"c": 3}}

    async def test_a_page_is_one_call(self, directory: RoomDirectory, repository: Repository) -> None:
        for n in range(MAX_ROOMS):
            await directory.create(definition(f"room-{n}"))
        calls = repository.statistics().calls
        assert len(await directory.rooms()) == MAX_ROOMS
        assert repository.statistics().calls == calls + 1

    async def test_a_deleted_room_takes_along_what_belongs_to_it(
        self, directory: RoomDirectory, repository: Repository
    ) -> None:
        hall = RoomId("hall")
        created = await directory.create(definition(hall))
        await repository.put(Kind.BAN, hall, "bob", body=b"{}")
        changed = await directory.replace(created, msgspec.structs.replace(created.definition, locked=True))
        with pytest.raises(RevisionConflictError):
            await directory.close(created)
        assert await repository.get(Kind.BAN, hall, "bob") is not None, "who was too late has changed nothing"
        closed = await directory.close(changed)
        assert await directory.get(hall) is None, "from here on nobody finds it"
        assert await directory.close(closed) == closed
        await directory.remove(closed)
        assert await directory.find(hall) is None
        assert await repository.get(Kind.BAN, hall, "bob") is None
        await directory.remove(closed)

    async def test_a_room_that_is_being_deleted_goes_before_the_next_of_its_name(
        self, directory: RoomDirectory, repository: Repository
    ) -> None:
        hall = RoomId("hall")
        closed = await directory.close(await directory.create(definition(hall)))
        await repository.put(Kind.INVITATION, hall, "in_1", body=b"{}")
        new = await directory.create(definition(hall))
        assert await repository.get(Kind.INVITATION, hall, "in_1") is None
        await directory.remove(closed)
        assert await directory.get(hall) == new, "a late removal is of the former one"

    async def test_joins_leave_a_tenth_for_rooms_made_on_purpose(self, repository: Repository) -> None:
        directory = RoomDirectory(repository, max_rooms=10)
        for n in range(9):
            await directory.create(msgspec.structs.replace(definition(f"room-{n}"), from_join=True))
        with pytest.raises(Refused) as refused:
            await directory.create(msgspec.structs.replace(definition("by-join"), from_join=True))
        assert refused.value.code is ErrorCode.ROOMS_FULL
        await directory.create(definition("on-purpose"))

    async def test_a_new_owner_may_not_have_more_rooms_than_one_may(self, repository: Repository) -> None:
        directory = RoomDirectory(repository, max_rooms=9, max_per_owner=1)
        theirs = await directory.create(msgspec.structs.replace(definition("a"), owner=UserId("ann")))
        await directory.create(msgspec.structs.replace(definition("b"), owner=UserId("bob")))
        with pytest.raises(Refused) as refused:
            await directory.replace(theirs, msgspec.structs.replace(theirs.definition, owner=UserId("bob")))
        assert refused.value.code is ErrorCode.TOO_MANY_ROOMS
        await directory.replace(theirs, msgspec.structs.replace(theirs.definition, owner=UserId("eve")))
        await directory.create(msgspec.structs.replace(definition("c"), owner=UserId("ann")))

    async def test_a_name_is_taken_once(self, directory: RoomDirectory) -> None:
        await directory.create(definition("hall"))
        with pytest.raises(Refused) as refused:
            await directory.create(definition("hall"))
        assert refused.value.code is ErrorCode.ROOM_EXISTS

    async def test_the_number_of_rooms_is_bounded(self, directory: RoomDirectory) -> None:
        for n in range(MAX_ROOMS):
            await directory.create(definition(f"room-{n}"))
        with pytest.raises(Refused) as refused:
            await directory.create(definition("one-too-many"))
        assert refused.value.code is ErrorCode.ROOMS_FULL

    async def test_one_user_has_so_many_rooms(self, repository: Repository) -> None:
        directory = RoomDirectory(repository, max_rooms=9, max_per_owner=2)

        async def create(room: str, owner: str = "ann") -> ErrorCode | None:
            try:
                await directory.create(msgspec.structs.replace(definition(room), owner=UserId(owner)))
            except Refused as refused:
                return refused.code
            return None

        assert [await create(room) for room in ("a", "a", "b", "c")] == [
            None,
            ErrorCode.ROOM_EXISTS,
            None,
            ErrorCode.TOO_MANY_ROOMS,
        ]
        assert await create("a", "bob") is ErrorCode.ROOM_EXISTS
        assert [await create(room, "bob") for room in ("c", "d", "e")] == [None, None, ErrorCode.TOO_MANY_ROOMS]
        assert [await create(room, "") for room in ("f", "g", "h")] == [None] * 3, "what joins make is nobody's"
        stored = await directory.get(RoomId("a"))
        assert stored is not None
        await directory.remove(await directory.close(stored))
        assert [await create(room) for room in ("i", "j")] == [None, ErrorCode.TOO_MANY_ROOMS]
        await repository.delete(Kind.ROOM, "i")
        assert await create("j") is None, "an older node deleted one, and could not say so"

    async def test_a_name_taken_is_said_so_also_when_full(self, directory: RoomDirectory) -> None:
        for n in range(MAX_ROOMS):
            await directory.create(definition(f"room-{n}"))
        with pytest.raises(Refused) as refused:
            await directory.create(definition("room-0"))
        assert refused.value.code is ErrorCode.ROOM_EXISTS

    async def test_rooms_come_in_pages_by_name(self, directory: RoomDirectory) -> None:
        assert await directory.rooms() == ()
        for name in ("c", "a", "b"):
            await directory.create(definition(name))
        assert [room.definition.room for room in await directory.rooms()] == ["a", "b", "c"]
        assert [room.definition.room for room in await directory.rooms(limit=2)] == ["a", "b"]
        assert [room.definition.room for room in await directory.rooms(after="a", limit=1)] == ["b"]
        assert await directory.rooms(after="c") == ()
