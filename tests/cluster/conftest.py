"""One private Redis for all tests that want one; each test gets a fresh cluster name in it."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from durable.redis_connection import RedisConnection, open_redis
from tests.cluster.durable.private_redis import PrivateRedis, private_redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_clusters = itertools.count()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[PrivateRedis]:
    with tempfile.TemporaryDirectory(prefix="starling-redis-") as folder, private_redis(Path(folder)) as server:
        yield server


@pytest.fixture
def cluster() -> str:
    return f"test-{next(_clusters)}"


@pytest.fixture
async def connection(redis_server: PrivateRedis) -> AsyncIterator[RedisConnection]:
    async with open_redis(redis_server.url, deadline_s=2.0) as opened:
        yield opened
