"""Many seconds of many runs made into lines short enough to draw."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

from lab.report.measures import pooled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lab.experiment.records import Run, Second

__all__ = ["MAX_POINTS", "QUANTITIES", "Line", "cumulative", "over_time", "thinned"]

MAX_POINTS: Final = 600
"""Of a line: more than a screen's pixels between two of them show nothing new."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What one scenario's runs did over time, or how its packets are spread.

    Attributes:
        name: the scenario's.
        points: (x, y), y being None where nothing was measured.
        band: (x, least, most) over the repeats, where there are several.
    """

    name: str
    points: tuple[tuple[float, float | None], ...]
    band: tuple[tuple[float, float, float], ...] = ()


def _latency(seconds: Sequence[tuple[str, Second]]) -> float | None:
    heard = [(each.delay_ms, each.packets) for _, each in seconds if each.delay_ms is not None]
    packets = sum(count for _, count in heard)
    return sum(delay * count for delay, count in heard) / packets if packets else None


def _bitrate(seconds: Sequence[tuple[str, Second]]) -> float | None:
    pictures = [each for kind, each in seconds if kind == "video"]
    length_s = sum(each.length_s for each in pictures)
    return sum(each.mbit_s * each.length_s for each in pictures) / length_s if length_s else None


def _loss(seconds: Sequence[tuple[str, Second]]) -> float | None:
    lost = sum(each.lost for _, each in seconds)
    sent = lost + sum(each.packets for _, each in seconds)
    return 100 * lost / sent if sent else None


QUANTITIES: Final[dict[str, Callable[[Sequence[tuple[str, Second]]], float | None]]] = {
    "latency": _latency,
    "bitrate": _bitrate,
    "loss": _loss,
}
"""What can be drawn over time: mean delay in ms, Mbit/s of each picture, loss in %."""


def over_time(name: str, runs: Iterable[Run], quantity: str, limit: int = MAX_POINTS) -> Line:
    """The mean over a scenario's repeats, and their range, in at most ``limit`` steps of time.

    Args:
        name: The scenario's.
        runs: Its repeats.
        quantity: A key of `QUANTITIES`.
        limit: Most points of the line.
    """
    of = QUANTITIES[quantity]
    some = list(runs)
    end_s = max((s.at_s for run in some for flow in run.flows for s in flow.seconds), default=0.0)
    step_s = max(1.0, end_s / limit)
    places: dict[int, list[float]] = {}
    for run in some:
        for place, seconds in _by_step(run, step_s, limit).items():
            value = of(seconds)
            if value is not None and math.isfinite(value):
                places.setdefault(place, []).append(value)
    if not places:
        return Line(name=name, points=())
    points: list[tuple[float, float | None]] = []
    band: list[tuple[float, float, float]] = []
    for place in range(min(places), max(places) + 1):
        values, at_s = places.get(place, []), (place + 0.5) * step_s
        points.append((at_s, math.fsum(values) / len(values) if values else None))
        if len(values) > 1:
            band.append((at_s, min(values), max(values)))
    return Line(name=name, points=tuple(points), band=tuple(band))


def cumulative(name: str, buckets: Iterable[Iterable[tuple[float, int]]], limit: int = MAX_POINTS) -> Line:
    """The share of packets, in %, that do not exceed x, of several flows' buckets together."""
    counts = pooled(buckets)
    total = sum(count for _, count in counts)
    seen, points = 0, list[tuple[float, float]]()
    for edge, count in counts:
        points.append((edge, 100 * seen / total))
        seen += count
        points.append((edge, 100 * seen / total))
    return Line(name=name, points=tuple(thinned(points, limit)))


def thinned(points: Sequence[tuple[float, float]], limit: int) -> list[tuple[float, float]]:
    """At most ``limit`` of these points, evenly chosen, the first and the last among them."""
    if len(points) <= limit:
        return list(points)
    last = len(points) - 1
    return [points[round(place * last / (limit - 1))] for place in range(limit)]


def _by_step(run: Run, step_s: float, limit: int) -> dict[int, list[tuple[str, Second]]]:
    steps: dict[int, list[tuple[str, Second]]] = {}
    for flow in run.flows:
        for second in flow.seconds:
            place = int(max(second.at_s - second.length_s / 2, 0.0) / step_s)
            steps.setdefault(min(place, limit - 1), []).append((flow.kind, second))
    return steps
