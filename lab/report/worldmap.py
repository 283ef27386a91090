"""The way of media on a map: equirectangular, land as dots, a curve per scenario and step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from lab.report.axes import Scale, series_class
from lab.report.land import CELL, land
from lab.report.markup import tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lab.report.markup import Node
    from lab.report.statistics import Summary
    from lab.topology import Host, Topology

__all__ = ["conditions_label", "draw_map"]

MARGIN: Final = 0.13
"""Of the span of the hosts, around them."""

LEAST_SPAN: Final = 16.0
"""Degrees: a network in one city is shown in its country."""

NEAR: Final = 16.0
"""Hosts nearer than this on the drawing share a dot and a label."""

LABELLED: Final = 110.0
"""Shorter steps have no figures on the map."""

MOST_LABELS: Final = 9
"""Steps of the way with figures on the map; with more, they would cover it. The list below it has them all."""


_Point: TypeAlias = tuple[float, float]


class _View(msgspec.Struct, frozen=True):
    """The part of the world that is shown: degrees to units of the drawing."""

    west: float
    x: Scale
    y: Scale

    def place(self, longitude: float, latitude: float) -> tuple[float, float]:
        return self.x((longitude - self.west) % 360), self.y(latitude)

    @property
    def unit(self) -> float:
        """Units of the drawing for a degree of longitude."""
        return (self.x.end - self.x.start) / (self.x.high - self.x.low)


def draw_map(topology: Topology, summaries: Sequence[Summary], *, size: tuple[float, float]) -> Node:
    """Draw the hosts that media goes through (all hosts when no way is known) and the steps between them."""
    used = {name for each in summaries for way in _ways(each) for step in way for name in step}
    hosts = [host for host in topology.hosts if host.name in used] or list(topology.hosts)
    view = _view(topology, hosts, size)
    width, height = size
    frame = {"viewBox": f"0 0 {width:g} {height:g}", "role": "img", "class": "chart map"}
    chart = tag("svg", frame, tag("title", {}, "Map of the hosts and of the way that media takes in each scenario"))
    chart.append(tag("rect", {"class": "sea", "x": 0, "y": 0, "width": width, "height": height, "rx": 10}))
    chart.extend(_graticule(view, size))
    chart.append(_land(view, size))
    regions = {host.name: topology.regions[host.region] for host in hosts}
    spots = {name: view.place(region.longitude, region.latitude) for name, region in regions.items()}
    chart.extend(_steps(topology, summaries, spots))
    chart.extend(_hosts(summaries, spots, width))
    return chart


def conditions_label(rtt_ms: float, loss: float | None) -> str:
    """A step's figures: ``165 ms · 0.02 %``."""
    return f"{rtt_ms:.3g} ms" if loss is None else f"{rtt_ms:.3g} ms · {100 * loss:.2g} %"


def _ways(summary: Summary) -> list[list[tuple[str, str]]]:
    return [[(hop.from_host, hop.to_host) for hop in way] for run in summary.runs for way in run.paths.values()]


def _view(topology: Topology, hosts: Sequence[Host], size: tuple[float, float]) -> _View:
    regions = [topology.regions[host.region] for host in hosts]
    longitudes = sorted({region.longitude % 360 for region in regions})
    # The widest empty stretch of the globe is what the map leaves out, so the Pacific may be in its middle.
    gaps = [
        (later - earlier) % 360 for earlier, later in zip(longitudes, [*longitudes[1:], longitudes[0]], strict=True)
    ]
    widest = max(range(len(gaps)), key=lambda place: gaps[place])
    start = longitudes[(widest + 1) % len(longitudes)]
    span_x = (longitudes[widest] - start) % 360
    south, north = min(region.latitude for region in regions), max(region.latitude for region in regions)
    squeeze = max(math.cos(math.radians((south + north) / 2)), 0.3)
    middle_x, middle_y = start + span_x / 2, (south + north) / 2
    wide = max(span_x * (1 + 2 * MARGIN), LEAST_SPAN)
    high = max((north - south) * (1 + 2 * MARGIN), LEAST_SPAN / 2)
    ratio = size[0] / size[1]
    wide, high = max(wide, high * ratio / squeeze), max(high, wide * squeeze / ratio)
    wide = min(wide, 360.0)
    west = middle_x - wide / 2
    return _View(
        west,
        Scale(low=0, high=wide, start=0, end=size[0]),
        Scale(low=middle_y - high / 2, high=middle_y + high / 2, start=size[1], end=0),
    )


