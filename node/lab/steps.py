"""Does what a scenario says is to be done during a run, when it is due, and says what was done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import trio

from lab.experiment.records import Happening

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab import Wan
    from lab.scenarios import Step
    from node.lab.nodes import WanNodes

__all__ = ["carry_out"]


async def carry_out(
    steps: Sequence[Step],
    wan: Wan,
    nodes: WanNodes,
    happened: list[Happening],
    *,
    began_s: float,
    duration_s: float,
) -> None:
    """Do all steps, each when it is due.

    Args:
        steps: In order of time.
        wan: The network.
        nodes: The nodes in it.
        happened: Gets what was done.
        began_s: When measuring began, by the machine's monotonic clock.
        duration_s: How long it measures.

    Raises:
        LabError: A step failed.
    """
    for step in steps:
        await trio.sleep(max(0.0, began_s + step.at * duration_s - time.monotonic()))
        happened.append(Happening(at_s=round(time.monotonic() - began_s, 3), what=step.described()))
        await _do(step, wan, nodes)


async def _do(step: Step, wan: Wan, nodes: WanNodes) -> None:
    if step.kill is not None:
        await nodes.kill(step.kill)
    elif step.start is not None:
        await nodes.start(step.start)
    elif step.cut is not None:
        await wan.cut(*step.cut)
    elif step.partition is not None:
        await wan.partition(step.partition)
    elif step.set is not None:
        await wan.set(*step.set, step.change)
    else:
        await wan.heal()
