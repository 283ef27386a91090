"""Which stores a node opens, and what it says about a Redis that forgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from durable import Kind, RedisRepository, SqliteRepository, open_redis
from node.config import Config, NodeConfig, StoreConfig
from node.stores import SQLITE_FILE, open_stores
from session import SessionConfig
from signalling.ids import NodeId
from tests.cluster.durable.private_redis import private_redis

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
