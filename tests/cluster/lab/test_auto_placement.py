"""A room on policy `auto`, two real nodes and people near both: it relays, and gathers once that is better."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
import trio

from lab import Change, open_wan
from lab.topology import parse_topology
from node.http.candidates import PlacementExplained
from node.lab.nodes import HTTP_PORT, open_wan_nodes
from relay.planner.core import BEGIN_S
from signalling.client.messages import Move
from signalling.ids import NodeId, RoomId
from tests.cluster.lab.visitors import open_visitor, read_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lab import Wan
    from node.http.candidates import PlanShown
    from node.lab.nodes import WanNodes
    from signalling.client.connection import Client

pytestmark = pytest.mark.cluster

ROOM: Final = RoomId("room")
NODES: Final = ("ams", "fra")

NETWORK: Final = b"""
name = "bad-neighbours"
about = "Two nodes, each as near to the people between them, and what lies between the nodes themselves."

[regions.amsterdam]
latitude = 52.4
longitude = 4.9

[regions.between]
latitude = 51.2
longitude = 6.8

[regions.frankfurt]
latitude = 50.1
longitude = 8.7

[[hosts]]
name = "ams"
region = "amsterdam"

[[hosts]]
name = "fra"
region = "frankfurt"

[[hosts]]
name = "home"
region = "between"

[[paths]]
between = ["amsterdam", "between"]
rtt_ms = 10

[[paths]]
between = ["between", "frankfurt"]
rtt_ms = 10

[[paths]]
between = ["amsterdam", "frankfurt"]
rtt_ms = 2
"""

SETTINGS: Final[Mapping[str, Mapping[str, object]]] = {"mesh": {"warm_links": 1}, "rooms": {"placement": "auto"}}

PROBES: Final = 10
"""On a busy machine one alone may take twice what the way does, and then gathering *is* advised."""

GATHERED_WITHIN_S: Final = BEGIN_S + 40
"""Until the links have measured the new way, an advice has stood long enough, and a word has crossed."""


async def test_a_room_on_auto_gathers_once_that_is_better_for_everyone(tmp_path: Path) -> None:
    async with (
        open_wan(parse_topology(NETWORK)) as wan,
        open_wan_nodes(wan, tmp_path, hosts=NODES, settings=SETTINGS) as nodes,
        AsyncExitStack() as stack,
    ):
        moves: list[Move] = []
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        for node in NODES:
            client = await stack.enter_async_context(open_visitor(wan, "home", read_tokens(tmp_path / node), node=node))
            await client.join(ROOM, attempt=1, moves=True, gathers=True)
            nursery.start_soon(_watch, client, moves)
            await client.measured({NodeId(name): await _measured_ms(wan, name) for name in NODES})

        # Good neighbours: the way over both nodes is hardly longer than over one.
        await trio.sleep(BEGIN_S + 5)
        plan = await _plan(nodes)
        assert plan.policy == "auto"
        assert (plan.node, plan.reason, plan.advice) == (None, "not_advised", "not_better")
        assert (plan.people, plan.measured, moves) == (2, 2, [])

        await wan.set("ams", "fra", Change(rtt_ms=200))
        with trio.fail_after(GATHERED_WITHIN_S):
            while not moves:
                await trio.sleep(0.2)
        plan = await _plan(nodes)
        assert plan.reason == "better_for_everyone"
        assert plan.node is not None
        assert moves[0].urls[0] == nodes.nodes[plan.node].url
        relayed, gathered = plan.weighed[0], plan.weighed[1]
        assert gathered.mean_ms < 30 < 80 < relayed.mean_ms, "people are 5 ms away, the nodes 100"
        assert moves[0].reason == "gather"


async def _measured_ms(wan: Wan, node: str) -> float:
    """A round trip from between the nodes to one of them: what the quickest of several connections takes."""
    taken_ms = []
    for _ in range(PROBES):
        with wan.tcp_socket("home") as probe:
            began_s = time.perf_counter()
            await probe.connect((wan.address(node), HTTP_PORT))
            taken_ms.append((time.perf_counter() - began_s) * 1000)
    return min(taken_ms)


async def _watch(client: Client, moves: list[Move]) -> None:
    async for event in client.events:
        match event:
            case Move():
                moves.append(event)


async def _plan(nodes: WanNodes) -> PlanShown:
    status, body = await nodes.get(NODES[0], f"/v1/explain/placement?room={ROOM}")
    assert status == 200, body
    plan = msgspec.json.decode(body, type=PlacementExplained).plan
    assert plan is not None
    return plan
