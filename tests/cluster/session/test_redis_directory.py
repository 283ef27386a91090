"""The directory in Redis keeps the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from durable.errors import StoreUnavailableError
from session.redis_directory import RedisRoomDirectory
from signalling.ids import RoomId
from tests.unit.session.directory_contract import MAX_ROOMS, RoomDirectoryContract, definition

if TYPE_CHECKING:
    from durable.redis_connection import RedisConnection
    from tests.cluster.durable.private_redis import PrivateRedis

pytestmark = pytest.mark.cluster


@pytest.fixture
async def directory(connection: RedisConnection, cluster: str) -> RedisRoomDirectory:
    return RedisRoomDirectory(connection, cluster=cluster, max_rooms=MAX_ROOMS)


class TestRedisRoomDirectory(RoomDirectoryContract):
    pass


async def test_a_newer_version_is_read_and_garbage_is_said(
    directory: RedisRoomDirectory, cluster: str, redis_server: PrivateRedis
) -> None:
    newer = {**msgspec.to_builtins(definition("hall")), "version": 2, "colour": "blue"}
    with redis_server.client() as client:
        client.hset(f"starling:{{{cluster}}}:rooms", "hall", msgspec.json.encode(newer))
        client.hset(f"starling:{{{cluster}}}:rooms", "attic", b"nope")
    found = await directory.get(RoomId("hall"))
    assert found is not None
    assert (found.definition.max_participants, found.definition.version) == (7, 2)
    with pytest.raises(StoreUnavailableError):
        await directory.get(RoomId("attic"))
