"""Two real nodes over an emulated network whose path goes dark for a while: the link and the people stay."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import pytest
import trio

from lab import open_wan
from lab.topology import parse_topology
from relay import LinkLost, LinkRenewed, LinkState, LinkUp, RemoteRoom
from sfu import EngineConfig
from sfu.participants import open_participants
from sfu.process import find_program
from tests.cluster.lab.test_paths import absent, received
from tests.cluster.relay.mesh import Place, open_mesh, wait_until
from tests.cluster.relay.test_mesh import share
from tests.cluster.sfu.stage import KINDS, wait_received

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.relay.mesh import MeshNode

pytestmark = pytest.mark.cluster

NETWORK: Final = b"""
name = "pair"
about = "Two cities that reach each other well."

[regions.europe]
latitude = 52.4
longitude = 4.9

[regions.singapore]
latitude = 1.35
longitude = 103.82

[[hosts]]
name = "ams"
region = "europe"

[[hosts]]
name = "sin"
region = "singapore"

[[paths]]
between = ["europe", "singapore"]
rtt_ms = 60
"""

DARK_S: Final = 3.0
BACK_S: Final = 1.0
"""From the moment that the path is there again until media flows, beside the time that it was away."""


def state(node: MeshNode) -> LinkState:
    (status,) = node.relay.snapshot()
    return status.state


async def test_a_path_that_is_dark_for_three_seconds_costs_nobody_the_room(tmp_path: Path) -> None:
    async with open_wan(parse_topology(NETWORK)) as wan, AsyncExitStack() as stack:
        places = {}
        for host in ("ams", "sin"):
            inside = ("nsenter", f"--net=/run/netns/{wan.namespace(host)}", "--", str(find_program()))
            address = wan.address(host)
            places[host] = Place(
                engine=EngineConfig(media_address=address, workers=1, program=(*inside, "engine")),
                participants=await stack.enter_async_context(
                    open_participants(address=address, program=(*inside, "participants"))
                ),
            )
        mesh = await stack.enter_async_context(open_mesh(tmp_path, lambda name: places[name]))
        ams, sin = await mesh.start("ams", "sin")
        await share(ams, sin)
        for node, name in ((ams, "anna"), (sin, "bram")):
            await wait_received(node.participants, name, packets=100)
        people = {node.node: len([one for one in node.heard if isinstance(one, RemoteRoom)]) for node in (ams, sin)}

        await wan.cut("ams", "sin")
        cut_at = trio.current_time()
        await wait_until(lambda: state(ams) is state(sin) is LinkState.SUSPECT, deadline_s=2)
        await trio.sleep_until(cut_at + DARK_S)
        assert state(ams) is state(sin) is LinkState.SUSPECT, "it is made anew beside itself"
        await wan.heal()
        await wait_until(lambda: state(ams) is state(sin) is LinkState.UP, deadline_s=BACK_S)
        await wait_until(
            lambda: all(any(isinstance(one, LinkRenewed) for one in node.heard) for node in (ams, sin)), deadline_s=10
        )
        await trio.sleep(4)
        for node, name in ((ams, "anna"), (sin, "bram")):
            assert sum(isinstance(one, LinkUp) for one in node.heard) == 1
            assert not [one for one in node.heard if isinstance(one, LinkLost)]
            told = [one for one in node.heard if isinstance(one, RemoteRoom)][people[node.node] :]
            assert all(event.participants for event in told), "nobody goes and comes"
            media = await received(node, name)
            gaps = {kind: round(media[kind].longest_gap_ms) for kind in KINDS}
            print(f"{name}: longest silence (ms) {gaps}, absent {[absent(media[kind]) for kind in KINDS]}")  # noqa: T201
            assert max(gaps.values()) < 1000 * (DARK_S + BACK_S)
            links = [peer for peer in (await node.engine.statistics()).peers if peer.kind == "link"]
            assert len(links) == 1
