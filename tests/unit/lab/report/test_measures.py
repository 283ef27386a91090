"""The metrics of a run, worked out by hand."""

import math

import msgspec
import pytest

from lab.report.measures import METRICS, measure, measure_block, measure_run, percentile, pooled
from tests.unit.lab.report.samples import make_flow, make_run, make_second, visage_runs


def test_delay_and_jitter_count_by_packets() -> None:
    video = make_flow(make_second(packets=300, delay_ms=100.0, jitter_ms=2.0))
    audio = make_flow(make_second(packets=100, delay_ms=60.0, jitter_ms=6.0), kind="audio")
    found = measure([video, audio])
    assert found["latency_ms"] == pytest.approx(90.0)
    assert found["jitter_ms"] == pytest.approx(3.0)


def test_seconds_in_which_nothing_came_have_no_delay_but_a_rate() -> None:
    silent = make_second(at_s=2.0, packets=0, lost=50, mbit_s=0.0, delay_ms=None, jitter_ms=None)
    found = measure([make_flow(make_second(packets=150, mbit_s=2.0, delay_ms=40.0), silent)])
    assert found["latency_ms"] == pytest.approx(40.0)
    assert found["video_mbit_s"] == pytest.approx(1.0)
    assert found["loss"] == pytest.approx(0.25)


def test_the_rate_is_that_of_a_picture_not_of_sound() -> None:
    pictures = [make_flow(make_second(mbit_s=rate), sender=name) for name, rate in (("a", 1.0), ("b", 2.0))]
    sound = make_flow(make_second(mbit_s=0.05), kind="audio")
    assert measure([*pictures, sound])["video_mbit_s"] == pytest.approx(1.5)


def test_a_picture_that_was_sent_and_never_came_counts_as_nothing() -> None:
    lost = msgspec.structs.replace(make_flow(), sent=100, lost=100)
    assert measure([make_flow(make_second(mbit_s=2.0)), lost])["video_mbit_s"] == pytest.approx(1.0)


def test_freezes_are_by_the_minute_of_pictures() -> None:
    seconds = [make_second(at_s=float(at)) for at in range(1, 31)]
    frozen = msgspec.structs.replace(make_flow(*seconds), freezes=2, frozen_s=1.5)
    found = measure([frozen, make_flow(*seconds), make_flow(*seconds, kind="audio")])
    assert found["freezes"] == pytest.approx(2.0)
    assert found["frozen"] == pytest.approx(0.025)


def test_percentiles_are_of_all_packets_together() -> None:
    counts = pooled([((10.0, 90), (20.0, 5)), ((20.0, 4), (90.0, 1))])
    assert counts == ((10.0, 90), (20.0, 9), (90.0, 1))
    assert [percentile(counts, share) for share in (0.5, 0.9, 0.95, 0.99, 1.0)] == [10.0, 10.0, 20.0, 20.0, 90.0]
    assert percentile((), 0.5) is None


def test_what_nodes_add_is_the_mean_over_the_ways() -> None:
    run = msgspec.structs.replace(make_run(), hop_added_ms={"a>b": 0.5, "b>a": -0.1})
    assert measure_run(run)["hop_added_ms"] == pytest.approx(0.2)


def test_nothing_measured_is_none_in_every_metric() -> None:
    found = measure_run(make_run())
    assert found == dict.fromkeys((metric.key for metric in METRICS), None)
    assert set(measure_run(make_run(make_flow())).values()) == {None}


def test_what_is_not_finite_is_left_out() -> None:
    never = msgspec.structs.replace(make_flow(make_second(delay_ms=math.nan)), first_frame_ms=math.inf)
    found = measure([never])
    assert found["first_frame_ms"] is None
    assert found["latency_ms"] is None


def test_a_second_is_of_the_block_in_which_its_middle_lies() -> None:
    run = make_run(make_flow(*(make_second(at_s=float(at), delay_ms=float(at)) for at in range(1, 11))))
    assert measure_block(run, 0.0, 5.0)["latency_ms"] == pytest.approx(3.0)
    assert measure_block(run, 5.0, 10.0)["latency_ms"] == pytest.approx(8.0)
    assert measure_block(run, 10.0, 15.0) == dict.fromkeys(("video_mbit_s", "latency_ms", "jitter_ms", "loss"))


def test_blocks_of_a_run_agree_with_the_whole() -> None:
    run = visage_runs(repeats=1, duration_s=60)[0]
    whole, only = measure_run(run), measure_block(run, 0.0, 60.0)
    assert only == pytest.approx({key: whole[key] for key in only})
