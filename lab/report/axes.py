"""What every chart stands on: a range with round ticks, and the shapes by which scenarios differ without colour."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

from lab.report.markup import tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.report.markup import Node

__all__ = ["KINDS", "Scale", "clock_unit", "label", "marker", "series_class", "stretch"]

KINDS: Final = 6
"""Of lines: each has a colour, a dash and a marker of its own; a seventh scenario looks like the first."""

STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
"""Distances of ticks that people can count in."""


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """Values from ``low`` to ``high`` on a line from ``start`` to ``end``, in units of the drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where the value is; at an end when it is beyond it."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """Round values within, ``most`` or fewer, ascending."""
        step = _step(self.low, self.high, most)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [place * step for place in range(first, last + 1)]


def stretch(values: Iterable[float], *, ticks: int = 5, zero: float = 0.5) -> tuple[float, float]:
    """The ends of an axis for these values: round, never equal, and zero when the least is near enough to it.

    Args:
        values: All to be shown.
        ticks: About how many the axis will have.
        zero: Down to this share of the largest, the least value does without zero in sight.
    """
    some = [value for value in values if math.isfinite(value)]
    low, high = min(some, default=0.0), max(some, default=1.0)
    if 0 <= low < zero * high:
        low = 0.0
    if high - low < 1e-9 * max(abs(high), 1.0):
        reach = max(abs(high) * 0.05, 0.5)
        low, high = (0.0 if low == 0 else low - reach), high + reach
    step = _step(low, high, ticks)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def clock_unit(end_s: float) -> tuple[str, float]:
    """The unit in which a duration reads best, and how many seconds it has."""
    if end_s > 3 * 3600:
        return "hours", 3600.0
    return ("minutes", 60.0) if end_s > 300 else ("seconds", 1.0)


def label(value: float, ticks: list[float]) -> str:
    """A tick's text, with as many decimals as its neighbours need."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(value) or 1.0
    decimals = next((count for count in range(6) if abs(round(step, count) - step) < 1e-9 * step), 6)
    return f"{value:.{decimals}f}".replace("-", "\u2212") if abs(value) > 1e-12 else "0"


def series_class(index: int) -> str:
    """The CSS class that gives the scenario of this place its colour and dash."""
    return f"s{index % KINDS}"


def marker(index: int, x: float, y: float, size: float = 4.5) -> Node:
    """The shape of the scenario of this place, ``size`` from its middle to its edge."""
    shape = index % KINDS
    kind = {"class": f"marker {series_class(index)}"}
    if shape == 0:
        return tag("circle", {**kind, "cx": x, "cy": y, "r": size})
    if shape == 1:
        side = size * 0.88
        return tag("rect", {**kind, "x": x - side, "y": y - side, "width": 2 * side, "height": 2 * side})
    corners = {
        2: ((0, -1.2), (1.15, 0.8), (-1.15, 0.8)),
        3: ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
        4: ((0, 1.2), (1.15, -0.8), (-1.15, -0.8)),
        5: ((-1.2, -0.5), (0, -1.2), (1.2, -0.5), (0.75, 1), (-0.75, 1)),
    }[shape]
    return tag(
        "polygon", {**kind, "points": " ".join(f"{x + dx * size:.1f},{y + dy * size:.1f}" for dx, dy in corners)}
    )


def _step(low: float, high: float, most: int) -> float:
    rough = max((high - low) / max(most - 1, 1), 1e-12)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step for step in (power * one for one in STEPS) if step >= rough * (1 - 1e-9))
