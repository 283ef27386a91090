"""The report for programs."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.experiment.records import Run, Second
from lab.report.document import encode_document
from lab.report.measures import METRICS
from lab.report.page import render_page
from lab.report.statistics import compare, summarise
from lab.report.table import render_table
from tests.unit.lab.report.samples import make_flow, make_run, make_topology, visage_runs

ODD = st.one_of(st.none(), st.floats(0, 1e4), st.just(math.nan))
SECONDS = st.builds(
    Second,
    at_s=st.floats(0, 100),
    length_s=st.floats(0, 2),
    packets=st.integers(0, 1000),
    lost=st.integers(0, 1000),
    mbit_s=st.floats(0, 50),
    delay_ms=ODD,
    jitter_ms=ODD,
    longest_gap_ms=st.floats(0, 1e4),
)
RUNS = st.lists(
    st.builds(
        lambda seconds, scenario, repeat, kind: make_run(
            *([make_flow(*seconds, kind=kind)] if kind else []), scenario=scenario, repeat=repeat
        ),
        st.lists(SECONDS, max_size=5),
        st.sampled_from(["relay", "far", "near"]),
        st.integers(1, 3),
        st.sampled_from(["video", "audio", ""]),
    ),
    min_size=1,
    max_size=6,
)


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def document(runs: list[Run]) -> Any:
    summaries = summarise(runs)
    return json.loads(encode_document(summaries, compare(summaries), make_topology()), parse_constant=refuse)


def test_it_has_the_fixed_shape() -> None:
    found = document(visage_runs(repeats=2, duration_s=10))
    assert [each["scenario"] for each in found["scenarios"]] == ["relay", "single-far", "single-near"]
    for each in found["scenarios"]:
        assert list(each["metrics"]) == [metric.key for metric in METRICS]
        for value in each["metrics"].values():
            assert value["low"] <= value["mean"] <= value["high"]
            assert (value["n"], value["method"]) == (2, "repeats")
        assert {(flow["sender"], flow["kind"]) for flow in each["flows"]} == {
            (person, kind) for person in ("eu-peer", "vn-peer") for kind in ("audio", "video")
        }
        assert [run["repeat"] for run in each["runs"]] == [1, 2]
    assert len(found["comparisons"]) == 3 * len(METRICS)
    assert {"a", "b", "metric", "difference", "better"} == set(found["comparisons"][0])
    assert found["settings"]["confidence"] == pytest.approx(0.95)
    assert found["topology"]["name"] == "visage"
    assert found["headline"]["verdict"] == "Yes"


def test_what_is_not_finite_is_null() -> None:
    run = msgspec.structs.replace(make_run(), hop_added_ms={"a>b": math.inf}, figures={"n": {"x": math.nan}})
    found = document([run])["scenarios"][0]
    assert found["runs"][0]["figures"] == {"n": {"x": None}}
    assert found["metrics"]["hop_added_ms"]["mean"] is None


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(RUNS)
def test_whatever_was_measured_has_all_three_forms(runs: list[Run]) -> None:
    found = document(runs)
    for each in found["scenarios"]:
        for value in each["metrics"].values():
            assert value["low"] is None or value["low"] <= value["mean"] <= value["high"]
    summaries = summarise(runs)
    assert "nan" not in render_table(summaries, compare(summaries), "")
    assert render_page(summaries, compare(summaries), make_topology()).endswith("</html>\n")
