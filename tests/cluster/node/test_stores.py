"""Which stores a node opens, and what it says about a Redis that forgets."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import httpx
import pytest
import trio
from structlog.testing import capture_logs

from durable import Kind, RedisRepository, SqliteRepository, StoreSetupError, open_redis
from membership.agent.child import open_tethered
from node.config import Config, NodeConfig, StoreConfig
from node.demo.cast import AMSTERDAM, STAGES
from node.demo.cluster import open_cluster
from node.store_memory import StoreMemory
from node.stores import SQLITE_FILE, open_stores
from session import SessionConfig
from signalling.ids import NodeId
from tests.cluster.durable.private_redis import private_redis
from tests.cluster.processes import descendants
from tests.cluster.test_degraded import guest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.cluster

SETTINGS = SessionConfig(cluster="test", node=NodeId("solo"))


async def test_a_node_alone_keeps_a_file_in_its_folder(tmp_path: Path) -> None:
    config = Config(node=NodeConfig(data_dir=str(tmp_path)))
    async with open_stores(config, SETTINGS) as stores:
        assert isinstance(stores.repository, SqliteRepository)
        await stores.repository.put(Kind.ROOM, "lobby", body=b"{}")
    assert (tmp_path / SQLITE_FILE).stat().st_size > 0


@pytest.mark.parametrize(
    ("appendonly", "acl", "events"),
    [("yes", "+config", []), ("no", "+config", ["store_forgets"]), ("no", "-config", ["store_durability_unknown"])],
)
async def test_a_redis_that_forgets_is_warned_of(tmp_path: Path, appendonly: str, acl: str, events: list[str]) -> None:
    with private_redis(tmp_path, "--appendonly", appendonly) as server:
        async with open_redis(server.url, deadline_s=2.0) as connection:
            await connection.run((("ACL SETUSER", "default", acl),))
        config = Config(store=StoreConfig(kind="redis", url=server.url, deadline_s=2.0))
        with capture_logs() as logs:
            async with open_stores(config, SETTINGS) as stores:
                assert isinstance(stores.repository, RedisRepository)
        assert [entry["event"] for entry in logs] == events


async def test_only_a_store_that_was_there_before_may_be_away_at_a_start(tmp_path: Path) -> None:
    memory = StoreMemory(tmp_path)
    config = Config(store=StoreConfig(kind="redis", url=f"unix://{tmp_path}/redis.sock", deadline_s=2.0))
    for unknown in (memory, None):
        with pytest.raises(StoreSetupError):
            await _open(config, unknown)
    with private_redis(tmp_path):
        await _open(config, memory)
    with pytest.raises(StoreSetupError):
        await _open(config, None)
    other = Config(store=StoreConfig(kind="redis", url=f"unix://{tmp_path}/other.sock", deadline_s=2.0))
    with pytest.raises(StoreSetupError):
        await _open(other, memory)
    with capture_logs() as logs:
        async with open_stores(config, SETTINGS, memory=memory) as stores:
            assert stores.watch is not None
            assert stores.watch.is_away
            with private_redis(tmp_path):
                with trio.fail_after(20):
                    await stores.watch.answered.wait()
                    while [one["event"] for one in logs] != ["store_away", "store_back", "store_forgets"]:
                        await trio.sleep(0.05)  # what a start does is made up for
                assert not stores.watch.is_away


async def _open(config: Config, memory: StoreMemory | None) -> None:
    async with open_stores(config, SETTINGS, memory=memory):
        pass


async def test_a_node_that_comes_back_during_an_outage_serves_degraded() -> None:
    async with open_cluster(STAGES[:1]) as cluster:
        node = cluster.at(AMSTERDAM)
        (redis,) = descendants(cluster.redis.pid)  # behind its tether
        os.kill(redis, signal.SIGKILL)
        await node.process.kill()
        command = [sys.executable, "-m", "node", "up", "--config", str(node.data_dir.parent / "node.toml")]
        async with open_tethered(command, name="again", close_grace_s=8.0), httpx.AsyncClient(trust_env=False) as http:
            assert await _ready(http, node.url) == (200, "degraded")
            async with guest(cluster, AMSTERDAM) as ann:
                assert (await ann.join()).degraded


async def _ready(http: httpx.AsyncClient, url: str) -> tuple[int, str]:
    with trio.fail_after(30):
        while True:
            try:
                answer = await http.get(f"{url}/readyz")
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.is_success:
                return answer.status_code, str(answer.json()["status"])
            await trio.sleep(0.1)
