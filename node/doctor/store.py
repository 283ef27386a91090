"""The store: whether it answers, and whether it forgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import trio

from durable import AppendOnly, RedisRepository, StoreSetupError, open_redis
from node.doctor.findings import fail, ok, warn

if TYPE_CHECKING:
    from node.config import Config
    from node.doctor.findings import Check

PATIENCE_S: Final = 2.0
"""For one call: what answers later is of no use to a node either, but a doctor should say so and not give up."""


async def check_store(config: Config) -> tuple[Check, ...]:
    """Look at the store that the settings name."""
    if config.store.kind != "redis":
        return (ok("store", "in memory and in a file of the data folder, for a node on its own"),)
    where = _without_password(config.store.url)
    cure = "start Redis, or set store.url"
    problem = ""
    took_s, kept = 0.0, AppendOnly.UNKNOWN
    began = trio.current_time()
    try:
        async with open_redis(config.store.url, deadline_s=max(PATIENCE_S, config.store.deadline_s)) as redis:
            took_s = trio.current_time() - began
            kept = await RedisRepository(redis, cluster=config.node.cluster).append_only()
    except* StoreSetupError as group:
        problem = _leaf(group).message
    if problem:
        return (fail("store", problem, cure),)
    return _speed(where, took_s, config), _kept(kept)


def _speed(where: str, took_s: float, config: Config) -> Check:
    said = f"Redis at {where} answered in {1000 * took_s:.0f} ms, connection and all"
    if took_s > config.store.deadline_s:
        return warn("store", f"{said}; store.deadline_s is {config.store.deadline_s}", "put Redis nearer to this node")
    return ok("store", said)


def _kept(kept: AppendOnly) -> Check:
    name = "store.append_only"
    if kept is AppendOnly.ON:
        return ok(name, "Redis keeps an append-only file")
    if kept is AppendOnly.OFF:
        said = "Redis keeps no append-only file: accounts, rooms, bans and chat are lost with its process"
        return warn(name, said, "redis-cli config set appendonly yes, and `appendonly yes` in its configuration")
    return warn(name, "Redis does not say whether it keeps an append-only file", "ask who runs it")


def _leaf(group: BaseExceptionGroup[StoreSetupError]) -> StoreSetupError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, StoreSetupError), "the group holds nothing else"
    return error


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
