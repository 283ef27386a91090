"""Two nodes behind a home router each, and a third one in the open: their link comes up, and media crosses it."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
import trio

from lab import open_wan
from lab.topology import parse_topology
from relay import LinkUp
from signalling.ids import PeerId
from tests.cluster.lab.nat import open_nat
from tests.cluster.lab.places import open_place
from tests.cluster.relay.mesh import open_mesh, wait_until
from tests.cluster.relay.test_mesh import share
from tests.cluster.sfu.stage import wait_received

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.cluster.lab.nat import Nat
    from tests.cluster.relay.mesh import Mesh, MeshNode

pytestmark = pytest.mark.cluster

NETWORK: Final = b"""
name = "homes"
about = "Two homes, and a hall that both reach."

[regions.europe]
latitude = 52.4
longitude = 4.9

[[hosts]]
name = "hall"
region = "europe"

[[hosts]]
name = "anna"
region = "europe"

[[hosts]]
name = "bram"
region = "europe"

[[paths]]
between = ["europe", "europe"]
rtt_ms = 30
"""

HOME: Final = "10.0.0.2"
"""Both homes have the same addresses, as homes do."""


STUN_PORT: Final = 4000


@asynccontextmanager
async def open_homes(folder: Path, *, asks_hall: bool) -> AsyncIterator[tuple[Mesh, dict[str, Nat]]]:
    async with open_wan(parse_topology(NETWORK)) as wan, AsyncExitStack() as stack:
        nats = {name: await stack.enter_async_context(open_nat(wan, name, HOME)) for name in ("anna", "bram")}
        inside = {"hall": (wan.namespace("hall"), wan.address("hall"))}
        inside |= {name: (nat.namespace, HOME) for name, nat in nats.items()}
        servers = (f"{wan.address('hall')}:{STUN_PORT}",) if asks_hall else ()
        asks = {"hall": {"media_port": STUN_PORT}}
        places = {
            name: await open_place(stack, namespace, address, **asks.get(name, {"stun_servers": servers}))
            for name, (namespace, address) in inside.items()
        }
        yield await stack.enter_async_context(open_mesh(folder, lambda name: places[name])), nats


def is_linked(node: MeshNode, other: MeshNode) -> bool:
    return any(isinstance(event, LinkUp) and event.node == other.node for event in node.heard)


async def wait_seen_from_outside(node: MeshNode) -> None:
    """Until the node's engine offers an address that somebody outside saw: links begun before have none to offer."""
    probe = PeerId("probe")
    candidates: tuple[str, ...] = ()
    with trio.move_on_after(30):
        while not any(one.startswith("srflx") for one in candidates):
            await trio.sleep(0.1)
            candidates = (await node.engine.open_link(probe, controlling=True)).candidates
            await node.engine.close_peer(probe)
    assert any(one.startswith("srflx") for one in candidates), candidates


async def test_a_node_in_the_open_lets_two_behind_routers_link_with_each_other(tmp_path: Path) -> None:
    async with open_homes(tmp_path, asks_hall=False) as (mesh, nats):
        anna, bram, hall = await mesh.start("anna", "bram", "hall")
        # All want links with all; those between the homes have nothing to tell each other yet.
        hall.relay.try_all(30.0)
        await wait_until(lambda: is_linked(anna, hall) and is_linked(bram, hall), deadline_s=30)
        # The hall says what the homes look like.
        for node in (anna, bram):
            await wait_seen_from_outside(node)
        await share(anna, bram)
        await wait_until(lambda: is_linked(anna, bram) and is_linked(bram, anna), deadline_s=30)
        # What the hall passed on while there was no link between the homes goes over to it.
        await wait_until(lambda: hall.relay.statistics().legs_passed == 0, deadline_s=60)
        assert (anna.relay.statistics().legs_in, bram.relay.statistics().legs_in) == (2, 2)
        for node, name in ((anna, "anna"), (bram, "bram")):
            before = await wait_received(node.participants, name, packets=100)
            most = max(item.packets for item in before.values())
            await wait_received(node.participants, name, packets=most + 50)
        (setup,) = [status.setup_ms for status in anna.relay.snapshot() if status.node == bram.node]
        print(f"set up in {setup:.0f} ms; strangers refused: {[nat.refused for nat in nats.values()]}")  # noqa: T201


async def test_a_stun_server_is_enough_and_any_node_is_one(tmp_path: Path) -> None:
    async with open_homes(tmp_path, asks_hall=True) as (mesh, nats):
        hall, anna, bram = await mesh.start("hall", "anna", "bram")
        await share(anna, bram)
        await wait_until(lambda: is_linked(anna, bram) and is_linked(bram, anna), deadline_s=30)
        assert hall.relay.snapshot() == ()
        for node, name in ((anna, "anna"), (bram, "bram")):
            media = await wait_received(node.participants, name, packets=100)
            assert all(item.lost == 0 for item in media.values())
        assert all(len(nat.mapped) >= 1 for nat in nats.values())


async def test_without_either_there_is_no_link(tmp_path: Path) -> None:
    async with open_homes(tmp_path, asks_hall=False) as (mesh, _):
        anna, bram = await mesh.start("anna", "bram")
        await share(anna, bram)
        await trio.sleep(8)
        assert not is_linked(anna, bram), "or the routers are none"
