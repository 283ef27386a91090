"""Media through real engines: within one, across a link, to several, and after a kill."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
import structlog
import trio

from sfu import EngineRefused, EngineStarted, LinkMeasured, LinkMessage, PeerState, TrackStarted
from sfu.participants import Participants, open_participants
from tests.cluster.sfu.stage import KINDS, LINK, ROOM, Stage, link, open_stage, track_of, wait_received

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from sfu.participants_protocol import ReceivedMedia

pytestmark = pytest.mark.cluster

MAX_DELAY_P50_MS = 50.0
"""On loopback it is a few; the rest is for a machine under load."""


@pytest.fixture
async def participants() -> AsyncIterator[Participants]:
    async with open_participants() as participants:
        yield participants


@pytest.fixture
async def stage(participants: Participants) -> AsyncIterator[Stage]:
    async with open_stage(participants) as stage:
        yield stage


@pytest.fixture
async def far_stage(participants: Participants) -> AsyncIterator[Stage]:
    async with open_stage(participants) as stage:
        yield stage


def assert_whole(media: Iterable[ReceivedMedia]) -> None:
    for item in media:
        assert (item.lost, item.missing, item.duplicates, item.late) == (0, 0, 0, 0), item
        assert item.delay_p50_ms < MAX_DELAY_P50_MS, item


async def hear_only(participants: Participants, name: str, *, stamp: int) -> None:
    await participants.open(name, stamp=stamp, video=None, audio=False)


async def test_media_flows_through_one_engine(participants: Participants, stage: Stage) -> None:
    await hear_only(participants, "bram", stamp=2)
    await stage.publish("anna", stamp=1)
    await stage.subscribe("bram", "anna")
    media = await wait_received(participants, "bram", packets=100)
    assert set(media) == {(1, "audio"), (1, "video")}
    assert_whole(media.values())
    assert (await stage.wait_for(TrackStarted, track=track_of("anna", "video"))).codec.upper() == "VP8"
    statistics = await stage.engine.statistics()
    tracks = {track.track: track for track in statistics.tracks}
    assert tracks[track_of("anna", "video")].packets >= 100
    assert tracks[track_of("anna", "video")].subscribers == 1
    assert {(peer.peer, peer.kind, peer.state) for peer in statistics.peers} == {
        ("pb_anna", "publisher", "connected"),
        ("sb_bram", "subscriber", "connected"),
    }


async def test_everyone_hears_everyone_else(participants: Participants, stage: Stage) -> None:
    names = ("anna", "bram", "carl")
    for stamp, name in enumerate(names):
        await stage.publish(name, stamp=stamp)
    for name in names:
        await stage.subscribe(name, *(other for other in names if other != name))
    for stamp, name in enumerate(names):
        media = await wait_received(participants, name, packets=50, senders=2)
        assert {item.stamp for item in media.values()} == {0, 1, 2} - {stamp}
        assert_whole(media.values())


async def test_late_subscriber_and_unsubscribed_sender(participants: Participants, stage: Stage) -> None:
    for stamp, name in enumerate(("anna", "bram")):
        await stage.publish(name, stamp=stamp)
    await hear_only(participants, "carl", stamp=9)
    await stage.subscribe("carl", "anna")
    await wait_received(participants, "carl", packets=20)
    await stage.subscribe("carl", "anna", "bram")
    await wait_received(participants, "carl", packets=20, senders=2)
    await stage.subscribe("carl", "bram")
    await trio.sleep(0.5)  # what is under way still comes
    before = await wait_received(participants, "carl", packets=0, senders=2)
    await trio.sleep(1)
    after = await wait_received(participants, "carl", packets=0, senders=2)
    for kind in KINDS:
        assert after[0, kind].packets == before[0, kind].packets
        assert after[1, kind].packets > before[1, kind].packets
    assert_whole(item for (stamp, _), item in after.items() if stamp == 1)


async def test_track_wanted_before_it_exists_flows_once_it_does(participants: Participants, stage: Stage) -> None:
    await hear_only(participants, "bram", stamp=2)
    await stage.subscribe("bram", "anna")
    await stage.wait_for(PeerState, peer="sb_bram", state="connected")
    await stage.publish("anna", stamp=1)
    assert_whole((await wait_received(participants, "bram", packets=50)).values())


async def test_media_flows_across_a_link(participants: Participants, stage: Stage, far_stage: Stage) -> None:
    await link(stage, far_stage)
    for side in (stage, far_stage):
        await side.wait_for(PeerState, peer=LINK, state="connected")
    await hear_only(participants, "bram", stamp=2)
    await stage.publish("anna", stamp=1)
    await far_stage.subscribe("bram", "anna")
    for leg, kind in enumerate(KINDS, 7):
        await far_stage.engine.open_leg_in(LINK, leg, track_of("anna", kind), kind, ROOM)
        await stage.engine.open_leg_out(LINK, leg, track_of("anna", kind), ROOM)
    media = await wait_received(participants, "bram", packets=100)
    assert set(media) == {(1, "audio"), (1, "video")}
    assert_whole(media.values())
    relayed = {track.track: track for track in (await far_stage.engine.statistics()).tracks}
    assert all(relayed[track_of("anna", kind)].relayed for kind in KINDS)
    assert {track.legs for track in (await stage.engine.statistics()).tracks} == {1}
    for leg in (7, 8):
        await stage.engine.close_leg_out(LINK, leg)
    await trio.sleep(0.5)  # what is under way still comes
    before = await wait_received(participants, "bram", packets=0)
    await trio.sleep(0.5)
    assert {key: item.packets for key, item in (await wait_received(participants, "bram", packets=0)).items()} == {
        key: item.packets for key, item in before.items()
    }


async def test_link_carries_messages_and_measures_itself(stage: Stage, far_stage: Stage) -> None:
    await link(stage, far_stage)
    for side in (stage, far_stage):
        await side.wait_for(PeerState, peer=LINK, state="connected")
    largest = bytes(range(256)) * 234
    for data in (b"one", largest, b"three"):
        await stage.engine.send_link(LINK, data)
    await far_stage.engine.send_link(LINK, b"back")
    await far_stage.wait_for(LinkMessage, data=b"three")
    arrived = [event.data for event in far_stage.seen if isinstance(event, LinkMessage)]
    assert arrived == [b"one", largest, b"three"]
    await stage.wait_for(LinkMessage, data=b"back")
    for side in (stage, far_stage):
        measured = await side.wait_for(LinkMeasured, peer=LINK)
        assert 0 <= measured.rtt_ms < MAX_DELAY_P50_MS
        assert measured.loss == 0


@pytest.mark.parametrize(
    ("data", "code"), [(b"", "link_message_empty"), (bytes(61_441), "link_message_too_large")], ids=["empty", "long"]
)
async def test_link_that_refused_a_message_still_carries_others(
    data: bytes, code: str, stage: Stage, far_stage: Stage
) -> None:
    await link(stage, far_stage)
    await stage.wait_for(PeerState, peer=LINK, state="connected")
    with pytest.raises(EngineRefused) as refusal:
        await stage.engine.send_link(LINK, data)
    assert refusal.value.code == code
    await stage.engine.send_link(LINK, b"next")
    await far_stage.wait_for(LinkMessage, data=b"next")


async def test_link_is_suspect_soon_after_the_other_engine_is_killed(participants: Participants) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_stage(participants) as stage, open_stage(participants) as far_stage:
            await link(stage, far_stage)
            for side in (stage, far_stage):
                await side.wait_for(PeerState, peer=LINK, state="connected")
            pid = [entry["pid"] for entry in logs if entry["event"] == "engine_serves"][-1]
            died = trio.current_time()
            os.kill(pid, signal.SIGKILL)
            await stage.wait_for(PeerState, peer=LINK, state="suspect")
            assert trio.current_time() - died < 1.5


async def test_killed_engine_is_followed_by_media_within_seconds(participants: Participants) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_stage(participants) as stage:
            await hear_only(participants, "bram", stamp=2)
            await stage.publish("anna", stamp=1)
            await stage.subscribe("bram", "anna")
            before = await wait_received(participants, "bram", packets=50)
            pid = next(entry["pid"] for entry in logs if entry["event"] == "engine_serves")
            os.kill(pid, signal.SIGKILL)
            await stage.wait_for(EngineStarted, epoch=2)
            await hear_only(participants, "bram", stamp=2)
            await stage.publish("anna", stamp=1)
            await stage.subscribe("bram", "anna")
            enough = max(item.packets for item in before.values()) + 100
            after = await wait_received(participants, "bram", packets=enough)
            assert all(item.longest_gap_ms < 4000 for item in after.values())
