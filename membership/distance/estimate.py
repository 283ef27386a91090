"""How far two nodes are: what a link measured, else what coordinates say, else what physics asks for.

One function, `best_rtt`, gives the estimate for a pair, with where it comes from and how far it may be off:

- a *link* measures its round trip five times a second.  It is what packets need, so it wins over everything;
- *coordinates* (Vivaldi, kept by Serf) estimate any pair.  They know their own error, and they age;
- *positions* give a floor, light in fibre along the great circle, and from it a guess: real ways are longer.

No estimate lies below the floor; only what was measured may, and then the positions are wrong.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = [
    "NetworkCoordinate",
    "Position",
    "RttEstimate",
    "RttFigures",
    "RttSource",
    "SeenCoordinate",
    "best_figures",
    "best_rtt",
    "great_circle_km",
    "measured_rtt",
    "rtt_floor_ms",
    "rtt_from_positions",
]

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the earth (IUGG)."""

FIBRE_KM_PER_MS = 299.792458 / 1.468
"""Light in single-mode fibre: speed of light over its group index at 1550 nm (ITU-T G.652 fibres)."""

PATH_STRETCH = 1.7
"""How much longer real ways are than the great circle: over the 120 pairs of 20 cities and six regions in
tests/unit/membership/city_latencies.py the median is 1.72, the middle half 1.46-2.19."""

POSITION_ERROR_RATIO = 0.25
POSITION_ERROR_MS = 10.0
"""Two thirds of those pairs lie within a quarter of the guess; the last mile adds what no map shows."""

LINK_ERROR_RATIO = 0.03
LINK_ERROR_MS = 1.0
"""A link's figure is smoothed over a second of keepalives, whose jitter between data centres is below a millisecond."""

COORDINATE_ERROR_RATIO = 0.08
COORDINATE_ERROR_MS = 8.0
"""Twelve nodes in six regions after three minutes: half of all pairs are within 8 % or 8.5 ms."""

ADJUSTMENT_RATIO = 0.2
"""What adjustments may add, as a share of the way without them. They are half of what a node's coordinate lately fell
short of *all* its peers, and so for neighbours by far too much: twelve nodes in six regions, simulated for three
minutes, have adjustments of 4-17 ms a pair, with which a pair 0.6 ms apart shows as 8-28 ms (median 17). Cut like this
it shows as 1-16 ms (median 5), and no figure between regions changes, where they make up 8-16 % of the way."""

COORDINATE_ERROR_PER_S = 1 / 600
"""A coordinate is moved by every probe, one a second; ten minutes after it was read it says nothing any more."""

BLIND_ERROR = 1.0
"""Relative error from which a coordinate is no better than a guess: it starts at 1.5 and has not settled yet."""

NOTICEABLE_MS = 20.0
"""Below this a round trip is as good as none: one frame of sound."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """A place on earth in degrees, north and east positive.

    Attributes:
        latitude: From the equator.
        longitude: From Greenwich.
        point: Where that is on the sphere of radius 1, seen from its centre: a question about a large room asks for
            thousands of distances, and its trigonometry is done once a node.
    """

    latitude: float
    longitude: float
    point: tuple[float, float, float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what is no place.

        Raises:
            ValueError: out of range or not a number.
        """
        if not (-90 <= self.latitude <= 90 and -180 <= self.longitude <= 180):
            raise ValueError(f"({self.latitude}, {self.longitude}) is no place on earth")
        latitude, longitude = math.radians(self.latitude), math.radians(self.longitude)
        across = math.cos(latitude)
        point = (across * math.cos(longitude), across * math.sin(longitude), math.sin(latitude))
        object.__setattr__(self, "point", point)


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkCoordinate:
    """A node's Vivaldi coordinate as Serf keeps it, all in seconds but `error`.

    Attributes:
        vector: Euclidean part.
        height: distance to the core of the network, paid at both ends.
        adjustment: correction learnt from recent observations, may be negative.
        error: dimensionless distrust, 0 is certain, 1.5 is unknown.
    """

    vector: tuple[float, ...]
    height: float
    adjustment: float
    error: float

    def rtt_ms(self, other: NetworkCoordinate) -> float:
        """Estimated round-trip time to another coordinate.

        Euclidean distance plus both heights; the adjustments count only while the sum stays positive
        (Serf's internals documentation, "Network Coordinates") and add no more than :data:`ADJUSTMENT_RATIO` of it.

        Raises:
            ValueError: the coordinates differ in dimension.
        """
        return self.rtt_and_cut_ms(other)[0]

    def rtt_and_cut_ms(self, other: NetworkCoordinate) -> tuple[float, float]:
        """The same, and what of the adjustments was left out, which is as much in doubt.

        Raises:
            ValueError: the coordinates differ in dimension.
        """
        raw_s = math.dist(self.vector, other.vector) + self.height + other.height
        adjustment_s = self.adjustment + other.adjustment
        most_s = ADJUSTMENT_RATIO * raw_s
        if adjustment_s > most_s:
            return (raw_s + most_s) * 1000.0, (adjustment_s - most_s) * 1000.0
        return (raw_s + adjustment_s if adjustment_s > -raw_s else raw_s) * 1000.0, 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenCoordinate:
    """A coordinate and when it was read.

    Attributes:
        serf_name: the agent whose it is; a node's next agent starts from nothing.
        coordinate: where that agent was.
        at_s: when it was read, on the clock of who reads.
    """

    serf_name: str
    coordinate: NetworkCoordinate
    at_s: float


