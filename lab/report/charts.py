"""Charts as SVG: lines over an axis, and means with their intervals. Pure: lines in, an element out.

Each is drawn for a width: text does not shrink with a picture, so a phone gets a drawing of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from lab.report.axes import Scale, label, marker, series_class, stretch
from lab.report.markup import path_data, tag
from lab.report.series import Line, thinned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lab.report.markup import Node

__all__ = ["Axis", "Row", "draw_intervals", "draw_lines", "shortened"]

LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 26.0, 40.0
"""Margins of a chart: for the labels of ticks, and the units above and below them."""

MARKERS: Final = 5
"""On each line: enough to know it by, not so many as to hide it."""

LEAST_SPAN: Final = 0.05
"""Share of the largest value that an axis of intervals spans at least."""

ROW: Final = 46.0
"""Height of a scenario in a chart of intervals: a line of text, and its strip."""


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at an axis: its words, its ends when they are given, and what its ticks are divided by."""

    title: str
    ends: tuple[float, float] | None = None
    unit: float = 1.0


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario in a chart of intervals, in shown units.

    Attributes:
        name: the scenario's.
        figure: its mean and interval as text.
        mean: None when nothing was measured.
        ends: of the interval, if it has one.
        values: of every repeat.
        leads: best, or not to be told from the best.
    """

    name: str
    figure: str
    mean: float | None
    ends: tuple[float, float] | None
    values: tuple[float, ...]
    leads: bool


def draw_lines(
    lines: Sequence[Line],
    x_axis: Axis,
    y_axis: Axis,
    *,
    size: tuple[float, float],
    title: str,
    marks: Sequence[tuple[float, int, str]] = (),
) -> Node:
    """One line per scenario, with the range of its repeats behind it.

    Args:
        lines: In the scenarios' order; x in seconds or whatever ``x_axis`` divides, y as shown.
        x_axis: Below.
        y_axis: At the left.
        size: Width and height of the drawing.
        title: What it shows, for those who cannot see it.
        marks: (x, number, words) of what happened, as lines across.
    """
    width, height = size
    y_ticks = 5 if height > 200 else 4
    values = [y for line in lines for _, y in line.points if y is not None]
    values += [end for line in lines for _, *ends in line.band for end in ends]
    y_ends = y_axis.ends or stretch(values, ticks=y_ticks)
    x_ends = x_axis.ends or _ends([x for line in lines for x, _ in line.points])
    x = Scale(low=x_ends[0] / x_axis.unit, high=x_ends[1] / x_axis.unit, start=LEFT, end=width - RIGHT)
    y = Scale(low=y_ends[0], high=y_ends[1], start=height - BOTTOM, end=TOP)
    x_of = Scale(low=x_ends[0], high=x_ends[1], start=LEFT, end=width - RIGHT)
    chart = tag("svg", _frame(width, height), tag("title", {}, title))
    chart.extend(_y_axis(y, y_ticks, y_axis.title, width))
    chart.extend(_x_axis(x, max(4, int(width / 75)), x_axis.title, height))
    for at, number, words in marks:
        chart.append(_mark(x_of(at), number, words, height))
    for index, line in reversed(list(enumerate(lines))):
        chart.append(_band(index, line, x_of, y))
    for index, line in reversed(list(enumerate(lines))):
        chart.append(_line(index, line, x_of, y, len(lines)))
    return chart


def draw_intervals(rows: Sequence[Row], *, width: float, title: str) -> Node:
    """A strip per scenario: its repeats as ticks, its interval as a bar, its mean as the marker."""
    shown = [value for row in rows for value in (*row.values, *(row.ends or ()))]
    low, high = stretch(_eased(shown), ticks=4, zero=0.35)
    height = ROW * len(rows) + 26
    x = Scale(low=low, high=high, start=8, end=width - 8)
    chart = tag("svg", _frame(width, height), tag("title", {}, title))
    ticks = x.ticks(5)
    for tick in ticks:
        anchor = "start" if x(tick) < 20 else "end" if x(tick) > width - 20 else "middle"
        place = 0.0 if anchor == "start" else width if anchor == "end" else x(tick)
        chart.append(tag("line", {"class": "grid", "x1": x(tick), "x2": x(tick), "y1": 22, "y2": height - 22}))
        chart.append(_tick(place, height - 6, anchor, label(tick, ticks)))
    for index, row in enumerate(rows):
        chart.extend(_strip(index, row, x, width))
    return chart


def shortened(text: str, most: int) -> str:
    """The text, or its beginning with an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _eased(values: list[float]) -> list[float]:
    """The values and, around them, as much as keeps a difference that is nothing from filling the chart."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    least = LEAST_SPAN * max(abs(low), abs(high))
    if high - low >= least:
        return values
    return [*values, (low + high - least) / 2, (low + high + least) / 2]


def _frame(width: float, height: float) -> dict[str, str | float]:
    return {"viewBox": f"0 0 {width:g} {height:g}", "role": "img", "class": "chart"}


def _ends(values: list[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _y_axis(y: Scale, most: int, title: str, width: float) -> Iterator[Node]:
    ticks = y.ticks(most + 1)
    for tick in ticks:
        kind = "base" if tick == ticks[0] else "grid"
        yield tag("line", {"class": kind, "x1": LEFT, "x2": width - RIGHT, "y1": y(tick), "y2": y(tick)})
        yield _tick(LEFT - 8, y(tick) + 4, "end", label(tick, ticks))
    yield _tick(0, 12, "start", title)


def _x_axis(x: Scale, most: int, title: str, height: float) -> Iterator[Node]:
    ticks = x.ticks(most)
    for tick in ticks:
        yield _tick(x(tick), height - BOTTOM + 17, "middle", label(tick, ticks))
    yield _tick(x.end, height - 4, "end", title)


def _tick(x: float, y: float, anchor: str, text: str) -> Node:
    return tag("text", {"class": "tick", "x": x, "y": y, "text-anchor": anchor}, text)


def _mark(x: float, number: int, words: str, height: float) -> Node:
    return tag(
        "g",
        {"class": "happening"},
        tag("title", {}, words),
        tag("line", {"x1": x, "x2": x, "y1": TOP, "y2": height - BOTTOM}),
        tag("circle", {"cx": x, "cy": TOP - 9, "r": 8}),
        tag("text", {"x": x, "y": TOP - 5, "text-anchor": "middle"}, str(number)),
    )


def _band(index: int, line: Line, x: Scale, y: Scale) -> Node:
    there = [(x(at), y(most)) for at, _, most in line.band]
    back = [(x(at), y(least)) for at, least, _ in reversed(line.band)]
    return tag("path", {"class": f"band {series_class(index)}", "d": path_data(there + back)})


def _line(index: int, line: Line, x: Scale, y: Scale, count: int) -> Node:
    pieces: list[list[tuple[float, float]]] = [[]]
    for at, value in line.points:
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((x(at), y(value)))
    drawn = [point for piece in pieces for point in piece]
    group = tag("g", {}, tag("title", {}, line.name))
    group.append(tag("path", {"class": f"line {series_class(index)}", "d": "".join(map(path_data, pieces))}))
    # Each line's markers sit at places of their own, so that none hides another's.
    shift = int(len(drawn) / MARKERS * (index + 0.5) / max(count, 1))
    step = max(len(drawn) // MARKERS, 1)
    for px, py in drawn[shift::step][:MARKERS]:
        group.append(marker(index, px, py, 4.2))
    return group


def _strip(index: int, row: Row, x: Scale, width: float) -> Iterator[Node]:
    top = ROW * index
    yield marker(index, 6, top + 11, 4.2)
    room = max(int((width - 30) / 7.2) - len(row.figure), 6)
    yield tag("text", {"class": "name", "x": 17, "y": top + 15}, shortened(row.name, room))
    figure = f"★ {row.figure}" if row.leads else row.figure
    kind = "figure leads" if row.leads else "figure"
    yield tag("text", {"class": kind, "x": width, "y": top + 15, "text-anchor": "end"}, figure)
    if row.mean is None:
        return
    middle = top + 31
    yield tag("line", {"class": "track", "x1": x.start, "x2": x.end, "y1": middle, "y2": middle})
    for value, _ in thinned([(value, 0.0) for value in row.values], 60):
        yield tag(
            "line",
            {
                "class": f"repeat {series_class(index)}",
                "x1": x(value),
                "x2": x(value),
                "y1": middle - 8,
                "y2": middle + 8,
            },
        )
    if row.ends is not None:
        ends = {"x1": x(row.ends[0]), "x2": x(row.ends[1]), "y1": middle, "y2": middle}
        yield tag("line", {"class": f"interval {series_class(index)}", **ends})
    yield marker(index, x(row.mean), middle, 5)
