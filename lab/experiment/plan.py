"""Which runs an experiment has, in which order, and where each is kept.

Scenarios of one repeat run one after the other, so that what the machine does meanwhile troubles all of them alike;
each repeat begins with another one, so that none is always the first after something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from lab.errors import LabError
from lab.experiment.records import FORMAT, Run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Turn", "plan", "read_run", "run_path", "write_run"]


class Turn(NamedTuple):
    """A run that is to be."""

    scenario: str
    repeat: int


def plan(scenarios: Sequence[str], repeats: int) -> tuple[Turn, ...]:
    """All turns, in the order in which they are to run."""
    turns: list[Turn] = []
    for repeat in range(1, repeats + 1):
        first = (repeat - 1) % len(scenarios)
        turns += (Turn(name, repeat) for name in (*scenarios[first:], *scenarios[:first]))
    return tuple(turns)


def run_path(folder: Path, turn: Turn) -> Path:
    """Where a run is kept."""
    return folder / f"{turn.scenario}-{turn.repeat}.json"


def read_run(folder: Path, turn: Turn) -> Run | None:
    """The record of a run; None when it has not ended yet.

    Raises:
        LabError: ``run_unreadable``; the message names the file.
    """
    path = run_path(folder, turn)
    try:
        run = msgspec.json.decode(path.read_bytes(), type=Run)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        message = f"{path} is no run that can be read ({error}): remove it, or run with --fresh."
        raise LabError("run_unreadable", message) from error
    if run.format != FORMAT or Turn(run.scenario, run.repeat) != turn:
        raise LabError("run_unreadable", f"{path} is of another kind: remove it, or run with --fresh.")
    return run


def write_run(folder: Path, run: Run) -> None:
    """Keep a run; it is there whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    path = run_path(folder, Turn(run.scenario, run.repeat))
    beside = path.with_suffix(".part")
    beside.write_bytes(msgspec.json.encode(run))
    beside.replace(path)
