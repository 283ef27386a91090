"""The store: none, away, slow, forgetful; passwords stay out of what is said."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest
import trio

from durable import AppendOnly, StoreSetupError
from node.doctor import store
from node.doctor.store import check_store
from tests.unit.node.doctor.configs import a_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trio.testing import MockClock

    from durable import RedisConnection

URL = "redis://starling:hunter2@store.example:6379/3"


class Server:
    """Redis as the doctor meets it."""

    def __init__(self, *, takes_s: float = 0.0, kept: AppendOnly = AppendOnly.ON, problem: str = "") -> None:
        self.takes_s = takes_s
        self.kept = kept
        self.problem = problem

    @asynccontextmanager
    async def open(self, url: str, *, deadline_s: float) -> AsyncIterator[RedisConnection]:
        assert url == URL
        await trio.sleep(self.takes_s)
        if self.problem:
            raise StoreSetupError("store_unavailable", self.problem)
        yield cast("RedisConnection", self)

    async def append_only(self) -> AppendOnly:
        await trio.lowlevel.checkpoint()
        return self.kept


async def _check(folder: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> list[tuple[str, str, str, str]]:
    monkeypatch.setattr(store, "open_redis", server.open)
    monkeypatch.setattr(store, "RedisRepository", lambda connection, cluster: server)
    found = await check_store(a_config(folder, store={"kind": "redis", "url": URL, "deadline_s": 0.4}))
    assert "hunter2" not in repr(found)
    return [(check.name, check.verdict, check.message, check.next) for check in found]


async def test_a_node_on_its_own_needs_no_store(tmp_path: Path) -> None:
    (check,) = await check_store(a_config(tmp_path))
    assert (check.name, check.verdict) == ("store", "ok")


async def test_a_store_that_answers_says_how_fast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    (speed, kept) = await _check(tmp_path, monkeypatch, Server(takes_s=0.02))
    assert speed[:2] == ("store", "ok")
    assert "redis://store.example:6379/3 answered in 20 ms" in speed[2]
    assert kept[:2] == ("store.append_only", "ok")


async def test_a_store_that_is_slower_than_a_node_waits_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    (speed, _) = await _check(tmp_path, monkeypatch, Server(takes_s=0.5))
    assert speed[1] == "warn"
    assert "store.deadline_s is 0.4" in speed[2]


async def test_a_store_that_is_away_fails_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    found = await _check(tmp_path, monkeypatch, Server(problem="nobody listens there"))
    assert found == [("store", "fail", "nobody listens there", "start Redis, or set store.url")]


@pytest.mark.parametrize(
    ("kept", "word"), [(AppendOnly.OFF, "are lost with its process"), (AppendOnly.UNKNOWN, "does not say")]
)
async def test_a_store_that_forgets_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, kept: AppendOnly, word: str
) -> None:
    (_, check) = await _check(tmp_path, monkeypatch, Server(kept=kept))
    assert check[1] == "warn"
    assert word in check[2]
    assert check[3]
