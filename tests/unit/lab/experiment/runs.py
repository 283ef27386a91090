"""A record of a run, small and whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.experiment.records import FORMAT, Run

if TYPE_CHECKING:
    from lab.experiment.plan import Turn


def record(turn: Turn) -> Run:
    """A run that measured nothing."""
    return Run(
        format=FORMAT,
        scenario=turn.scenario,
        repeat=turn.repeat,
        topology="two",
        started="2026-01-01T00:00:00+00:00",
        duration_s=5,
        participants="synthetic",
        places={},
        flows=(),
        paths={},
    )
