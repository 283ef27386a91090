"""A benchmark's outcome, as it is judged and written down."""

import json
from pathlib import Path

import pytest

from tests.bench.report import Machine, Report, Spread, at_most, publish, watch_machine

MACHINE = Machine(system="Linux", processor="one", cores=2, idle_percent=50.0)


def test_the_median_is_what_counts() -> None:
    assert at_most("x / y", 2.0, [9.0, 1.9, 0.1]).met
    assert not at_most("x / y", 2.0, [2.1, 2.2, 0.1]).met


def test_a_goal_that_is_just_reached_is_met() -> None:
    assert at_most("x / y", 2.0, [2.0]).met


def test_no_rounds_are_no_measurement() -> None:
    with pytest.raises(ValueError, match="without rounds"):
        Spread.of([])


def test_the_file_has_the_documented_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    goal = at_most("CPU / bare loop", 1.5, [1.0, 1.2, 1.1])
    path = publish(Report(name="forward", goals=(goal,), raw={"rounds": [1, 2]}, machine=MACHINE), tmp_path)
    assert path == tmp_path / "forward.json"
    assert json.loads(path.read_text()) == {
        "name": "forward",
        "goals": [
            {
                "what": "CPU / bare loop",
                "goal": 1.5,
                "measured": {"median": 1.1, "minimum": 1.0, "maximum": 1.2},
                "met": True,
            }
        ],
        "raw": {"rounds": [1, 2]},
        "machine": {"system": "Linux", "processor": "one", "cores": 2, "idle_percent": 50.0},
    }
    assert "CPU / bare loop" in capsys.readouterr().out


def test_the_machine_describes_itself() -> None:
    machine = watch_machine()()
    assert machine.cores >= 1
    assert machine.processor
    assert 0 <= machine.idle_percent <= 100
