"""All runs of an experiment, one after the other; what is there already is not run again."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from lab.experiment.ownership import owning
from lab.experiment.plan import plan, read_run, write_run
from lab.experiment.settings import prepare_folder
from lab.namespaces import check_permission
from node.lab.run import run_once

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lab import Topology
    from lab.experiment.plan import Turn
    from lab.experiment.records import Run
    from lab.experiment.settings import Settings

__all__ = ["Audience", "Pace", "run_experiment"]

AROUND_S: Final = 35.0
"""What a run takes beside its measured time, until there was one to know it from."""


class Audience(Protocol):
    """Hears how far the experiment is."""

    def begins(self, turns: int, done: int) -> None:
        """So many runs, of which so many are there from before."""
        ...

    def told(self, turn: Turn, what: str, share: float, left_s: float) -> None:
        """What a run does now, how much of its measured time is over, and how long all of it still takes."""
        ...

    def ended(self, turn: Turn, run: Run) -> None:
        """A run is over and kept."""
        ...


@dataclass(kw_only=True)
class Pace:
    """How long the rest takes, by what runs have taken so far.

    Attributes:
        duration_s: What each measures.
        taken_s: What those of this time have taken.
    """

    duration_s: float
    taken_s: list[float] = field(default_factory=list)

    def left_s(self, turns_left: int, elapsed_s: float) -> float:
        """Seconds left, when so many runs have not ended and the present one is so old."""
        each = sum(self.taken_s) / len(self.taken_s) if self.taken_s else self.duration_s + AROUND_S
        return max(each - elapsed_s, 0.0) + each * (turns_left - 1)


async def run_experiment(
    topology: Topology,
    scenarios: Sequence[str],
    repeats: int,
    settings: Settings,
    folder: Path,
    audience: Audience,
    *,
    fresh: bool = False,
) -> tuple[Run, ...]:
    """Run what is missing.

    Args:
        topology: The network, which has the scenarios.
        scenarios: Which of them.
        repeats: How often each.
        settings: What all runs have in common.
        folder: Where runs are kept; one that was interrupted goes on.
        audience: Hears how far it is.
        fresh: Begin anew: what is in the folder goes first.

    Returns:
        All runs that were asked for, those from before too, in order of the plan.

    Raises:
        LabError: ``not_permitted``, ``folder_in_use``, ``settings_differ``, ``run_unreadable``, or a run failed: those
            before it are kept.
        OSError: The folder cannot be written.
    """
    check_permission()
    with owning(folder):
        prepare_folder(folder, settings, fresh=fresh)
        turns = plan(scenarios, repeats)
        found = {turn: read_run(folder, turn) for turn in turns}
        runs = {turn: run for turn, run in found.items() if run is not None}
        missing = [turn for turn in turns if turn not in runs]
        audience.begins(len(turns), len(turns) - len(missing))
        pace = Pace(duration_s=settings.duration_s)
        for number, turn in enumerate(missing):
            began = time.monotonic()

            told = partial(_tell, audience, turn, pace, len(missing) - number, began)
            run = await run_once(topology, turn, settings, told)
            write_run(folder, run)
            runs[turn] = run
            pace.taken_s.append(time.monotonic() - began)
            audience.ended(turn, run)
        return tuple(runs[turn] for turn in turns)


def _tell(audience: Audience, turn: Turn, pace: Pace, turns_left: int, began: float, what: str, share: float) -> None:
    audience.told(turn, what, share, pace.left_s(turns_left, time.monotonic() - began))
