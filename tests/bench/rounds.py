"""How long and how often a benchmark measures; the environment shortens it while something is being built."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Rounds:
    """What every benchmark obeys.

    Attributes:
        count: Interleaved rounds, ``STARLING_BENCH_ROUNDS``.
        warm_up_s: Seconds of media before a measurement, ``STARLING_BENCH_WARM_UP_S``. A bandwidth estimate needs 10.
        measure_s: Seconds of a measurement, ``STARLING_BENCH_MEASURE_S``.
        only: Cases to run, comma separated, ``STARLING_BENCH_ONLY``; empty for all.
    """

    count: int
    warm_up_s: float
    measure_s: float
    only: frozenset[str]

    @classmethod
    def from_environment(cls, *, count: int = 3, warm_up_s: float = 10, measure_s: float = 5) -> Self:
        """Read the environment; what it does not say is as a published figure needs it, or as given here."""
        return cls(
            count=int(os.environ.get("STARLING_BENCH_ROUNDS", count)),
            warm_up_s=float(os.environ.get("STARLING_BENCH_WARM_UP_S", warm_up_s)),
            measure_s=float(os.environ.get("STARLING_BENCH_MEASURE_S", measure_s)),
            only=frozenset(filter(None, os.environ.get("STARLING_BENCH_ONLY", "").split(","))),
        )

    def wants(self, case: str) -> bool:
        """Whether a case is to be run."""
        return not self.only or case in self.only