def _graticule(view: _View, size: tuple[float, float]) -> Iterator[Node]:
    step = 30 if view.x.high > 90 else 10 if view.x.high > 30 else 5
    for degrees in range(-180, 180, step):
        x = view.x((degrees - view.west) % 360)
        if 0 < x < size[0]:
            yield tag("line", {"class": "graticule", "x1": x, "x2": x, "y1": 0, "y2": size[1]})
            east = "°" if degrees in (0, -180) else "°E" if degrees > 0 else "°W"
            yield tag("text", {"class": "degrees", "x": x + 4, "y": size[1] - 6}, f"{abs(degrees)}{east}")
    for degrees in range(-90, 91, step):
        y = view.y(degrees)
        if 0 < y < size[1]:
            kind = "graticule equator" if degrees == 0 else "graticule"
            yield tag("line", {"class": kind, "x1": 0, "x2": size[0], "y1": y, "y2": y})


def _land(view: _View, size: tuple[float, float]) -> Node:
    dots: list[str] = []
    for longitude, latitude in land():
        if view.y.low < latitude < view.y.high and (longitude - view.west) % 360 < view.x.high:
            x, y = view.place(longitude, latitude)
            if 3 < x < size[0] - 3 and 3 < y < size[1] - 3:
                dots.append(f"M{x:.1f} {y:.1f}h0")
    radius = min(max(view.unit * CELL * 0.62, 1.2), 9)
    return tag("path", {"class": "land", "d": "".join(dots), "stroke-width": radius})


def _steps(topology: Topology, summaries: Sequence[Summary], spots: dict[str, _Point]) -> Iterator[Node]:
    middles: dict[tuple[_Point, _Point], tuple[_Point, str]] = {}
    gap = min(0.09, 0.2 / max(len(summaries) - 1, 1))
    for index, summary in enumerate(summaries):
        for one, other in _drawn(summary, spots):
            start, end = sorted((spots[one], spots[other]))
            length = math.dist(start, end)
            # Scenarios that share a step run beside each other.
            bend = (0.06 + (index - (len(summaries) - 1) / 2) * gap) * length
            nx, ny = (end[1] - start[1]) / length, -(end[0] - start[0]) / length
            middle = (start[0] + end[0]) / 2 + bend * nx, (start[1] + end[1]) / 2 + bend * ny
            cx, cy = middle[0] + bend * nx, middle[1] + bend * ny
            d = f"M{start[0]:.1f} {start[1]:.1f}Q{cx:.1f} {cy:.1f} {end[0]:.1f} {end[1]:.1f}"
            words = tag("title", {}, f"{summary.scenario}: {one} \u2013 {other}")
            yield tag("path", {"class": f"way {series_class(index)}", "d": d}, words)
            if length > LABELLED and (one, other) in topology.conditions:
                conditions = topology.conditions[one, other]
                text = conditions_label(conditions.rtt_ms, conditions.loss or None)
                middles.setdefault((start, end), (middle, text))
    if len(middles) > MOST_LABELS:
        return
    for (x, y), text in middles.values():
        width = 7.2 * len(text) + 8
        yield tag("rect", {"class": "pill", "x": x - width / 2, "y": y - 10, "width": width, "height": 20, "rx": 10})
        yield tag("text", {"class": "step", "x": x, "y": y + 4.5, "text-anchor": "middle"}, text)


def _drawn(summary: Summary, spots: dict[str, _Point]) -> list[tuple[str, str]]:
    """Steps between hosts that are apart on the drawing, each once, whichever way it is gone."""
    steps = {min((one, other), (other, one)) for way in _ways(summary) for one, other in way}
    known = ((one, other) for one, other in steps if one in spots and other in spots)
    return sorted((one, other) for one, other in known if math.dist(spots[one], spots[other]) >= NEAR)


def _hosts(summaries: Sequence[Summary], spots: dict[str, _Point], width: float) -> Iterator[Node]:
    people = {name for each in summaries for run in each.runs for name in run.places}
    steps = [step for each in summaries for step in _drawn(each, spots)]
    groups: list[tuple[_Point, list[str]]] = []
    for name, spot in spots.items():
        near = next((names for place, names in groups if math.dist(place, spot) < NEAR), None)
        if near is None:
            groups.append((spot, [name]))
        else:
            near.append(name)
    for (x, y), names in groups:
        if any(name not in people for name in names):
            yield tag("rect", {"class": "node", "x": x - 7, "y": y - 7, "width": 14, "height": 14, "rx": 3.5})
        if any(name in people for name in names):
            kind = "person" if all(name in people for name in names) else "person within"
            yield tag("circle", {"class": kind, "cx": x, "cy": y, "r": 6 if kind == "person" else 3.5})
        # Names stand where no line goes: opposite to where most of the steps lead, if there is room.
        ends = [spots[b if a in names else a][0] for a, b in steps if a in names or b in names]
        lean = sum(1 if end > x + 1 else -1 if end < x - 1 else 0 for end in ends)
        room = 8.0 * max(map(len, names)) + 16
        left = x > room and (lean > 0 or x + room > width)
        for line, name in enumerate(names):
            place = {"x": x - 13 if left else x + 13, "y": y + 4.5 + 15 * (line - (len(names) - 1) / 2)}
            yield tag("text", {"class": "host", **place, "text-anchor": "end" if left else "start"}, name)
