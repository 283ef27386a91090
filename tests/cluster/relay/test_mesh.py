"""Real agents negotiate, real engines connect, and media crosses."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
import structlog

from relay import LinkLost, LinkState, LinkUp, RemoteChat, RemoteRoom
from sfu import EngineStarted
from sfu.participants import Participants, open_participants
from signalling.ids import MessageId, ParticipantId
from signalling.mesh.link import RoomChat
from tests.cluster.relay.mesh import ROOM, Mesh, MeshNode, open_mesh, person, wait_until
from tests.cluster.sfu.stage import wait_received

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.cluster

SET_UP_LIMIT_MS = 20_000.0
"""Two gossip hops of a healthy cluster take 0.2-1.4 s; offers repeated for lost gossip are forgiven."""


@pytest.fixture
async def participants() -> AsyncIterator[Participants]:
    async with open_participants() as participants:
        yield participants


@pytest.fixture
async def mesh(tmp_path: Path, participants: Participants) -> AsyncIterator[Mesh]:
    async with open_mesh(tmp_path, participants) as mesh:
        yield mesh


async def share(anna: MeshNode, bram: MeshNode) -> None:
    """Anna's and Bram's nodes have them in one room; each hears and sees the other."""
    await anna.publish("anna", stamp=1)
    await bram.publish("bram", stamp=2)
    anna.host("anna", bram)
    bram.host("bram", anna)
    anna.want("bram", bram)
    bram.want("anna", anna)
    await anna.subscribe("anna", "bram")
    await bram.subscribe("bram", "anna")


async def test_media_crosses_one_link_and_a_third_node_carries_nothing(mesh: Mesh, participants: Participants) -> None:
    a, b, c = await mesh.start("node-a", "node-b", "node-c")
    await share(a, b)
    for name, stamp in (("bram", 1), ("anna", 2)):
        media = await wait_received(participants, name, packets=100)
        assert set(media) == {(stamp, "audio"), (stamp, "video")}
        assert [(item.lost, item.duplicates) for item in media.values()] == [(0, 0), (0, 0)]
    (status,) = a.relay.snapshot()
    assert (status.node, status.state) == (b.node, LinkState.UP)
    assert status.setup_ms is not None
    assert status.setup_ms < SET_UP_LIMIT_MS
    assert status.rtt_ms is not None
    assert c.relay.snapshot() == ()
    assert (await c.engine.statistics()).peers == ()
    assert RemoteRoom(node=a.node, room=ROOM, participants=(person("anna", a.node),)) in b.heard
    statistics = b.relay.statistics()
    assert (statistics.legs_in, statistics.legs_out) == (2, 2)

    chat = RoomChat(ROOM, MessageId("me_1"), ParticipantId("pa_anna"), "anna", "hello", 1)
    a.relay.send_chat(chat, frozenset({b.node}))
    await b.wait_heard(lambda event: event == RemoteChat(node=a.node, chat=chat), deadline_s=20)


async def test_a_killed_engine_gets_its_link_and_legs_back(mesh: Mesh, participants: Participants) -> None:
    with structlog.testing.capture_logs() as logs:
        a, b = await mesh.start("node-a", "node-b")
    await share(a, b)
    await wait_received(participants, "bram", packets=10)
    serves = [entry for entry in logs if entry["event"] == "engine_serves"]
    (pid,) = [entry["pid"] for entry in serves if entry["addresses"] == b.engine.addresses]
    os.kill(pid, signal.SIGKILL)
    await b.wait_for(EngineStarted, epoch=2)
    await wait_until(
        lambda: sum(isinstance(event, LinkUp) for event in b.heard) == 2 and b.relay.statistics().legs_in == 2,
        deadline_s=30,
    )
    await participants.close("bram")
    await b.publish("bram", stamp=3)
    await b.subscribe("bram", "anna")
    await wait_received(participants, "bram", packets=50)
    assert all(event.participants for event in a.heard if isinstance(event, RemoteRoom)), "nobody left"


async def test_a_node_that_leaves_says_goodbye(mesh: Mesh) -> None:
    a, b = await mesh.start("node-a", "node-b")
    await share(a, b)
    await a.wait_heard(lambda event: isinstance(event, RemoteRoom), deadline_s=30)
    mesh.stops["node-b"].cancel()
    await a.wait_heard(lambda event: isinstance(event, LinkLost), deadline_s=3)
    gone = RemoteRoom(node=b.node, room=ROOM, participants=(), is_lost=True)
    await a.wait_heard(lambda event: event == gone, deadline_s=12)
