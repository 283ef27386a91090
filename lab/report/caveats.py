"""What speaks against the figures of a run: they stand in no report without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lab.experiment.records import Run
    from lab.report.statistics import Summary

__all__ = ["MACHINE", "caveats", "trouble", "trouble_of"]

MACHINE: Final = "machine"
"""Under which a run's figures have it."""

LEAST_IDLE: Final = 0.05
"""With less to spare, packets wait for processors as much as for the network."""

LATE_MS: Final = 20.0
"""A packet that the network handed over so late was not delayed by what is emulated."""


def trouble(figures: Mapping[str, float]) -> str | None:
    """Why a run's figures are not to be trusted, in words; None if nothing speaks against them."""
    if figures.get("crowded_out", 0.0) > 0:
        return "the network dropped packets for want of memory"
    if figures.get("idle", 1.0) < LEAST_IDLE:
        return f"the machine was idle for only {figures['idle']:.0%} of the time"
    if figures.get("late_ms", 0.0) > LATE_MS:
        return f"the network handed a packet over {figures['late_ms']:.0f} ms too late"
    return None


def trouble_of(run: Run) -> str | None:
    """The same of a run."""
    return trouble(run.figures.get(MACHINE, {}))


def caveats(summaries: Sequence[Summary]) -> tuple[str, ...]:
    """A sentence for each scenario that has runs which are not to be trusted."""
    said = []
    for each in summaries:
        found = [why for run in each.runs if (why := trouble_of(run)) is not None]
        if found:
            said.append(f"{each.scenario}: {len(found)} of {len(each.runs)} not to be trusted, {found[0]}")
    return tuple(said)
