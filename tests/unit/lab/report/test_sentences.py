"""What is said of figures, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.report.measures import METRICS
from lab.report.sentences import NO_DIFFERENCE, answer, best, figure, headline, joined, method_note
from lab.report.statistics import Interval, compare, interval, summarise
from tests.unit.lab.report.samples import make_run, steady_run

if TYPE_CHECKING:
    from lab.experiment.records import Run

BY_KEY = {metric.key: metric for metric in METRICS}
LATENCY = BY_KEY["latency_ms"]
NOISE = (0.0, 1.0, -1.0, 0.5)


def runs_of(**latencies: float) -> list[Run]:
    """Four repeats of each scenario; names with _ for -."""
    return [
        steady_run(latency_ms=ms + noise * (1 + place / 10), scenario=name.replace("_", "-"), repeat=repeat)
        for repeat, noise in enumerate(NOISE, 1)
        for place, (name, ms) in enumerate(latencies.items())
    ]


def test_the_sentence_of_a_difference() -> None:
    summaries = summarise(runs_of(relay=100.0, single_far=134.0, single_near=100.02))
    comparisons = compare(summaries)
    said = answer(LATENCY, summaries, comparisons)
    assert said.startswith("relay is 34.01 ms (33.88\u201334.15) faster than single-far")
    assert said.endswith(f"; against single-near, {NO_DIFFERENCE}")
    assert best(LATENCY, summaries, comparisons) == {"relay", "single-near"}


def test_no_difference_is_said_to_be_none_that_can_be_shown() -> None:
    summaries = summarise(runs_of(relay=100.0, far=100.01))
    assert answer(LATENCY, summaries, compare(summaries)) == NO_DIFFERENCE
    assert best(LATENCY, summaries, compare(summaries)) == frozenset()


def test_one_scenario_is_told_alone_and_nothing_measured_as_such() -> None:
    summaries = summarise(runs_of(relay=100.0))
    assert answer(LATENCY, summaries, ()).startswith("relay: 100.1 ms (98.8")
    assert answer(BY_KEY["hop_added_ms"], summaries, ()) == "not measured"
    assert headline(summaries, ()).sentences == ()


def test_figures_without_intervals_say_that_they_take_repeats() -> None:
    summaries = summarise([steady_run(latency_ms=ms, scenario=name, repeat=1) for name, ms in (("a", 1.0), ("b", 2.0))])
    assert answer(BY_KEY["first_frame_ms"], summaries, compare(summaries)) == "takes two repeats to be compared"
    assert "a and b ran once: 95 % intervals over ten blocks of time" in method_note(summaries)


@pytest.mark.parametrize(
    ("latencies", "verdict"),
    [
        ({"relay": 100.0, "far": 130.0, "near": 120.0}, "Yes"),
        ({"relay": 130.0, "far": 100.0}, "No"),
        ({"relay": 110.0, "far": 100.0, "near": 130.0}, "It depends"),
        ({"relay": 100.0, "far": 130.0, "near": 100.01}, "In part"),
        ({"relay": 100.0, "far": 100.01}, "These runs cannot tell"),
    ],
)
def test_the_verdict(latencies: dict[str, float], verdict: str) -> None:
    summaries = summarise(runs_of(**latencies))
    assert headline(summaries, compare(summaries)).verdict == verdict


def test_what_is_proven_but_small_decides_nothing() -> None:
    summaries = summarise(runs_of(relay=100.0, far=100.7))
    said = headline(summaries, compare(summaries))
    assert said.verdict == "These runs cannot tell"
    assert "better by less than 1 % in latency by 0.71 ms" in said.sentences[0]


def test_nobody_chooses_a_fault() -> None:
    summaries = summarise(runs_of(relay=100.0, far=130.0, node_kill=90.0))
    assert headline(summaries, compare(summaries)).question == "Is a call better by relay than by far?"
    only = summarise(runs_of(relay=100.0, partition=130.0))
    assert headline(only, compare(only)).verdict == "Yes"


def test_without_a_relay_the_first_scenario_is_asked_about() -> None:
    summaries = summarise(runs_of(one=100.0, other=130.0))
    assert headline(summaries, compare(summaries)).question == "Is a call better by one than by other?"


def test_scenarios_without_media_are_not_measured() -> None:
    summaries = summarise([make_run(scenario=name, repeat=repeat) for name in "ab" for repeat in (1, 2)])
    assert {answer(metric, summaries, compare(summaries)) for metric in METRICS} == {"not measured"}
    assert headline(summaries, compare(summaries)).verdict == "These runs cannot tell"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([142.3, 141.1, 143.5], "142.3 (139.3\u2013145.3)"),
        ([0.014, 0.015, 0.019], "0.02 (0.01\u20130.02)"),
        ([5.0, 5.0], "5.0 (5.0\u20135.0)"),
        ([1000.0, 3000.0], "2000 (0\u201314706)"),
        ([4.25], "4.2"),
        ([], "\u2014"),
    ],
)
def test_figures_are_as_precise_as_their_intervals(values: list[float], text: str) -> None:
    assert figure(LATENCY, interval(values, "repeats", LATENCY)) == text


def test_a_range_below_zero_is_written_with_a_word() -> None:
    value = Interval(mean=0.1, low=-0.2, high=0.4, n=5, method="repeats")
    assert figure(BY_KEY["hop_added_ms"], value, unit=True) == "0.10 ms (-0.20 to 0.40)"


def test_lists_read_as_prose() -> None:
    assert [joined(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
