"""The directory keeps its contract over Redis, and takes over the rooms of the version before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from durable.redis_repository import RedisRepository
from session.directory import RoomDirectory
from session.former_rooms import bring_over_rooms
from signalling.ids import RoomId
from tests.unit.session.directory_contract import MAX_ROOMS, RoomDirectoryContract, definition

if TYPE_CHECKING:
    from durable.redis_connection import RedisConnection
    from tests.cluster.durable.private_redis import PrivateRedis

pytestmark = pytest.mark.cluster


@pytest.fixture
async def repository(connection: RedisConnection, cluster: str) -> RedisRepository:
    return RedisRepository(connection, cluster=cluster)


@pytest.fixture
async def directory(repository: RedisRepository) -> RoomDirectory:
    return RoomDirectory(repository, max_rooms=MAX_ROOMS)


class TestRoomDirectoryOverRedis(RoomDirectoryContract):
    pass


async def test_rooms_of_the_former_version_are_brought_over_once(
    connection: RedisConnection,
    repository: RedisRepository,
    directory: RoomDirectory,
    cluster: str,
    redis_server: PrivateRedis,
) -> None:
    kept = await directory.create(definition("attic"))
    record = {"room": "hall", "max_participants": 7, "policy": "multi", "created_at_ms": 1, "version": 1}
    with redis_server.client() as client:
        for name in ("hall", "attic"):
            client.hset(f"starling:{{{cluster}}}:rooms", name, msgspec.json.encode({**record, "room": name}))
    assert await bring_over_rooms(connection, repository, cluster=cluster) == 2
    found = await directory.get(RoomId("hall"))
    assert found is not None
    assert (found.definition.max_participants, found.definition.owner) == (7, "")
    assert await directory.get(RoomId("attic")) == kept
    await directory.remove(await directory.close(found))
    assert await bring_over_rooms(connection, repository, cluster=cluster) == 0
    assert await directory.get(RoomId("hall")) is None
