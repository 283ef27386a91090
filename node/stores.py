"""What a node keeps outside of its memory, by its settings: the index of seats, and what outlives a process.

`store.kind = "memory"` is a node alone: seats in memory, durable things in a SQLite file of its data folder.
`store.kind = "redis"` is a cluster: both in Redis, on one connection.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
import trio

from durable import (
    AppendOnly,
    RedisRepository,
    StoreOutcomeUnknownError,
    StoreUnavailableError,
    open_redis,
    open_sqlite,
)
from node.store_watch import StoreWatch
from session import MemorySeatStore, RedisSeatReader, RedisSeatStore, RoomDirectory
from session.former_rooms import bring_over_rooms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from durable import Repository
    from node.config import Config
    from node.store_memory import StoreMemory
    from session import SeatReader, SeatStore, SessionConfig

__all__ = ["SQLITE_FILE", "Stores", "open_stores"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

SQLITE_FILE: Final = "starling.sqlite3"
"""Lies in the node's data folder, whose lock keeps a second node off it."""

SQLITE_DEADLINE_S: Final = 2.0
"""For one call, the wait for others included: a spinning disk flushes in 20 ms, a busy one needs some patience."""


@dataclass(frozen=True, kw_only=True)
class Stores:
    """The stores of a running node.

    Attributes:
        seats: The index of seats.
        reader: Reads the whole index, for an audit.
        rooms: The definitions of rooms.
        repository: Accounts, rooms, invitations, bans and chat history.
        watch: Says whether they answer; None where they are in this process and its files.
    """

    seats: SeatStore
    reader: SeatReader
    rooms: RoomDirectory
    repository: Repository
    watch: StoreWatch | None = None


@asynccontextmanager
async def open_stores(
    config: Config, settings: SessionConfig, *, memory: StoreMemory | None = None
) -> AsyncIterator[Stores]:
    """Open what `[store]` names for the length of the block.

    Args:
        config: All settings.
        settings: Those of the sessions.
        memory: Remembers which store was there once: a node that comes back to one during an outage serves without it.
            Without a memory, or where the store is a new one, it has to answer now, since its address may be wrong.

    Raises:
        StoreSetupError: It cannot be used.
    """
    if config.store.kind == "redis":
        url = config.store.url
        is_known = memory is not None and memory.knows(url)
        async with open_redis(url, deadline_s=config.store.deadline_s, may_be_away=is_known) as redis:
            repository = RedisRepository(redis, cluster=settings.cluster)

            async def settle_in() -> None:
                await _warn_of_a_forgetful_redis(repository)
                await bring_over_rooms(redis, repository, cluster=settings.cluster)

            if not redis.answered:
                log.warning(
                    "store_away",
                    code="store_unavailable",
                    reason="it does not answer; this node had it before and serves without it: start Redis again",
                )
            else:
                await settle_in()
                if memory is not None:
                    memory.remember(url)
            watch = StoreWatch(lambda: redis.run((("PING",),)), is_away=not redis.answered)

            async def settle_in_later() -> None:
                await watch.answered.wait()
                try:
                    await settle_in()
                except (StoreUnavailableError, StoreOutcomeUnknownError) as error:
                    log.warning("store_not_settled", reason=f"{error}; the next start of this node goes on")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch.run)
                if not redis.answered:
                    nursery.start_soon(settle_in_later)
                yield Stores(
                    seats=RedisSeatStore.from_config(redis, settings),
                    reader=RedisSeatReader(redis, cluster=settings.cluster),
                    rooms=_directory(repository, settings),
                    repository=repository,
                    watch=watch,
                )
                nursery.cancel_scope.cancel()
    else:
        async with open_sqlite(Path(config.node.data_dir) / SQLITE_FILE, deadline_s=SQLITE_DEADLINE_S) as sqlite:
            seats = MemorySeatStore(lease_s=settings.lease_s, tombstone_s=settings.tombstone_s, repository=sqlite)
            yield Stores(
                seats=seats,
                reader=seats,
                rooms=_directory(sqlite, settings),
                repository=sqlite,
            )


def _directory(repository: Repository, settings: SessionConfig) -> RoomDirectory:
    return RoomDirectory(repository, max_rooms=settings.max_rooms, max_per_owner=settings.max_rooms_per_owner)


async def _warn_of_a_forgetful_redis(repository: RedisRepository) -> None:
    append_only = await repository.append_only()
    if append_only is AppendOnly.OFF:
        log.warning(
            "store_forgets", reason="Redis keeps no append-only file; set `appendonly yes` in its configuration"
        )
    elif append_only is AppendOnly.UNKNOWN:
        log.info("store_durability_unknown", reason="Redis does not say whether it keeps an append-only file")
