"""What the words behind ``starling lab run`` mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import LabError
from lab.experiment.choice import choose

ALL = ("relay", "single-hcm", "single-singapore")


def chosen(*names: str, preset: str | None = None, file: Path | None = None) -> tuple[str, tuple[str, ...]]:
    topology, scenarios = choose(names, preset, file)
    return topology.name, scenarios


def test_scenarios_are_those_of_the_default_network_unless_another_is_named() -> None:
    assert chosen("relay", "single-far", "relay") == ("europe-vietnam", ("relay", "single-far"))
    assert chosen("single-hcm", preset="visage") == ("visage", ("single-hcm",))
    assert chosen() == ("europe-vietnam", ("relay", "single-far", "single-near"))


def test_a_preset_is_short_for_all_its_scenarios() -> None:
    assert chosen("visage") == ("visage", ALL)
    assert chosen("visage-europe") == ("visage-europe", (*ALL, "single-amsterdam"))
    assert chosen("visage", "single-hcm") == ("visage", ("single-hcm",))


@pytest.mark.parametrize(
    ("names", "preset", "file", "code", "words"),
    [
        (("nope",), None, None, "scenario_unknown", "there are relay, single-far"),
        (("visage",), "visage", None, "scenario_unknown", "no scenario 'visage'"),
        (("relay",), "nope", None, "topology_invalid", "there are europe-vietnam"),
        (("relay",), None, Path("/nowhere.toml"), "topology_invalid", "cannot be read"),
        (("relay",), "visage", Path("/nowhere.toml"), "usage_wrong", "one of them"),
        (("six-regions",), None, None, "scenario_unknown", "has no scenarios"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(
    names: tuple[str, ...], preset: str | None, file: Path | None, code: str, words: str
) -> None:
    with pytest.raises(LabError, match=words) as refused:
        choose(names, preset, file)
    assert refused.value.code == code
