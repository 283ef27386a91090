"""Means, intervals and paired differences: known values, and what holds for all."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.report.measures import METRICS
from lab.report.statistics import BLOCKS, compare, interval, summarise
from tests.unit.lab.report.samples import make_flow, make_run, make_second, steady_run, visage_runs

LOSS = next(metric for metric in METRICS if metric.key == "loss")
VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


def test_the_interval_of_a_textbook() -> None:
    found = interval([1.0, 2.0, 3.0, 4.0, 5.0], "repeats")
    assert found.mean == pytest.approx(3.0)
    # 2.776445 * sqrt(2.5 / 5)
    assert (found.low, found.high) == pytest.approx((3 - 1.9632432, 3 + 1.9632432))
    assert (found.n, found.method) == (5, "repeats")


def test_one_value_has_no_interval_and_none_has_no_mean() -> None:
    alone = interval([7.0], "repeats")
    assert (alone.mean, alone.low, alone.high, alone.n, alone.method) == (7.0, None, None, 1, "none")
    empty = interval([None, math.nan, math.inf], "repeats")
    assert (empty.mean, empty.low, empty.high, empty.n) == (None, None, None, 0)


@given(VALUES)
def test_an_interval_holds_its_mean_and_no_order_matters(values: list[float]) -> None:
    found = interval(values, "repeats")
    assert found.mean is not None
    if found.low is not None and found.high is not None:
        assert found.low <= found.mean <= found.high
    shuffled = random.Random(1).sample(values, len(values))
    assert interval(shuffled, "repeats") == found


@given(st.lists(st.floats(0, 1), min_size=2, max_size=10))
def test_the_interval_of_a_share_stays_a_share(values: list[float]) -> None:
    found = interval(values, "repeats", LOSS)
    assert found.mean is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.mean <= found.high <= 1


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    dice = random.Random(11)
    held = 0
    for _ in range(2000):
        found = interval([dice.gauss(10, 3) for _ in range(5)], "repeats")
        held += found.low is not None and found.high is not None and found.low <= 10 <= found.high
    assert 0.935 <= held / 2000 <= 0.965


def test_the_order_of_runs_does_not_matter() -> None:
    runs = visage_runs(repeats=3, duration_s=20)
    shuffled = random.Random(3).sample(runs, len(runs))
    assert summarise(shuffled) == summarise(runs)
    assert [each.scenario for each in summarise(shuffled)] == ["relay", "single-far", "single-near"]


def test_differences_are_taken_within_each_repeat() -> None:
    # The machine's mood moves both scenarios by far more than they differ.
    moods = [0.0, 50.0, -40.0, 90.0]
    runs = [
        steady_run(latency_ms=base + mood, scenario=scenario, repeat=repeat)
        for repeat, mood in enumerate(moods, 1)
        for scenario, base in (("far", 104.0 + 0.01 * repeat), ("relay", 100.0))
    ]
    summaries = summarise(runs)
    alone = summaries[0].metrics["latency_ms"]
    assert alone.low is not None
    assert alone.low < 50
    found = next(each for each in compare(summaries) if each.metric == "latency_ms")
    assert found.difference.mean == pytest.approx(4.025)
    assert found.difference.n == len(moods)
    assert found.better == "relay"


def test_more_is_better_where_it_is() -> None:
    def run(rate: float, scenario: str, repeat: int) -> object:
        return make_run(make_flow(make_second(mbit_s=rate)), scenario=scenario, repeat=repeat)

    runs = [run(rate + 0.01 * repeat, name, repeat) for repeat in (1, 2, 3) for name, rate in (("a", 1.0), ("b", 2.0))]
    found = {each.metric: each.better for each in compare(summarise(runs))}  # type: ignore[arg-type]
    assert found["video_mbit_s"] == "b"
    assert found["latency_ms"] is None


def test_repeats_that_only_one_scenario_has_are_in_no_difference() -> None:
    runs = [steady_run(latency_ms=100.0 + repeat, scenario="relay", repeat=repeat) for repeat in (1, 2, 3, 4)]
    runs += [steady_run(latency_ms=110.0 + repeat, scenario="far", repeat=repeat) for repeat in (3, 4, 5)]
    summaries = summarise(runs)
    assert [each.metrics["latency_ms"].n for each in summaries] == [4, 3]
    found = next(each for each in compare(summaries) if each.metric == "latency_ms")
    assert found.difference.n == 2
    assert found.difference.mean == pytest.approx(-10.0)


def test_scenarios_that_share_no_repeat_are_not_compared() -> None:
    runs = [steady_run(latency_ms=1.0, scenario="a", repeat=1), steady_run(latency_ms=9.0, scenario="b", repeat=2)]
    assert all(each.better is None and each.difference.n == 0 for each in compare(summarise(runs)))


def test_a_run_that_is_alone_is_cut_into_blocks() -> None:
    seconds = [make_second(at_s=float(at), delay_ms=100.0 + at % 10 + (at - 1) // 10) for at in range(1, 101)]
    summary = summarise([make_run(make_flow(*seconds), duration_s=100.0)])[0]
    found = summary.metrics["latency_ms"]
    # Means of the blocks are 104.5, 105.5, ... 113.5: 2.262157 * sqrt(55 / 6 / 10) to each side.
    assert (found.n, found.method) == (BLOCKS, "blocks")
    assert found.mean == pytest.approx(109.0)
    assert found.high == pytest.approx(109.0 + 2.1658506, rel=1e-6)
    assert summary.metrics["first_frame_ms"].method == "none"
    assert summary.metrics["first_frame_ms"].high is None


def test_two_single_runs_are_compared_by_blocks() -> None:
    runs = [steady_run(latency_ms=ms, scenario=name, repeat=1) for name, ms in (("a", 100.0), ("b", 130.0))]
    found = {each.metric: each for each in compare(summarise(runs))}
    assert found["latency_ms"].difference.method == "blocks"
    assert found["latency_ms"].better == "a"
    assert found["first_frame_ms"].difference.n == 1
    assert found["first_frame_ms"].better is None
