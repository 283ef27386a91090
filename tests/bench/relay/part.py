"""What the parts of the benchmark have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.report import Goal
    from tests.bench.rounds import Rounds

__all__ = ["Outcome", "Part", "Say"]

Say = Callable[[str], None]
"""Says how far a part is."""


@dataclass(kw_only=True, slots=True)
class Outcome:
    """What a part found: its judged goals, and everything that it measured."""

    goals: list[Goal] = field(default_factory=list)
    raw: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part.

    Attributes:
        name: As `STARLING_BENCH_ONLY` says it.
        about: A line for people.
        seconds: About how long it takes with so many rounds.
        needs_lab: It makes namespaces, so it needs root.
        measure: Does it.
    """

    name: str
    about: str
    seconds: Callable[[Rounds], float]
    needs_lab: bool
    measure: Callable[[Rounds, Say], Awaitable[Outcome]]
