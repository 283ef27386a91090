"""The table on a terminal."""

import msgspec

from lab.report.caveats import MACHINE
from lab.report.statistics import compare, summarise
from lab.report.table import render_table
from tests.unit.lab.report.samples import make_run, visage_runs


def test_scenarios_stand_side_by_side_with_intervals_units_and_a_mark() -> None:
    summaries = summarise(visage_runs(repeats=3, duration_s=30))
    lines = render_table(summaries, compare(summaries), "visage: a title").splitlines()
    assert lines[0] == "visage: a title"
    assert lines[2].split() == ["relay", "single-far", "single-near"]
    latency = next(line for line in lines if line.startswith("Latency "))
    assert latency.split()[1] == "ms"
    assert latency.count("(") == 3
    assert latency.count("*") == 1
    text = " ".join(" ".join(lines).split())
    assert "Latency: relay is " in text
    assert "over 3 repeats of each scenario" in text


def test_columns_are_aligned() -> None:
    summaries = summarise(visage_runs(repeats=2, duration_s=10))
    lines = render_table(summaries, compare(summaries), "").splitlines()
    rule = next(line for line in lines if line.startswith("\u2500"))
    rows = lines[lines.index(rule) + 1 : lines.index(rule) + 11]
    ends = [place for place, sign in enumerate(f"{rule} ") if sign == " " and rule[place - 1] != " "]
    for row in rows:
        for end in ends[1:-1]:
            assert row[end : end + 2] == "  "


def test_a_run_that_is_not_to_be_trusted_is_said_to_be_one_beside_the_verdict() -> None:
    runs = visage_runs(repeats=2, duration_s=10)
    busy = [
        msgspec.structs.replace(run, figures={**run.figures, MACHINE: {"idle": 0.01}})
        if (run.scenario, run.repeat) == ("single-far", 2)
        else run
        for run in runs
    ]
    assert "not to be trusted" not in render_table(summarise(runs), compare(summarise(runs)), "")
    lines = render_table(summarise(busy), compare(summarise(busy)), "")
    assert "But single-far: 1 of 2 not to be trusted, the machine was idle for only 1% of the time." in lines


def test_one_scenario_is_compared_with_nothing() -> None:
    text = render_table(summarise([make_run()]), (), "alone")
    assert "How good is a call by relay?" in text
    assert "faster" not in text
