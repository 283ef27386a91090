"""The directory keeps its contract over a repository in memory."""

from __future__ import annotations

import msgspec
import pytest

from durable.errors import StoreUnavailableError
from durable.repository import Kind
from session import ClusterKeys, Tokens
from session.bans import Bans
from session.directory import Access, RoomDirectory, check_definition
from session.invitations import Invitations
from signalling.errors import ErrorCode, Refused
from signalling.ids import RoomId, UserId
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.session.directory_contract import MAX_ROOMS, RoomDirectoryContract, definition

HALL = RoomId("hall")


@pytest.fixture
def repository() -> MemoryRepository:
    return MemoryRepository()


@pytest.fixture
def directory(repository: MemoryRepository) -> RoomDirectory:
    return RoomDirectory(repository, max_rooms=MAX_ROOMS)


class TestRoomDirectory(RoomDirectoryContract):
    pass


async def test_a_record_of_version_1_reads_as_nobodys_open_room(
    directory: RoomDirectory, repository: MemoryRepository
) -> None:
    record = (
        b'{"room":"hall","max_participants":7,"policy":"multi","media":{"loudest":3},"created_at_ms":1,"version":1}'
    )
    await repository.put(Kind.ROOM, HALL, body=record)
    found = await directory.get(HALL)
    assert found is not None
    read = found.definition
    assert (read.max_participants, read.policy.value, read.media.loudest, read.version) == (7, "multi", 3, 1)
    assert (read.owner, read.access, read.locked, read.grace_s, read.pin_hash) == ("", Access.OPEN, False, None, "")


async def test_a_newer_version_is_read_and_garbage_is_said(
    directory: RoomDirectory, repository: MemoryRepository
) -> None:
    newer = {**msgspec.to_builtins(definition("hall")), "version": 9, "colour": "blue"}
    await repository.put(Kind.ROOM, HALL, body=msgspec.json.encode(newer))
    await repository.put(Kind.ROOM, "attic", body=b"nope")
    found = await directory.get(HALL)
    assert found is not None
    assert (found.definition.max_participants, found.definition.version) == (7, 9)
    with pytest.raises(StoreUnavailableError):
        await directory.get(RoomId("attic"))


async def test_metadata_of_any_shape_keeps_its_bounds() -> None:
    deep: dict[str, object] = {}
    for _ in range(5000):
        deep = {"a": deep}
    for metadata, said in (
        ({"text": "x" * 4096}, "at most 4096"),
        (deep, "nested too deep"),
    ):
        odd = msgspec.structs.replace(definition("hall"), metadata=metadata)
        with pytest.raises(Refused, match=said) as refused:
            check_definition(odd, max_grace_s=8.0)
        assert refused.value.code is ErrorCode.ROOM_INVALID
    check_definition(msgspec.structs.replace(definition("hall"), metadata={"text": "x" * 4085}), max_grace_s=8.0)


class FailsToDelete(MemoryRepository):
    """The store goes between two steps of a deletion."""

    async def delete(self, kind: Kind, scope: str, key: str = "", *, expected: int | None = None) -> bool:
        raise StoreUnavailableError


async def test_a_deletion_that_fails_half_way_leaves_nothing_to_the_next_of_that_name() -> None:
    repository = FailsToDelete()
    directory = RoomDirectory(repository, max_rooms=MAX_ROOMS)
    created = await directory.create(definition("hall"))
    await repository.put(Kind.INVITATION, HALL, "in_1", body=b"{}")
    closed = await directory.close(created)
    with pytest.raises(StoreUnavailableError):
        await directory.remove(closed)
    assert await directory.find(HALL) is not None, "it is deleted when asked again"
    assert await directory.get(HALL) is None
    assert await repository.get(Kind.INVITATION, HALL, "in_1") is None


async def test_a_room_has_so_many_bans_and_invitations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("session.bans.MAX_BANS", 2)
    bans, eve = Bans(MemoryRepository()), UserId("us_owner")
    for number in range(2):
        await bans.put(HALL, UserId(f"us_{number}"), by=eve, ban_s=None)
    with pytest.raises(Refused) as refused:
        await bans.put(HALL, UserId("us_2"), by=eve, ban_s=None)
    assert refused.value.code is ErrorCode.ROOM_FULL
    monkeypatch.setattr("session.invitations.MAX_INVITATIONS", 1)
    invitations = Invitations(MemoryRepository(), Tokens(ClusterKeys.generate(), cluster="c"))
    await invitations.make(HALL, by=eve, lifetime_s=60, max_uses=None, note="")
    with pytest.raises(Refused) as refused:
        await invitations.make(HALL, by=eve, lifetime_s=60, max_uses=None, note="")
    assert refused.value.code is ErrorCode.ROOM_FULL
