"""The one file that speaks redis-py."""
from __future__ import annotations
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
class RedisConnection:
    """Redis behind threads, deadlines and a breaker."""
@asynccontextmanager
async def open_redis(url: str, *, deadline_s: float = 0.4) -> AsyncIterator[RedisConnection]:
    """`redis://host:port/db` or `unix:///path`. Raises SessionSetupError store_unavailable."""
    raise NotImplementedError
    yield RedisConnection()
# then: RedisSeatStore(connection, cluster=..., lease_s=..., tombstone_s=...) and RedisRoomDirectory(connection, cluster=..., max_rooms=...)
# memory: MemorySeatStore(lease_s=..., tombstone_s=..., clock=trio.current_time) and MemoryRoomDirectory(max_rooms=...)
