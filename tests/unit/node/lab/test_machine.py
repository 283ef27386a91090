"""How busy the machine was, and when that spoils a run."""

from __future__ import annotations

import pytest

from lab.report.caveats import trouble
from node.lab.machine import parse_cpu_times, read_cpu_times

BEFORE = "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n"
AFTER = "cpu  150 0 75 815 60 0 0 0 999 999\ncpu0 1 2 3\n"


def test_what_was_idle_counts_with_what_waited_for_disks_and_guests_count_once() -> None:
    assert parse_cpu_times(AFTER).idle_since(parse_cpu_times(BEFORE)) == 0.25
    assert parse_cpu_times(BEFORE).idle_since(parse_cpu_times(BEFORE)) == 0.0
    assert read_cpu_times().total > 0


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"idle": 0.5, "late_ms": 3.0, "crowded_out": 0.0}, None),
        ({}, None),
        ({"idle": 0.02, "late_ms": 3.0, "crowded_out": 0.0}, "only 2%"),
        ({"idle": 0.5, "late_ms": 50.0, "crowded_out": 0.0}, "50 ms too late"),
        ({"idle": 0.5, "late_ms": 0.0, "crowded_out": 1.0}, "want of memory"),
    ],
)
def test_a_run_on_a_busy_machine_is_said_to_be_one(figures: dict[str, float], words: str | None) -> None:
    said = trouble(figures)
    assert (said is None) if words is None else (said is not None and words in said)
