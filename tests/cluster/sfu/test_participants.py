"""Synthetic participants count what is true: tried on each other, publisher straight to subscriber."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from sfu import EngineRefused
from sfu.participants import Participants, VideoPlan, open_participants

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sfu.participants_protocol import ParticipantReport, ReceivedMedia
    from signalling.client.messages import MediaKind

pytestmark = pytest.mark.cluster

PATIENCE_S = 20.0
LOOK_EVERY_S = 0.05


@pytest.fixture
async def participants() -> AsyncIterator[Participants]:
    async with open_participants() as participants:
        yield participants


async def connect(participants: Participants, sender: str, receiver: str, *, stamp: int = 1) -> None:
    opened = await participants.open(sender, stamp=stamp)
    answer = await participants.offered(receiver, opened.sdp)
    await participants.published(sender, answer)


async def report_of(participants: Participants, name: str) -> ParticipantReport:
    return next(report for report in await participants.report() if report.participant == name)


async def received(participants: Participants, name: str, *, packets: int) -> dict[MediaKind, ReceivedMedia]:
    """What was received by kind, once it is so many packets of each."""
    with trio.fail_after(PATIENCE_S):
        while True:
            report = await report_of(participants, name)
            media: dict[MediaKind, ReceivedMedia] = {item.kind: item for item in report.received}
            if len(media) == 2 and all(item.packets >= packets for item in media.values()):
                return media
            await trio.sleep(LOOK_EVERY_S)


async def test_media_arrives_whole_soon_and_under_its_senders_stamp(participants: Participants) -> None:
    opened = await participants.open("anna", stamp=2**64 - 1)
    assert [track.kind for track in opened.tracks] == ["audio", "video"]
    await participants.open("bram", stamp=2, video=None, audio=False)
    await participants.published("anna", await participants.offered("bram", opened.sdp))
    media = await received(participants, "bram", packets=60)
    for track in opened.tracks:
        item = media[track.kind]
        assert (item.stamp, item.mid) == (2**64 - 1, track.mid)
        assert (item.lost, item.missing, item.duplicates, item.late) == (0, 0, 0, 0)
        assert 0 < item.delay_p50_ms <= item.delay_p99_ms <= item.delay_max_ms * 1.04
        assert item.delay_p50_ms < 50
        assert item.first_packet_ms < 1000 * PATIENCE_S
    anna, bram = await participants.report()
    assert (anna.publisher, anna.subscriber, bram.publisher, bram.subscriber) == (
        "connected",
        "none",
        "none",
        "connected",
    )
    sent = {item.kind: item for item in anna.sent}
    assert 0 <= sent["audio"].packets - media["audio"].packets < 50
    assert (bram.sent, anna.received) == ((), ())
    assert bram.foreign_packets == 0


async def test_rates_are_those_of_the_plan(participants: Participants) -> None:
    opened = await participants.open("anna", stamp=1, video=VideoPlan(frames_per_s=25, bits_per_s=400_000))
    await participants.open("bram", stamp=2, video=None, audio=False)
    await participants.published("anna", await participants.offered("bram", opened.sdp))
    first = await received(participants, "bram", packets=10)
    since = trio.current_time()
    await trio.sleep(2)
    second = await received(participants, "bram", packets=10)
    took_s = trio.current_time() - since
    video_bits = 8 * (second["video"].bytes - first["video"].bytes)
    assert video_bits / took_s == pytest.approx(400_000, rel=0.2)
    assert (second["audio"].packets - first["audio"].packets) / took_s == pytest.approx(50, rel=0.2)
    assert (second["video"].packets - first["video"].packets) / took_s == pytest.approx(50, rel=0.2)


async def test_opened_again_goes_on_where_it_was(participants: Participants) -> None:
    await participants.open("bram", stamp=2, video=None, audio=False)
    await participants.open("carl", stamp=3, video=None, audio=False)
    await connect(participants, "anna", "bram")
    before = await received(participants, "bram", packets=20)
    await connect(participants, "anna", "carl")
    after = await received(participants, "carl", packets=20)
    for kind, item in after.items():
        assert item.lost == 0, "numbers begin with the first packet received"
        sent = {one.kind: one.packets for one in (await report_of(participants, "anna")).sent}
        assert sent[item.kind] >= before[kind].packets + item.packets


async def test_subscriber_hears_that_the_sender_left(participants: Participants) -> None:
    await participants.open("bram", stamp=2, video=None, audio=False)
    await connect(participants, "anna", "bram")
    await received(participants, "bram", packets=5)
    await participants.close("anna")
    seen = []
    with trio.fail_after(PATIENCE_S):
        while ("bram", "subscriber", "closed") not in seen:
            event = await participants.events.receive()
            seen.append((event.participant, event.peer, event.state))
    assert ("anna", "publisher", "connected") in seen
    assert (await report_of(participants, "bram")).subscriber == "closed"


async def test_mistakes_are_refused_with_a_code(participants: Participants) -> None:
    await participants.open("anna", stamp=1)
    for command, code in (
        (participants.published("nobody", "v=0\r\n"), "participant_unknown"),
        (participants.offered("nobody", "v=0\r\n"), "participant_unknown"),
        (participants.published("anna", "nonsense"), "sdp_invalid"),
        (participants.offered("anna", "nonsense"), "sdp_invalid"),
    ):
        with pytest.raises(EngineRefused) as refusal:
            await command
        assert refusal.value.code == code
    await participants.close("nobody")


async def test_times_are_told_by_packet_and_the_first_picture_is_whole_before_long(participants: Participants) -> None:
    await participants.open("bram", stamp=2, video=None, audio=False)
    await connect(participants, "anna", "bram")
    await received(participants, "bram", packets=60)
    (timings,) = [one for one in await participants.timings() if one.participant == "bram"]
    for item in timings.received:
        assert sum(count for _edge, count in item.delays_us) == item.packets
        assert sum(count for _edge, count in item.jitters_us) == item.packets - 1
        assert 0 < item.delay_sum_ms / item.packets < 50
        assert item.jitter_sum_ms <= 2 * item.delay_sum_ms
        assert item.first_frame_ms is not None
        assert 0 < item.first_frame_ms < 1000 * PATIENCE_S
        assert item.recent_gap_ms > 0
        assert (item.freezes, item.frozen_ms) == (0, 0.0) or item.frozen_ms > 200 * item.freezes
    (again,) = [one for one in await participants.timings() if one.participant == "bram"]
    assert all(item.recent_gap_ms < 200 for item in again.received)
