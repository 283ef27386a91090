"""Every invariant is worth its name: it finds at least one rule that is broken just there."""

from __future__ import annotations

import pytest

from tests.unit.session.invariants import BrokenError, Invariant, only
from tests.unit.session.mutants import MUTANTS
from tests.unit.session.schedules import walk


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_breaks_its_invariant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    monkeypatch.setattr(mutant.owner, mutant.name, mutant.broken)
    with only(mutant.breaks), pytest.raises(BrokenError):
        walk(
            mutant.kind, same_node=mutant.same_node, acts=mutant.acts, faults=len(mutant.acts), timeouts=mutant.timeouts
        )


def test_every_invariant_kills_a_mutant() -> None:
    assert {mutant.breaks for mutant in MUTANTS.values()} == set(Invariant)
