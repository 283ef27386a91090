"""Student's t: how far from a mean of few values the true one may lie.

The distribution of whole degrees of freedom has a finite form (Abramowitz and Stegun, "Handbook of Mathematical
Functions", 26.7.3 and 26.7.4), and its quantile is found by halving an angle: twenty lines, where the library that has
it (SciPy, with NumPy under it) weighs more than the rest of Starling together.
"""

from __future__ import annotations

import math
from functools import lru_cache

__all__ = ["t_quantile", "t_within"]

HALVINGS = 60
"""An angle below a right one, halved as often as a float of 53 bits can tell."""


def t_within(angle: float, degrees: int) -> float:
    """Probability that |t| stays below ``sqrt(degrees) * tan(angle)``.

    Args:
        angle: In radians, 0 to a right one.
        degrees: Of freedom, 1 or more.
    """
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(1 if odd else 0, degrees - 1, 2):
        total += term
        term *= cosine * cosine * (power + 1) / (power + 2)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


@lru_cache(maxsize=256)
def t_quantile(confidence: float, degrees: int) -> float:
    """How many standard errors a two-sided interval reaches to each side.

    Args:
        confidence: Above 0, below 1; 0.95 for 95 %.
        degrees: Of freedom, 1 or more: one less than the number of values.

    Raises:
        ValueError: Out of these ranges.
    """
    if not 0 < confidence < 1 or degrees < 1:
        raise ValueError(f"no interval of confidence {confidence} with {degrees} degrees of freedom")
    low, high = 0.0, math.pi / 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if t_within(middle, degrees) < confidence:
            low = middle
        else:
            high = middle
    return math.sqrt(degrees) * math.tan((low + high) / 2)
