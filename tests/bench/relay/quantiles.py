"""Quantiles of what was measured, as it comes: numbers, or counts by steps of a histogram."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["between", "quantile"]


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that so great a share of all does not exceed (nearest rank).

    Raises:
        ValueError: There are none.
    """
    if not values:
        raise ValueError("nothing was measured")
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


def between(before: Iterable[tuple[int, int]], after: Iterable[tuple[int, int]]) -> list[float]:
    """What a histogram counted between two readings, each as the greatest value of its step, ascending."""
    counted = Counter(dict(after))
    counted.subtract(dict(before))
    return [float(edge) for edge in sorted(counted) for _ in range(counted[edge])]
