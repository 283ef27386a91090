"""What the planner shows of itself."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PlannerStatistics"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannerStatistics:
    """Counters since start, and gauges of now.

    Attributes:
        rooms: Rooms with people here that are planned at all, by what holds: `gathered` or `relayed`.
        changes: Plans of such rooms that became others, by reason; see :class:`relay.planner.PlanReason`.
        moves: Times that somebody here was told to go where their room gathers.
    """

    rooms: dict[str, int]
    changes: dict[str, int]
    moves: int
