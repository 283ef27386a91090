"""An experiment runs what is missing, in order, and goes on where it was interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import LabError, load_preset
from lab.experiment.plan import Turn, read_run
from lab.experiment.settings import VideoRate, settings_of
from node.lab import experiment
from node.lab.experiment import Pace, run_experiment
from node.lab.screen import left_in_words
from tests.unit.lab.experiment.runs import record

if TYPE_CHECKING:
    from pathlib import Path

    from lab import Topology
    from lab.experiment.records import Run
    from lab.experiment.settings import Settings
    from node.lab.run import Told

TOPOLOGY = load_preset("visage")
SETTINGS = settings_of(TOPOLOGY, 60, "synthetic", VideoRate())
SCENARIOS = ("relay", "single-hcm")


class Machine:
    """Runs that take no time; one may fail."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.fails: Turn | None = None

    async def run_once(self, topology: Topology, turn: Turn, settings: Settings, told: Told) -> Run:
        assert (topology, settings) == (TOPOLOGY, SETTINGS)
        if turn == self.fails:
            raise LabError("node_failed", "it was too much")
        told("measuring", 0.5)
        self.ran.append(f"{turn.scenario}-{turn.repeat}")
        return record(turn)


class Audience:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def begins(self, turns: int, done: int) -> None:
        self.heard.append(f"{done} of {turns}")

    def told(self, turn: Turn, what: str, share: float, left_s: float) -> None:
        assert (what, share) == ("measuring", 0.5)
        assert left_s > 0

    def ended(self, turn: Turn, run: Run) -> None:
        assert (run.scenario, run.repeat) == turn
        self.heard.append(f"{turn.scenario}-{turn.repeat}")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(experiment, "run_once", machine.run_once)
    monkeypatch.setattr(experiment, "check_permission", lambda: None)
    return machine


async def run(folder: Path, repeats: int, audience: Audience | None = None, *, fresh: bool = False) -> tuple[Run, ...]:
    return await run_experiment(TOPOLOGY, SCENARIOS, repeats, SETTINGS, folder, audience or Audience(), fresh=fresh)


async def test_what_was_interrupted_goes_on_and_what_has_ended_does_not_run_again(
    tmp_path: Path, machine: Machine
) -> None:
    machine.fails = Turn("relay", 2)
    with pytest.raises(LabError, match="too much"):
        await run(tmp_path, 2)
    assert machine.ran == ["relay-1", "single-hcm-1", "single-hcm-2"]
    machine.fails = None
    audience = Audience()
    runs = await run(tmp_path, 2, audience)
    assert audience.heard == ["3 of 4", "relay-2"]
    assert [(one.scenario, one.repeat) for one in runs] == [
        ("relay", 1),
        ("single-hcm", 1),
        ("single-hcm", 2),
        ("relay", 2),
    ]
    await run(tmp_path, 2)
    assert len(machine.ran) == 4, "nothing was missing"


async def test_more_repeats_add_to_what_is_there_and_fresh_begins_anew(tmp_path: Path, machine: Machine) -> None:
    await run(tmp_path, 1)
    await run(tmp_path, 2)
    assert machine.ran == ["relay-1", "single-hcm-1", "single-hcm-2", "relay-2"]
    await run(tmp_path, 1, fresh=True)
    assert machine.ran[4:] == ["relay-1", "single-hcm-1"]
    assert read_run(tmp_path, Turn("relay", 2)) is None


async def test_who_may_not_make_networks_is_told_before_anything_is_written(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise LabError("not_permitted", "run it with sudo")

    monkeypatch.setattr(experiment, "check_permission", refuse)
    with pytest.raises(LabError, match="sudo"):
        await run(tmp_path / "new", 1)
    assert not (tmp_path / "new").exists()
    assert machine.ran == []


def test_how_long_it_takes_is_known_better_after_each_run() -> None:
    pace = Pace(duration_s=60)
    assert pace.left_s(2, 0) == 2 * (60 + experiment.AROUND_S)
    pace.taken_s += [80, 90]
    assert pace.left_s(3, 25) == 60 + 2 * 85
    assert pace.left_s(1, 100) == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(20, "less than a minute left"), (200, "about 3 min left"), (7500, "about 2 h 5 min left")],
)
def test_what_is_left_is_said_no_finer_than_it_is_known(seconds: float, words: str) -> None:
    assert left_in_words(seconds) == words
