"""The Redis repository keeps the contract on a real server, and says what the server cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from durable.errors import StoreUnavailableError
from durable.redis_connection import open_redis
from durable.redis_repository import AppendOnly, RedisRepository
from durable.repository import Kind, RepositoryStatistics
from tests.cluster.durable.private_redis import private_redis
from tests.unit.durable.repository_contract import LONG_AGO_MS, RepositoryContract

if TYPE_CHECKING:
    from pathlib import Path

    from durable.redis_connection import RedisConnection

pytestmark = pytest.mark.cluster


@pytest.fixture
def repository(connection: RedisConnection, cluster: str) -> RedisRepository:
    return RedisRepository(connection, cluster=cluster)


class TestRedisRepository(RepositoryContract):
    pass


async def test_the_layout_is_what_the_script_of_seats_reads(
    connection: RedisConnection, cluster: str, repository: RedisRepository
) -> None:
    revision = await repository.put(Kind.BAN, "lobby", "ann", body=b"{:}", expires_at_ms=4_000_000_000_000)
    (value,) = await connection.run((("HGET", f"starling:{{{cluster}:lobby}}:documents", "ban:ann"),))
    assert value == f"{revision}:4000000000000:{{:}}".encode()
    await repository.put(Kind.ROOM, "lobby", body=b"{}")
    (names,) = await connection.run((("ZRANGE", f"starling:{{{cluster}}}:scopes:room", 0, -1),))
    assert names == [b"lobby"]


async def test_what_expired_is_removed_by_who_sees_it_or_writes_much(
    connection: RedisConnection, cluster: str, repository: RedisRepository
) -> None:
    key = f"starling:{{{cluster}:lobby}}:documents"
    for number in range(10):
        await repository.put(Kind.BAN, "lobby", f"u{number}", body=b"{}", expires_at_ms=LONG_AGO_MS)
    assert await connection.run((("HLEN", key),)) == (10,)
    assert await repository.page(Kind.BAN, "lobby") == ()
    assert await connection.run((("HLEN", key),)) == (0,)
    for number in range(200):
        await repository.put(Kind.BAN, "lobby", f"u{number}", body=b"{}", expires_at_ms=LONG_AGO_MS)
    (count,) = await connection.run((("HLEN", key),))
    assert count <= 64


async def test_what_is_not_ours_is_unavailable_not_a_crash(
    connection: RedisConnection, cluster: str, repository: RedisRepository
) -> None:
    await connection.run((("HSET", f"starling:{{{cluster}:lobby}}:documents", "room:", "what?"),))
    with pytest.raises(StoreUnavailableError):
        await repository.get(Kind.ROOM, "lobby")
    with pytest.raises(StoreUnavailableError):
        await repository.page(Kind.ROOM, "lobby")
    with pytest.raises(StoreUnavailableError):
        await repository.put(Kind.ROOM, "lobby", body=b"{}")
    assert repository.statistics() == RepositoryStatistics(calls=3, failures=1, conflicts=0)


async def test_whether_the_server_writes_its_file_is_asked(tmp_path: Path) -> None:
    with private_redis(tmp_path, "--appendonly", "yes") as server:
        async with open_redis(server.url, deadline_s=2.0) as connection:
            repository = RedisRepository(connection, cluster="test")
            assert await repository.append_only() is AppendOnly.ON
            await connection.run((("CONFIG SET", "appendonly", "no"),))
            assert await repository.append_only() is AppendOnly.OFF
            await connection.run((("ACL SETUSER", "default", "-config"),))
            assert await repository.append_only() is AppendOnly.UNKNOWN
            await repository.put(Kind.ROOM, "lobby", body=b"{}")
