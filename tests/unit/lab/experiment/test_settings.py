"""A folder takes runs of one kind only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from lab import Conditions, LabError, load_preset
from lab.experiment.plan import Turn, read_run, write_run
from lab.experiment.settings import VideoRate, folder_name, prepare_folder, settings_of
from tests.unit.lab.experiment.runs import record

if TYPE_CHECKING:
    from pathlib import Path

    from lab import Topology
    from lab.experiment.settings import Settings


def of(topology: Topology | None = None, duration_s: int = 60) -> Settings:
    return settings_of(topology or load_preset("visage"), duration_s, "synthetic", VideoRate())


def worse() -> Topology:
    """The same network, but for one path."""
    topology = load_preset("visage")
    conditions = {**topology.conditions, ("eu-peer", "sin-node"): Conditions(rtt_ms=400.0)}
    return msgspec.structs.replace(topology, conditions=conditions)


def rearranged() -> Topology:
    """The same network, but for one scenario."""
    topology = load_preset("visage")
    scenarios = {**topology.scenarios, "relay": topology.scenarios["single-hcm"]}
    return msgspec.structs.replace(topology, scenarios=scenarios)


def test_an_experiment_goes_on_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "down"
    prepare_folder(folder, of(), fresh=False)
    write_run(folder, record(Turn("relay", 1)))
    prepare_folder(folder, of(), fresh=False)
    assert read_run(folder, Turn("relay", 1)) is not None


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (of(duration_s=61), r"duration \(60, not 61\)"),
        (of(worse()), "the network"),
        (of(rearranged()), "the scenario relay"),
        (msgspec.structs.replace(of(), video=VideoRate(bits_per_s=1)), "video"),
        (msgspec.structs.replace(of(), participants="browser"), "participants"),
        (msgspec.structs.replace(of(), program="another"), "the program, which was built or changed since"),
    ],
)
def test_runs_of_another_kind_are_refused_and_nothing_is_touched(tmp_path: Path, other: Settings, named: str) -> None:
    prepare_folder(tmp_path, of(), fresh=False)
    write_run(tmp_path, record(Turn("relay", 1)))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(LabError, match=f"{named}.*--out.*--fresh") as refused:
        prepare_folder(tmp_path, other, fresh=False)
    assert refused.value.code == "settings_differ"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_fresh_removes_the_runs_and_nothing_else(tmp_path: Path) -> None:
    prepare_folder(tmp_path, of(), fresh=False)
    write_run(tmp_path, record(Turn("relay", 1)))
    (tmp_path / "report.json").touch()
    prepare_folder(tmp_path, of(duration_s=61), fresh=True)
    assert {path.name for path in tmp_path.iterdir()} == {"settings.json", "report.json"}
    prepare_folder(tmp_path, of(duration_s=61), fresh=False)


def test_settings_that_cannot_be_read_are_no_excuse(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(LabError, match="cannot be read"):
        prepare_folder(tmp_path, of(), fresh=False)


def test_a_new_scenario_beside_the_others_is_welcome(tmp_path: Path) -> None:
    topology = load_preset("visage")
    less = {name: one for name, one in topology.scenarios.items() if name != "relay"}
    prepare_folder(tmp_path, of(msgspec.structs.replace(topology, scenarios=less)), fresh=False)
    prepare_folder(tmp_path, of(), fresh=False)
    with pytest.raises(LabError, match="the scenario relay"):
        prepare_folder(tmp_path, of(rearranged()), fresh=False)


def test_folders_have_names_that_keep_kinds_apart() -> None:
    assert folder_name(of(duration_s=3600)) == "visage-1h"
    assert folder_name(msgspec.structs.replace(of(), participants="browser")) == "visage-1m-browser"
