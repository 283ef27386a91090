"""From samples to flows: what is of the measured time counts, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from lab.experiment.flows import flows, mean_delay_ms
from lab.experiment.samples import MediaSample, Sample, read_samples

if TYPE_CHECKING:
    from pathlib import Path

    from lab.experiment.records import Flow

BEGAN = 1000.0
RATE = 100
"""Packets a second."""


def received(second: int, *, lost: int = 0, gap_ms: float = 12.0, packets: int | None = None) -> MediaSample:
    """What one has after so many seconds of a steady picture that takes 50 ms; with ``packets`` it has stopped."""
    have = second * RATE if packets is None else packets
    return MediaSample(
        stamp=0,
        kind="video",
        packets=have,
        bytes=have * 1000,
        lost=lost,
        missing=0,
        delay_sum_ms=have * 50.0,
        jitter_sum_ms=have * 2.0,
        gap_ms=gap_ms,
        freezes=0,
        frozen_ms=0.0,
        first_frame_at_s=BEGAN - 2.5,
        delays_us=((50_000, RATE),) if packets is None else (),
        jitters_us=((2_000, RATE),) if packets is None else (),
    )


def sender(seconds: range) -> list[Sample]:
    return [Sample(at_s=BEGAN + second - 10 + 0.004, sent={"video": second * RATE}, received=()) for second in seconds]


def receiver(seconds: range, lost: int = 0) -> list[Sample]:
    return [
        Sample(at_s=BEGAN + second - 10 + 0.006, sent={}, received=(received(second, lost=lost),)) for second in seconds
    ]


def made(ann: list[Sample], bob: list[Sample], *, duration_s: float = 5) -> tuple[Flow, ...]:
    wished = {"ann": BEGAN - 4.0, "bob": BEGAN - 3.5}
    return flows({"ann": ann, "bob": bob}, ["ann", "bob"], wished, began_s=BEGAN, duration_s=duration_s)


def test_a_steady_flow_is_what_it_was_in_the_measured_time() -> None:
    (flow,) = made(sender(range(5, 19)), receiver(range(5, 19)))
    assert (flow.sender, flow.receiver, flow.kind) == ("ann", "bob", "video")
    assert [round(second.at_s) for second in flow.seconds] == [1, 2, 3, 4, 5]
    for second in flow.seconds:
        assert (second.packets, second.lost, second.longest_gap_ms) == (RATE, 0, 12.0)
        assert second.mbit_s == pytest.approx(0.8)
        assert second.delay_ms == pytest.approx(50.0)
        assert second.jitter_ms == pytest.approx(2.0)
    assert (flow.sent, flow.lost, flow.freezes, flow.frozen_s) == (5 * RATE, 0, 0, 0.0)
    assert flow.delays_ms == ((50.0, 5 * RATE),)
    assert (flow.delay_p50_ms, flow.delay_p99_ms) == (50.0, 50.0)
    assert flow.first_frame_ms == pytest.approx(1000.0), "from the moment when both wished to be in"
    assert mean_delay_ms([flow]) == pytest.approx(50.0)


def test_losses_of_before_do_not_count_and_those_that_settle_later_do() -> None:
    bob = receiver(range(5, 15), lost=7) + receiver(range(15, 19), lost=10)
    (flow,) = made(sender(range(5, 19)), bob)
    assert flow.lost == 3


def test_a_flow_that_stopped_has_lost_what_was_sent_since() -> None:
    stopped = [
        Sample(
            at_s=BEGAN + second + 0.006, sent={}, received=(received(0, packets=1200, gap_ms=1000.0 * (second - 2)),)
        )
        for second in range(3, 9)
    ]
    (flow,) = made(sender(range(5, 19)), receiver(range(5, 13)) + stopped)
    assert (flow.sent, flow.lost) == (500, 300)
    assert [second.packets for second in flow.seconds] == [100, 100, 0, 0, 0]
    assert flow.seconds[-1].delay_ms is None
    assert flow.seconds[-1].longest_gap_ms == 3000.0


def test_a_flow_that_came_late_has_no_seconds_before() -> None:
    nothing = [Sample(at_s=BEGAN + second - 10 + 0.006, sent={}, received=()) for second in range(5, 13)]
    (flow,) = made(sender(range(5, 19)), nothing + receiver(range(13, 19)))
    assert [round(second.at_s) for second in flow.seconds] == [3, 4, 5]


def test_who_received_nothing_has_no_flow() -> None:
    assert made(sender(range(5, 19)), []) == ()


def test_the_last_line_of_somebody_who_was_killed_is_left_out(tmp_path: Path) -> None:
    samples = receiver(range(5, 7))
    path = tmp_path / "samples"
    lines = b"".join(msgspec.json.encode(sample) + b"\n" for sample in samples)
    path.write_bytes(lines + b'{"at_s":10')
    assert list(read_samples(path)) == samples
