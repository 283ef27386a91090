"""Two real nodes with a link between them, and what an operator has beside them: the cluster's keys and its store."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx
import trio

from node.config import Config, NodeConfig, StoreConfig
from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from node.demo.home import CLUSTER
from node.stores import open_stores
from session import ClusterKeys, RoomDefinition, RoomPolicy, SessionConfig, Tokens
from signalling.client.connection import open_client
from signalling.ids import NodeId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from node.demo.cast import Stage
    from node.demo.cluster import Cluster
    from node.stores import Stores
    from signalling.client.connection import Client
    from signalling.ids import DeviceId, RoomId, UserId

DEADLINE_S: Final = 20.0
POLL_S: Final = 0.05
NODES: Final = (AMSTERDAM, SINGAPORE)
OPERATOR: Final = NodeId("operator")


@dataclass(frozen=True)
class Ring:
    """The two nodes.

    Attributes:
        cluster: Their processes.
        tokens: Sign as they do.
        stores: The store that they share.
    """

    cluster: Cluster
    tokens: Tokens
    stores: Stores

    def open(self, node: NodeId, user: UserId, device: DeviceId) -> AbstractAsyncContextManager[Client]:
        """A session of that device of that user on that node."""
        return self.resume(node, self.token(user, device))

    def resume(self, node: NodeId, token: str) -> AbstractAsyncContextManager[Client]:
        """The session that a token says."""
        return open_client(self.url(node), token=token)

    def url(self, node: NodeId) -> str:
        """Where the node takes WebSockets."""
        return f"{self.cluster.at(node).url.replace('http', 'ws', 1)}/v1/session"

    def token(self, user: UserId, device: DeviceId) -> str:
        """A session token for any node."""
        return self.tokens.issue_session(user=user, device=device, name=user)

    async def define(
        self,
        room: RoomId,
        *,
        policy: RoomPolicy = RoomPolicy.REPLACE,
        max_participants: int = 10,
        locked: bool = False,
    ) -> None:
        """Make a room before anybody joins it."""
        definition = RoomDefinition(room=room, policy=policy, max_participants=max_participants, locked=locked)
        await self.stores.rooms.create(definition)

    async def counts(self, node: NodeId) -> dict[str, int]:
        """What the node says in its metrics about sessions and links."""
        async with httpx.AsyncClient(trust_env=False) as http:
            text = (await http.get(f"{self.cluster.at(node).url}/metrics")).text
        lines = [line.split() for line in text.splitlines() if line.startswith(("starling_sessions", "starling_relay"))]
        return {name.removeprefix("starling_"): int(float(value)) for name, value in lines if "{" not in name}

    async def joins(self, node: NodeId) -> tuple[int, int, int]:
        """Seats that the node holds, joins that it granted and joins that it refused."""
        counts = await self.counts(node)
        return (
            counts["sessions_seats"],
            counts["sessions_joins_total"],
            counts["sessions_joins_refused_total"],
        )


@asynccontextmanager
async def open_ring(stages: Sequence[Stage] = STAGES[:2]) -> AsyncIterator[Ring]:
    """Run the two nodes, or those of other stages, until each has a link, and for the length of the block."""
    async with open_cluster(stages, settings={"mesh": {"warm_links": 1}}) as cluster:
        keys = ClusterKeys.load(cluster.folder / AMSTERDAM / "cluster-keys.json")
        config = Config(
            node=NodeConfig(id=OPERATOR), store=StoreConfig(kind="redis", url=f"unix://{cluster.folder}/redis.sock")
        )
        async with open_stores(config, SessionConfig(cluster=CLUSTER, node=OPERATOR)) as stores:
            ring = Ring(cluster, Tokens(keys, cluster=CLUSTER), stores)
            with trio.fail_after(DEADLINE_S):
                for node in (stage.node for stage in stages):
                    while (await ring.counts(node))["relay_links_up"] < 1:
                        await trio.sleep(POLL_S)
            yield ring