class RttSource(enum.StrEnum):
    """Where an estimate comes from, the best first."""

    SELF = "self"
    MEASURED = "measured"
    LINK = "link"
    COORDINATES = "coordinates"
    POSITIONS = "positions"


@dataclass(frozen=True, kw_only=True, slots=True)
class RttEstimate:
    """A round trip as well as it is known.

    Attributes:
        rtt_ms: the best estimate.
        error_ms: how far it may well be off, either way.
        source: where it comes from.
    """

    rtt_ms: float
    error_ms: float
    source: RttSource

    @property
    def confidence(self) -> float:
        """How much to trust it, 0-1: 1/2 when it may be off by as much as it says itself."""
        return 1 / (1 + self.error_ms / max(self.rtt_ms, NOTICEABLE_MS))


RttFigures: TypeAlias = tuple[float, float, RttSource]
"""The fields of an estimate, in their order."""


def great_circle_km(a: Position, b: Position) -> float:
    """Shortest way over the ground, by the chord through the sphere (good to 0.5 %, the earth's flattening)."""
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.dist(a.point, b.point) / 2))


def rtt_floor_ms(a: Position, b: Position) -> float:
    """Round-trip time that no network beats: light in fibre along the great circle, there and back."""
    return 2 * great_circle_km(a, b) / FIBRE_KM_PER_MS


def measured_rtt(rtt_ms: float, *, error_ms: float, error_ratio: float) -> RttEstimate:
    """What a client says that it measured, with how far such a figure may be off."""
    return RttEstimate(rtt_ms=rtt_ms, error_ms=max(error_ms, error_ratio * rtt_ms), source=RttSource.MEASURED)


def rtt_from_positions(a: Position, b: Position) -> RttEstimate:
    """A guess from the map: the floor, made longer as real ways are."""
    rtt_ms, error_ms, source = _guess(rtt_floor_ms(a, b))
    return RttEstimate(rtt_ms=rtt_ms, error_ms=error_ms, source=source)


def _guess(floor_ms: float) -> RttFigures:
    rtt_ms = PATH_STRETCH * floor_ms
    return rtt_ms, POSITION_ERROR_MS + POSITION_ERROR_RATIO * rtt_ms, RttSource.POSITIONS


def best_rtt(
    *,
    link_ms: float | None = None,
    coordinates: tuple[SeenCoordinate, SeenCoordinate] | None = None,
    positions: tuple[Position, Position] | None = None,
    now_s: float = 0.0,
) -> RttEstimate | None:
    """The best estimate for a pair of nodes; None when nothing is known of it.

    Args:
        link_ms: round trip that a link between the two measured, if there is one.
        coordinates: where Serf has the two, if it has them.
        positions: where their operators say they are, if they do.
        now_s: the time on the clock of the coordinates.
    """
    seen_a, seen_b = coordinates or (None, None)
    at_a, at_b = positions or (None, None)
    figures = best_figures(link_ms, seen_a, seen_b, at_a, at_b, now_s)
    return None if figures is None else RttEstimate(rtt_ms=figures[0], error_ms=figures[1], source=figures[2])


def best_figures(
    link_ms: float | None,
    a: SeenCoordinate | None,
    b: SeenCoordinate | None,
    at_a: Position | None,
    at_b: Position | None,
    now_s: float,
) -> RttFigures | None:
    """What :func:`best_rtt` makes its estimate of, for whoever compares thousands of pairs and needs one."""
    if link_ms is not None:
        return link_ms, max(LINK_ERROR_MS, LINK_ERROR_RATIO * link_ms), RttSource.LINK
    floor_ms = None if at_a is None or at_b is None else rtt_floor_ms(at_a, at_b)
    if a is None or b is None or len(a.coordinate.vector) != len(b.coordinate.vector):
        return None if floor_ms is None else _guess(floor_ms)
    aged = COORDINATE_ERROR_PER_S * max(0.0, now_s - min(a.at_s, b.at_s))
    error_ratio = max(COORDINATE_ERROR_RATIO, a.coordinate.error, b.coordinate.error) + aged
    if error_ratio >= BLIND_ERROR and floor_ms is not None:
        return _guess(floor_ms)
    told_ms, cut_ms = a.coordinate.rtt_and_cut_ms(b.coordinate)
    rtt_ms = told_ms if floor_ms is None else max(floor_ms, told_ms)
    return rtt_ms, max(COORDINATE_ERROR_MS, error_ratio * rtt_ms, cut_ms), RttSource.COORDINATES
