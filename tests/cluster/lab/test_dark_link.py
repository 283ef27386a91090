"""Two real nodes over an emulated network whose path goes dark for a while: the link and the people stay."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
import trio

from lab import open_wan
from lab.topology import parse_topology
from relay import LinkLost, LinkRenewed, LinkState, LinkUp, RemoteChat, RemoteRoom
from signalling.ids import MessageId, ParticipantId
from signalling.mesh.link import RoomChat
from tests.cluster.lab.places import absent, place_on, received
from tests.cluster.relay.mesh import ROOM, open_mesh, wait_until
from tests.cluster.relay.test_mesh import share
from tests.cluster.sfu.stage import KINDS, wait_received

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lab import Wan
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

DARK_S: Final = 2.0
"""Suspected after half a second or so, and not given up before 3.5 s."""

WORDS: Final = 5
LONG_S: Final = 6.0
LONG_BACK_S: Final = 30.0
"""ICE asks more and more seldom the longer nobody answers."""

BACK_S: Final = 3.0
"""Beside the time that a path was away, at most so much silence, on a machine that does much beside."""


def state(node: MeshNode) -> LinkState:
    (status,) = node.relay.snapshot()
    return status.state


@asynccontextmanager
async def open_pair(folder: Path) -> AsyncIterator[tuple[Wan, MeshNode, MeshNode]]:
    """Two nodes with a room between them whose media flows."""
    async with open_wan(parse_topology(NETWORK)) as wan, AsyncExitStack() as stack:
        places = {host: await place_on(stack, wan, host) for host in ("ams", "sin")}
        mesh = await stack.enter_async_context(open_mesh(folder, lambda name: places[name]))
        ams, sin = await mesh.start("ams", "sin")
        await share(ams, sin)
        for node, name in ((ams, "anna"), (sin, "bram")):
            await wait_received(node.participants, name, packets=100)
        yield wan, ams, sin


def people_left(node: MeshNode) -> bool:
    """Whether anybody was told to be gone."""
    return not all(event.participants for event in node.heard if isinstance(event, RemoteRoom))


async def test_a_path_that_is_dark_for_two_seconds_costs_nobody_the_room(tmp_path: Path) -> None:
    async with open_pair(tmp_path) as (wan, ams, sin):
        await wan.cut("ams", "sin")
        cut_at = trio.current_time()
        await wait_until(lambda: state(ams) is state(sin) is LinkState.SUSPECT, deadline_s=3)
        await trio.sleep_until(cut_at + DARK_S)
        assert state(ams) is state(sin) is LinkState.SUSPECT, "it is made anew beside itself"
        for number in range(WORDS):
            said = RoomChat(ROOM, MessageId(f"me_{number}"), ParticipantId("pa_anna"), "anna", "in the dark", number)
            ams.relay.send_chat(said, frozenset({sin.node}))
        await wan.heal()
        await wait_until(lambda: state(ams) is state(sin) is LinkState.UP, deadline_s=10)
        await wait_until(
            lambda: all(any(isinstance(one, LinkRenewed) for one in node.heard) for node in (ams, sin)), deadline_s=30
        )
        await trio.sleep(14)
        heard = [one.chat.message for one in sin.heard if isinstance(one, RemoteChat)]
        assert heard == [f"me_{number}" for number in range(WORDS)], "each once, though the link was another by then"
        for node, name in ((ams, "anna"), (sin, "bram")):
            assert sum(isinstance(one, LinkUp) for one in node.heard) == 1
            assert not [one for one in node.heard if isinstance(one, LinkLost)]
            assert not people_left(node), "nobody goes and comes"
            media = await received(node, name)
            gaps = {kind: round(media[kind].longest_gap_ms) for kind in KINDS}
            print(f"{name}: longest silence (ms) {gaps}, absent {[absent(media[kind]) for kind in KINDS]}")  # noqa: T201
            assert max(gaps.values()) < 1000 * (DARK_S + BACK_S)
            links = [peer for peer in (await node.engine.statistics()).peers if peer.kind == "link"]
            assert len(links) == 1


async def test_a_path_that_is_dark_for_longer_costs_the_link_and_nobody_the_room(tmp_path: Path) -> None:
    async with open_pair(tmp_path) as (wan, ams, sin):
        await wan.cut("ams", "sin")
        cut_at = trio.current_time()
        await wait_until(
            lambda: all(any(isinstance(one, LinkLost) for one in n.heard) for n in (ams, sin)), deadline_s=20
        )
        assert not {state(ams), state(sin)} & {LinkState.UP, LinkState.SUSPECT}, "there is no link"
        await trio.sleep_until(cut_at + LONG_S)
        dark_s = trio.current_time() - cut_at
        await wan.heal()
        healed_at = trio.current_time()
        await wait_until(lambda: state(ams) is state(sin) is LinkState.UP, deadline_s=LONG_BACK_S)
        back_s = trio.current_time() - healed_at
        await trio.sleep(2)
        for node, name in ((ams, "anna"), (sin, "bram")):
            assert not people_left(node)
            media = await received(node, name)
            gaps = {kind: round(media[kind].longest_gap_ms) for kind in KINDS}
            print(f"{name}: the link is back {back_s:.2f} s after the path; longest silence (ms) {gaps}")  # noqa: T201
            assert max(gaps.values()) < 1000 * (dark_s + back_s + BACK_S)
