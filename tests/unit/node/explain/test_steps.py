"""Steps out of readings: rates between two of them, layers at the end, and nothing where nothing is known."""

from __future__ import annotations

from node.explain.records import TrackStep
from node.explain.steps import Readings, verdict_of
from sfu import statistics_rows as rows
from sfu.protocol import Statistics
from signalling.ids import NodeId, ParticipantId, PeerId, SessionId, TrackId

TRACK, ANN, ROW = TrackId("tr_1"), ParticipantId("pa_ann"), SessionId("s" * 32)
HERE, THERE = NodeId("here"), NodeId("there")


def reading(track_bytes: int, leg_bytes: int) -> Statistics:
    peer = rows.PeerStatistics(
        peer=PeerId(f"pub:{ROW}"),
        kind="publisher",
        state="connected",
        packets_in=1,
        bytes_in=1,
        packets_out=0,
        bytes_out=0,
        rtt_ms=21.0,
    )
    subscriber = rows.PeerStatistics(
        peer=PeerId(f"sub:{ROW}"),
        kind="subscriber",
        state="connected",
        packets_in=0,
        bytes_in=0,
        packets_out=1,
        bytes_out=1,
        rtt_ms=9.0,
        loss=0.01,
    )
    link = rows.PeerStatistics(
        peer=PeerId("link:there:4"),
        kind="link",
        state="connected",
        packets_in=1,
        bytes_in=1,
        packets_out=1,
        bytes_out=1,
        rtt_ms=80.0,
        jitter_ms=1.5,
        loss=0.02,
    )
    return Statistics(
        id=1,
        peers=(peer, subscriber, link),
        tracks=(
            rows.TrackStatistics(
                track=TRACK,
                kind="video",
                codec="VP8",
                relayed=False,
                packets=1,
                bytes=track_bytes,
                keyframe_requests=0,
                subscribers=1,
                legs=0,
                jitter_ms=2.0,
                loss=0.0,
            ),
        ),
        counters={},
        legs=(
            rows.LegStatistics(
                peer=PeerId("link:there:4"), leg=7, track=TRACK, outgoing=False, packets=1, bytes=leg_bytes
            ),
            rows.LegStatistics(peer=PeerId("link:other:4"), leg=7, track=TRACK, outgoing=True, packets=1, bytes=9),
        ),
        lines=(
            rows.LineStatistics(
                peer=PeerId(f"sub:{ROW}"),
                track=TRACK,
                state="flowing",
                encoding=1,
                spatial=0,
                temporal=2,
                height=360,
                bitrate_bps=300_000,
            ),
        ),
    )


def test_each_kind_of_step_has_the_numbers_of_its_own_end() -> None:
    seen = Readings(reading(1000, 500), reading(26_000, 13_000), 0.5)
    assert seen.codec_of(TRACK) == "VP8"
    assert seen.from_publisher(TRACK, ROW, ANN, HERE) == TrackStep(
        kind="publisher", sender=ANN, receiver=HERE, rtt_ms=21.0, jitter_ms=2.0, loss=0.0, bitrate_bps=400_000
    )
    assert seen.over_link(TRACK, THERE, HERE) == TrackStep(
        kind="link", sender=THERE, receiver=HERE, rtt_ms=80.0, jitter_ms=1.5, loss=0.02, bitrate_bps=200_000
    )
    assert seen.to_subscriber(TRACK, ROW, ANN, HERE) == TrackStep(
        kind="subscriber",
        sender=HERE,
        receiver=ANN,
        rtt_ms=9.0,
        loss=0.01,
        bitrate_bps=300_000,
        state="flowing",
        encoding=1,
        spatial=0,
        temporal=2,
        height=360,
    )


def test_what_is_not_known_is_left_out() -> None:
    unknown = TrackId("tr_2")
    seen = Readings(reading(1, 1), reading(2, 2), 0.5)
    assert seen.codec_of(unknown) == ""
    assert seen.from_publisher(unknown, SessionId("t" * 32), ANN, HERE).bitrate_bps is None
    assert seen.over_link(unknown, THERE, HERE).rtt_ms is None
    assert seen.over_link(TRACK, NodeId("other"), HERE).rtt_ms is None, "what goes out there does not come from there"


def test_a_counter_that_began_anew_or_readings_at_one_moment_give_no_rate() -> None:
    assert Readings(reading(9, 9), reading(1, 1), 0.5).from_publisher(TRACK, ROW, ANN, HERE).bitrate_bps is None
    assert Readings(reading(1, 1), reading(9, 9), 0.0).over_link(TRACK, THERE, HERE).bitrate_bps is None


def test_the_verdict_names_the_way() -> None:
    first = TrackStep(kind="publisher", sender="ann", receiver="there", rtt_ms=20.0)
    second = TrackStep(kind="link", sender="there", receiver="here", rtt_ms=80.0)
    third = TrackStep(kind="link", sender="here", receiver="far", rtt_ms=100.0)
    assert verdict_of((first,), asked=THERE, missing="") == (
        "ann -> there: no other node is on the way, 10 ms one way by the round trips."
    )
    assert verdict_of((first, second), asked=HERE, missing="").startswith("ann -> there -> here: over the one link")
    assert "over 2 links, 100 ms one way" in verdict_of((first, second, third), asked=NodeId("far"), missing="")
    assert "Before there nothing is known (no_answer)." in verdict_of((second,), asked=HERE, missing="no_answer")
    assert verdict_of((), asked=HERE, missing="no_leg") == "Nothing of this track comes to here (no_leg)."
