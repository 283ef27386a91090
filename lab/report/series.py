"""Many seconds of many runs made into lines short enough to draw."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

from lab.report.measures import pooled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lab.experiment.records import Run

__all__ = ["MAX_POINTS", "QUANTITIES", "Course", "Line", "course", "cumulative", "over_time", "thinned"]

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


class Sums(msgspec.Struct):
    """What came in one step of time, of all flows of a run; it grows while they are read."""

    delays: float = 0.0
    heard: int = 0
    megabits: float = 0.0
    pictures_s: float = 0.0
    packets: int = 0
    lost: int = 0

    def add(self, other: Sums) -> None:
        """Take in another step."""
        self.delays += other.delays
        self.heard += other.heard
        self.megabits += other.megabits
        self.pictures_s += other.pictures_s
        self.packets += other.packets
        self.lost += other.lost


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """How one scenario's runs went, in at most `MAX_POINTS` steps of ``step_s`` seconds: for each run, by step."""

    name: str
    step_s: float
    runs: tuple[dict[int, Sums], ...]


QUANTITIES: Final[dict[str, Callable[[Sums], float | None]]] = {
    "latency": lambda sums: sums.delays / sums.heard if sums.heard else None,
    "bitrate": lambda sums: sums.megabits / sums.pictures_s if sums.pictures_s else None,
    "loss": lambda sums: 100 * sums.lost / (sums.lost + sums.packets) if sums.lost + sums.packets else None,
}
"""What can be drawn over time: mean delay in ms, Mbit/s of each picture, loss in %."""


def course(name: str, runs: Sequence[Run]) -> Course:
    """Add up the seconds of a scenario's runs, once for all that is drawn of them."""
    end_s = max((flow.seconds[-1].at_s for run in runs for flow in run.flows if flow.seconds), default=0.0)
    step_s = max(1.0, end_s / MAX_POINTS)
    return Course(name=name, step_s=step_s, runs=tuple(_steps(run, step_s) for run in runs))


def over_time(course: Course, quantity: str, limit: int = MAX_POINTS) -> Line:
    """The mean over a scenario's repeats, and their range, in at most ``limit`` steps of time.

    Args:
        course: The scenario's.
        quantity: A key of `QUANTITIES`.
        limit: Most points of the line.
    """
    of = QUANTITIES[quantity]
    last = max((place for run in course.runs for place in run), default=0)
    together = math.ceil((last + 1) / limit)
    places: dict[int, list[float]] = {}
    for run in course.runs:
        for place, sums in _merged(run, together).items():
            value = of(sums)
            if value is not None and math.isfinite(value):
                places.setdefault(place, []).append(value)
    if not places:
        return Line(name=course.name, points=())
    points: list[tuple[float, float | None]] = []
    band: list[tuple[float, float, float]] = []
    for place in range(min(places), max(places) + 1):
        values, at_s = places.get(place, []), (place + 0.5) * together * course.step_s
        points.append((at_s, math.fsum(values) / len(values) if values else None))
        if len(values) > 1:
            band.append((at_s, min(values), max(values)))
    return Line(name=course.name, points=tuple(points), band=tuple(band))


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


def _steps(run: Run, step_s: float) -> dict[int, Sums]:
    steps: dict[int, Sums] = {}
    for flow in run.flows:
        picture = flow.kind == "video"
        for second in flow.seconds:
            place = min(int(max(second.at_s - second.length_s / 2, 0.0) / step_s), MAX_POINTS - 1)
            sums = steps.get(place)
            if sums is None:
                sums = steps[place] = Sums()
            if second.delay_ms is not None and math.isfinite(second.delay_ms):
                sums.delays += second.delay_ms * second.packets
                sums.heard += second.packets
            if picture:
                sums.megabits += second.mbit_s * second.length_s
                sums.pictures_s += second.length_s
            sums.packets += second.packets
            sums.lost += second.lost
    return steps


def _merged(steps: dict[int, Sums], together: int) -> dict[int, Sums]:
    if together == 1:
        return steps
    merged: dict[int, Sums] = {}
    for place, sums in steps.items():
        merged.setdefault(place // together, Sums()).add(sums)
    return merged
