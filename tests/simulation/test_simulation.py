"""Some seeds on every run, the same story from the same seed, and broken rules that are found."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.simulation.run import simulate
from tests.unit.session.mutants import MUTANTS

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = 48
GROUPS = 6
"""Tests to spread them over, so that a slow machine's watchdog sees progress."""


@pytest.mark.parametrize("group", range(GROUPS))
def test_whole_nodes_come_to_rest(group: int) -> None:
    verdicts = [simulate(seed) for seed in range(group, SEEDS, GROUPS)]
    wrongs = {f"make simulate SEED={each.seed}": each.wrongs for each in verdicts if each.wrongs}
    assert not wrongs
    assert all(any("is in" in line for line in each.story) for each in verdicts)


def test_a_seed_tells_the_same_story_again() -> None:
    first, second, other = simulate(7), simulate(7), simulate(8)
    assert first.story == second.story
    assert first.fingerprint != other.fingerprint


def test_a_seed_tells_the_same_story_in_another_process(root: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.simulation.run", "--seed", "7"],
        cwd=root,
        env=os.environ | {"PYTHONHASHSEED": "99"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert f"fingerprint {simulate(7).fingerprint}" in told.stdout.splitlines()


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("a claim takes whatever seat", 0),
        ("a claim admits an equal attempt", 3),
        ("a claim refuses newer attempts", 3),
        ("an assert is as strong as a claim", 18),
        ("a slot for each device", 2),
        ("a take raises the epoch each time", 0),
        ("a node keeps a lost seat", 0),
    ],
)
def test_a_broken_rule_is_seen(name: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    monkeypatch.setattr(mutant.owner, mutant.name, mutant.broken)
    assert simulate(seed).wrongs
