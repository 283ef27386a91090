"""A link that is made anew while media flows over it, between real engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
import trio

from relay import LinkLost, LinkRenewed, LinkUp, RemoteChat, RemoteRoom
from sfu.participants import open_participants
from signalling.ids import MessageId, ParticipantId
from signalling.mesh.link import RoomChat
from tests.cluster.relay.mesh import ROOM, open_mesh, wait_until
from tests.cluster.relay.test_mesh import share
from tests.cluster.sfu.stage import KINDS, wait_received

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sfu.participants import Participants
    from sfu.participants_protocol import ReceivedMedia
    from signalling.client.messages import MediaKind
    from tests.cluster.relay.mesh import Mesh, MeshNode

pytestmark = pytest.mark.cluster

UNSEEN_LIMIT_MS: Final = 1500.0
"""The longest silence of a healthy stream with a picture each 40 ms on a busy machine: media that waits for a link to
end and come again is silent for longer."""

CALM_TIMES: Final = 5
"""More than this many times the longest silence of the calm part, if that is more, is one of the renewal."""

TIMES: Final = 3

DOUBLED_LIMIT: Final = 8
"""Packets of one picture."""


@pytest.fixture
async def participants() -> AsyncIterator[Participants]:
    async with open_participants() as opened:
        yield opened


@pytest.fixture
async def mesh(tmp_path: Path, participants: Participants) -> AsyncIterator[Mesh]:
    async with open_mesh(tmp_path, participants) as opened:
        yield opened


async def received(node: MeshNode, name: str) -> dict[MediaKind, ReceivedMedia]:
    reports = await node.participants.report()
    return {item.kind: item for report in reports if report.participant == name for item in report.received}


def renewed(node: MeshNode) -> int:
    return sum(isinstance(event, LinkRenewed) for event in node.heard)


async def test_media_goes_over_to_a_new_link_without_a_gap(mesh: Mesh, participants: Participants) -> None:
    a, b = await mesh.start("node-a", "node-b")
    await share(a, b)
    for name in ("anna", "bram"):
        await wait_received(participants, name, packets=100)
    before = {name: await received(a, name) for name in ("anna", "bram")}
    people = len([event for event in b.heard if isinstance(event, RemoteRoom)])
    for time in range(1, TIMES + 1):
        # Now one of them asks, now both at once.
        for node, other in ((a, b), (b, a))[: 1 + time % 2]:
            node.relay.renew_link(other.node)
        for number in range(10):
            said = RoomChat(ROOM, MessageId(f"me_{time}_{number}"), ParticipantId("pa_anna"), "anna", "hello", number)
            a.relay.send_chat(said, frozenset({b.node}))
            await trio.sleep(0.05)
        await wait_until(lambda: renewed(a) == renewed(b) == time, deadline_s=30)  # noqa: B023
        # Until the former link is closed, so that the next one may begin.
        await trio.sleep(3)
    after = {name: await received(a, name) for name in ("anna", "bram")}
    gaps = {name: {kind: round(after[name][kind].longest_gap_ms) for kind in KINDS} for name in after}
    calm = {name: {kind: round(before[name][kind].longest_gap_ms) for kind in KINDS} for name in before}
    setups = [round(status.setup_ms or 0) for node in (a, b) for status in node.relay.snapshot()]
    double = sum(media.duplicates for kinds in after.values() for media in kinds.values())
    print(f"longest silence (ms) before {calm}, with {TIMES} renewals {gaps}")  # noqa: T201
    print(f"{double} packets came twice; the last renewal took {setups} ms")  # noqa: T201
    for name in after:
        for kind, media in after[name].items():
            assert media.packets - before[name][kind].packets > 200
            assert media.lost == 0, (name, kind)
            # What begins on the new leg, a picture or a sound, may have come by the former one just before.
            assert media.duplicates <= DOUBLED_LIMIT * TIMES, (name, kind)
            assert media.longest_gap_ms < max(UNSEEN_LIMIT_MS, CALM_TIMES * before[name][kind].longest_gap_ms)
    for node in (a, b):
        assert sum(isinstance(event, LinkUp) for event in node.heard) == 1
        assert not [event for event in node.heard if isinstance(event, LinkLost)]
        links = [peer for peer in (await node.engine.statistics()).peers if peer.kind == "link"]
        assert [link.state for link in links] == ["connected"], "the former ones are closed"
        statistics = node.relay.statistics()
        assert (statistics.legs_in, statistics.legs_out, statistics.links_renewed) == (2, 2, TIMES)
    told = [event for event in b.heard if isinstance(event, RemoteRoom)][people:]
    assert all(event.participants for event in told), "nobody goes and comes"
    chats = [event.chat.message for event in b.heard if isinstance(event, RemoteChat)]
    assert chats == [f"me_{time}_{number}" for time in range(1, TIMES + 1) for number in range(10)]
