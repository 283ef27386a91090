"""The order of runs, and how each is kept."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import LabError
from lab.experiment.plan import Turn, plan, read_run, run_path, write_run
from tests.unit.lab.experiment.runs import record

if TYPE_CHECKING:
    from pathlib import Path


def test_scenarios_take_turns_and_each_repeat_begins_with_another() -> None:
    turns = [f"{name}{repeat}" for name, repeat in plan("abc", 4)]
    assert turns == ["a1", "b1", "c1", "b2", "c2", "a2", "c3", "a3", "b3", "a4", "b4", "c4"]


@given(st.integers(1, 6), st.integers(1, 9))
def test_every_scenario_runs_as_often_as_wanted_and_no_repeat_begins_before_the_last_has_ended(
    scenarios: int, repeats: int
) -> None:
    turns = plan([f"s{number}" for number in range(scenarios)], repeats)
    assert set(Counter(turns).values()) == {1}
    assert len(turns) == scenarios * repeats
    assert [repeat for _name, repeat in turns] == sorted(repeat for _name, repeat in turns)


def test_a_run_is_kept_whole_and_read_again(tmp_path: Path) -> None:
    turn = Turn("single-far", 2)
    assert read_run(tmp_path, turn) is None
    write_run(tmp_path, record(turn))
    assert read_run(tmp_path, turn) == record(turn)
    assert [path.name for path in tmp_path.iterdir()] == ["single-far-2.json"]


def test_a_run_that_was_cut_short_while_it_was_written_is_not_there(tmp_path: Path) -> None:
    run_path(tmp_path, Turn("relay", 1)).with_suffix(".part").write_bytes(b'{"format"')
    assert read_run(tmp_path, Turn("relay", 1)) is None


def test_what_cannot_be_a_run_is_refused_by_the_name_of_its_file(tmp_path: Path) -> None:
    turn = Turn("relay", 1)
    run_path(tmp_path, turn).write_bytes(b"{}")
    with pytest.raises(LabError, match=r"relay-1\.json.*--fresh"):
        read_run(tmp_path, turn)
    write_run(tmp_path, record(turn))
    run_path(tmp_path, turn).rename(run_path(tmp_path, Turn("relay", 2)))
    with pytest.raises(LabError, match="of another kind"):
        read_run(tmp_path, Turn("relay", 2))
