from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from node.conductor.media_measures import READ_EVERY_S, MediaMeasures, media_samples
from sfu import (
    EngineLostError,
    LegStatistics,
    LineStatistics,
    PeerStatistics,
    Statistics,
    TrackStatistics,
    WorkerStatistics,
)
from signalling.ids import PeerId, TrackId

if TYPE_CHECKING:
    from trio.testing import MockClock

    from node.http.backend import Sample


def _peer(number: int, **more: object) -> PeerStatistics:
    traffic = {"packets_in": 0, "bytes_in": 0, "packets_out": 10, "bytes_out": 1000}
    fields = {"kind": "subscriber", "state": "connected", **traffic, **more}
    return PeerStatistics(peer=PeerId(f"p{number}"), **fields)  # type: ignore[arg-type]


def _reading(*peers: PeerStatistics) -> Statistics:
    track = TrackStatistics(
        track=TrackId("t"),
        kind="video",
        codec="vp8",
        relayed=True,
        packets=1,
        bytes=2,
        keyframe_requests=3,
        subscribers=4,
        legs=0,
    )
    leg = LegStatistics(peer=PeerId("l"), leg=1, track=TrackId("t"), outgoing=False, packets=5, bytes=600)
    line = LineStatistics(
        peer=PeerId("p"),
        track=TrackId("t"),
        state="starved",
        encoding=None,
        spatial=None,
        temporal=None,
        height=None,
        bitrate_bps=0,
    )
    worker = WorkerStatistics(worker=1, peers=2, tracks=1, turns=9, busy_ms=1500, waiting=0)
    return Statistics(
        id=1,
        peers=peers,
        tracks=(track,),
        legs=(leg,),
        lines=(line,),
        workers=(worker,),
        memory_bytes=1 << 26,
        counters={"datagrams_in": 7},
    )


def _value(samples: tuple[Sample, ...], name: str, **labels: str) -> float:
    (found,) = [one.value for one in samples if one.name == name and one.labels.items() >= labels.items()]
    return found


def test_rows_are_summed_up_by_kind() -> None:
    peers = [_peer(number, rtt_ms=float(number), estimate_bps=1000, nacks=2) for number in range(101)]
    samples = tuple(media_samples(_reading(*peers, _peer(999, kind="link", state="suspect", handshake_ms=40.0))))
    assert _value(samples, "media_peers", kind="subscriber", state="connected") == 101
    assert _value(samples, "media_peers", kind="link", state="suspect") == 1
    assert _value(samples, "media_bytes", kind="subscriber", direction="out") == 101_000
    assert _value(samples, "media_estimate_bits_per_second", kind="subscriber") == 101_000
    assert _value(samples, "media_nacks", kind="subscriber") == 202
    assert _value(samples, "media_rtt_seconds", kind="subscriber", quantile="0.5") == pytest.approx(0.05)
    assert _value(samples, "media_rtt_seconds", kind="subscriber", quantile="0.99") == pytest.approx(0.099)
    assert _value(samples, "media_handshake_seconds", kind="link", quantile="0.99") == pytest.approx(0.04)
    assert _value(samples, "media_tracks", origin="link") == 1
    assert _value(samples, "media_leg_bytes", direction="in") == 600
    assert _value(samples, "media_lines", state="starved") == 1
    assert _value(samples, "media_lines", state="flowing") == 0
    assert _value(samples, "media_worker_busy_seconds_total", worker="1") == pytest.approx(1.5)
    assert _value(samples, "media_events_total", what="datagrams_in") == 7


def test_no_label_grows_with_the_peers() -> None:
    few, many = (tuple(media_samples(_reading(*map(_peer, range(count))))) for count in (1, 500))
    assert len(few) == len(many)
    assert all("p4" not in one.labels.values() for one in many)


class _Engine:
    def __init__(self) -> None:
        self.readings = 0
        self.lost = False

    async def statistics(self) -> Statistics:
        self.readings += 1
        if self.lost:
            raise EngineLostError("gone")
        return _reading()


async def test_an_engine_is_read_once_a_second_at_most(mock_clock: MockClock) -> None:
    engine = _Engine()
    measures = MediaMeasures(engine)  # type: ignore[arg-type]
    for _ in range(5):
        assert await measures.samples()
    assert engine.readings == 1
    mock_clock.jump(READ_EVERY_S)
    engine.lost = True
    assert await measures.samples() == ()
    assert engine.readings == 2


async def test_many_who_ask_at_once_are_one_reading(mock_clock: MockClock) -> None:
    """A crowd of scrapers must not keep an engine busy with counting."""
    slow = trio.Event()

    class Slow(_Engine):
        async def statistics(self) -> Statistics:
            reading = await super().statistics()
            await slow.wait()
            return reading

    engine = Slow()
    measures = MediaMeasures(engine)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(measures.samples)
        await wait_all_tasks_blocked()
        slow.set()
    assert engine.readings == 1
    assert await measures.samples()
