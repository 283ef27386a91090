"""The parts of the page, each an element made of figures: cards, map, charts."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

from lab.report.axes import clock_unit, marker, series_class, stretch
from lab.report.charts import Axis, Row, draw_intervals, draw_lines
from lab.report.markup import tag, unbroken
from lab.report.measures import METRICS, percentile, pooled
from lab.report.sentences import answer, best, figure
from lab.report.series import MAX_POINTS, Line, course, cumulative, over_time
from lab.report.worldmap import conditions_label, draw_map

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.experiment.records import Hop
    from lab.report.markup import Node
    from lab.report.statistics import Comparison, Summary
    from lab.topology import Topology

__all__ = ["cards", "distributions", "happenings", "legend", "over_the_run", "ways"]

WIDE: Final = 1056.0
"""Width of a drawing across the page; `HALF` of one of two, `NARROW` of one on a phone."""
HALF: Final = 500.0
NARROW: Final = 340.0
NARROW_POINTS: Final = 200
"""Of a line on a phone, and the most for one of two: less than two units apart, nothing is seen."""

CARDS: Final = tuple(metric for metric in METRICS if metric.key != "frozen")
"""Freezes are counted in a card; how long they were is in the table."""

MOST_STRIPS: Final = 6
"""Ways shown at once; more are folded."""

TAIL: Final = 0.995
"""Of the packets are within the axis of a distribution; a few stragglers would press the rest together."""

OVER_TIME: Final = (
    ("latency", "Latency", "ms", MAX_POINTS),
    ("bitrate", "Video of each picture", "Mbit/s", MAX_POINTS),
    ("loss", "Loss", "%", 60),
)
"""Quantity, title, unit and most points: losses are rare, so that short steps would show single packets."""


def legend(names: Sequence[str]) -> Node:
    """Name, line and marker of each scenario."""
    items = [
        tag(
            "li",
            {},
            tag(
                "svg",
                {"viewBox": "0 0 44 14", "aria-hidden": "true"},
                tag("path", {"class": f"line {series_class(index)}", "d": "M0 7h44"}),
                marker(index, 22, 7, 4.5),
            ),
            name,
        )
        for index, name in enumerate(names)
    ]
    return tag("ul", {"class": "legend"}, *items)


def cards(summaries: Sequence[Summary], comparisons: Sequence[Comparison]) -> Node:
    """One card per metric: its answer in a sentence, and every scenario's mean, interval and repeats."""
    shown: list[Node] = []
    for metric in CARDS:
        leaders = best(metric, summaries, comparisons)
        rows: list[Row] = []
        for each in summaries:
            value = each.metrics[metric.key]
            scaled = tuple(v * metric.scale for v in each.values[metric.key] if v is not None and math.isfinite(v))
            ends = None
            if value.low is not None and value.high is not None:
                ends = (value.low * metric.scale, value.high * metric.scale)
            mean = None if value.mean is None else value.mean * metric.scale
            text = figure(metric, value)
            leads = each.scenario in leaders
            rows.append(Row(name=each.scenario, figure=text, mean=mean, ends=ends, values=scaled, leads=leads))
        if all(row.mean is None for row in rows):
            continue
        head = tag(
            "h3",
            {},
            metric.title,
            tag("small", {}, f"{metric.unit}, {'more' if metric.more_is_better else 'less'} is better"),
        )
        said = answer(metric, summaries, comparisons)
        drawing = draw_intervals(rows, width=NARROW, title=f"{metric.title}: {said}")
        shown.append(tag("section", {"class": "panel"}, head, tag("p", {}, unbroken(_sentence(said))), drawing))
    return tag("div", {"class": "cards"}, *shown)


def ways(topology: Topology, summaries: Sequence[Summary]) -> Node:
    """The map, and below it every scenario's way, step by step."""
    strips = [strip for index, each in enumerate(summaries) for strip in _strips(index, each)]
    listed, folded = tag("div", {"class": "ways"}, *strips), len(strips) > MOST_STRIPS
    return tag(
        "div",
        {"class": "panel"},
        legend([each.scenario for each in summaries]),
        tag("div", {"class": "wide"}, draw_map(topology, summaries, size=(WIDE, 440))),
        tag("div", {"class": "narrow"}, draw_map(topology, summaries, size=(NARROW, 300))),
        tag("details", {}, tag("summary", {}, "Every way, step by step"), listed) if folded else listed,
    )


def over_the_run(summaries: Sequence[Summary]) -> list[Node]:
    """Latency, bitrate and loss over time."""
    marks = [
        (at_s, number, f"{at_s:.1f} s, {scenario}: {what}") for number, (at_s, scenario, what) in happenings(summaries)
    ]
    names = [each.scenario for each in summaries]
    courses = [course(each.scenario, each.runs) for each in summaries]
    panels: list[Node] = []
    for quantity, title, unit, limit in OVER_TIME:
        lines = [over_time(each, quantity, limit) for each in courses]
        few = [over_time(each, quantity, min(limit, NARROW_POINTS)) for each in courses]
        if not any(line.points for line in lines):
            continue
        end_s = max(run.duration_s for each in summaries for run in each.runs)
        name, seconds = clock_unit(end_s)
        x_axis, y_axis = Axis(title=name, ends=(0.0, max(end_s, 1.0)), unit=seconds), Axis(title=unit)
        about = f"{title} over time: {', '.join(names)}"
        panels.append(
            tag(
                "section",
                {"class": "panel"},
                tag("div", {"class": "titled"}, tag("h3", {}, title), legend(names)),
                _wide(draw_lines(lines, x_axis, y_axis, size=(WIDE, 260), title=about, marks=marks)),
                _narrow(draw_lines(few, x_axis, y_axis, size=(NARROW, 220), title=about, marks=marks)),
            )
        )
    return panels


