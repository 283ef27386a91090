"""How far two nodes are: from positions (a floor) and from Serf's network coordinates (an estimate)."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["NetworkCoordinate", "Position", "great_circle_km", "rtt_floor_ms"]

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the earth (IUGG)."""

FIBRE_KM_PER_MS = 299.792458 / 1.468
"""Light in single-mode fibre: speed of light over its group index at 1550 nm (ITU-T G.652 fibres)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """A place on earth in degrees, north and east positive."""

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        """Refuse what is no place.

        Raises:
            ValueError: out of range or not a number.
        """
        if not (-90 <= self.latitude <= 90 and -180 <= self.longitude <= 180):
            raise ValueError(f"({self.latitude}, {self.longitude}) is no place on earth")


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
        (Serf's internals documentation, "Network Coordinates").

        Raises:
            ValueError: the coordinates differ in dimension.
        """
        raw_s = math.dist(self.vector, other.vector) + self.height + other.height
        adjusted_s = raw_s + self.adjustment + other.adjustment
        return (adjusted_s if adjusted_s > 0 else raw_s) * 1000.0


def great_circle_km(a: Position, b: Position) -> float:
    """Shortest way over the ground (haversine; good to 0.5 %, the earth's flattening)."""
    latitude_a, latitude_b = math.radians(a.latitude), math.radians(b.latitude)
    half_dlat = (latitude_b - latitude_a) / 2
    half_dlon = math.radians(b.longitude - a.longitude) / 2
    chord = math.sin(half_dlat) ** 2 + math.cos(latitude_a) * math.cos(latitude_b) * math.sin(half_dlon) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(chord)))


def rtt_floor_ms(a: Position, b: Position) -> float:
    """Round-trip time that no network beats: light in fibre along the great circle, there and back."""
    return 2 * great_circle_km(a, b) / FIBRE_KM_PER_MS