def distributions(summaries: Sequence[Summary]) -> Node:
    """How latency and jitter are spread over packets."""
    latency = [[flow.delays_ms for run in each.runs for flow in run.flows] for each in summaries]
    jitter = [[flow.jitters_ms for run in each.runs for flow in run.flows] for each in summaries]
    names = [each.scenario for each in summaries]
    panels: list[Node] = []
    for title, buckets in (("Latency", latency), ("Jitter", jitter)):
        lines = [cumulative(each.scenario, some) for each, some in zip(summaries, buckets, strict=True)]
        starts = [line.points[0][0] for line in lines if line.points]
        tails = [tail for some in buckets if (tail := percentile(pooled(some), TAIL)) is not None]
        if not starts:
            continue
        ends = stretch([min(starts), *tails], ticks=6)
        whole = [Line(name=line.name, points=_within(line, ends)) for line in lines]
        x_axis, y_axis = Axis(title="ms", ends=ends), Axis(title="% of packets at or below", ends=(0.0, 100.0))
        head = tag("div", {"class": "titled"}, tag("h3", {}, title), legend(names))
        about = f"Share of packets by {title.lower()}: {', '.join(names)}"
        drawn = (draw_lines(whole, x_axis, y_axis, size=(width, 280), title=about) for width in (HALF, NARROW))
        wide, narrow = drawn
        panels.append(tag("section", {"class": "panel"}, head, _wide(wide), _narrow(narrow)))
    return tag("div", {"class": "pair"}, *panels)


def happenings(summaries: Sequence[Summary]) -> list[tuple[int, tuple[float, str, str]]]:
    """Numbered in order of time: when (seconds, mean over the repeats), in which scenario, and what."""
    times: dict[tuple[str, str, int], list[float]] = {}
    for each in summaries:
        for run in each.runs:
            counts: Counter[str] = Counter()
            for happening in run.happenings:
                # What happens twice in a run is two things, each of which happens in every repeat.
                times.setdefault((each.scenario, happening.what, counts[happening.what]), []).append(happening.at_s)
                counts[happening.what] += 1
    seen = sorted((sum(at) / len(at), scenario, what) for (scenario, what, _), at in times.items())
    return list(enumerate(seen, 1))


def _strips(index: int, summary: Summary) -> list[Node]:
    ways: dict[tuple[str, ...], tuple[Hop, ...]] = {}
    people = {name for run in summary.runs for name in run.places}
    for run in summary.runs:
        for way in run.paths.values():
            stations = (*(hop.from_host for hop in way[:1]), *(hop.to_host for hop in way))
            if stations and stations[::-1] not in ways:
                ways[stations] = way
    strips: list[Node] = []
    for stations, way in ways.items():
        items = [_station(stations[0], people)]
        for hop, name in zip(way, stations[1:], strict=True):
            items += [_hop(hop), _station(name, people)]
        total = sum(hop.emulated_rtt_ms for hop in way)
        length = f"{stations[0]} to {stations[-1]}, {total:.4g} ms round trip"
        title = tag("p", {"class": "way-name"}, tag("b", {}, summary.scenario), tag("span", {}, length))
        strips.append(tag("div", {}, title, tag("ol", {"class": f"stations {series_class(index)}"}, *items)))
    return strips


def _station(name: str, people: set[str]) -> Node:
    return tag("li", {"class": "station human" if name in people else "station"}, name)


def _hop(hop: Hop) -> Node:
    measured = None if hop.measured_rtt_ms is None else f" measured {hop.measured_rtt_ms:.3g} ms"
    style = f"flex-grow:{max(hop.emulated_rtt_ms, 1):.0f}"
    figures = tag("b", {}, conditions_label(hop.emulated_rtt_ms, hop.loss))
    return tag("li", {"class": "hop", "style": style}, figures, measured)


def _within(line: Line, ends: tuple[float, float]) -> tuple[tuple[float, float | None], ...]:
    """The part of a distribution that its axis shows, from its left to its right end."""
    inside = [point for point in line.points if ends[0] <= point[0] <= ends[1]]
    if not inside:
        return ()
    return ((ends[0], inside[0][1]), *inside, (ends[1], inside[-1][1]))


def _sentence(text: str) -> str:
    return f"{text}." if text.split(" ", 1)[0] not in ("no", "not", "takes") else f"{text[0].upper()}{text[1:]}."


def _wide(drawing: Node) -> Node:
    return tag("div", {"class": "wide"}, drawing)


def _narrow(drawing: Node) -> Node:
    return tag("div", {"class": "narrow"}, drawing)
