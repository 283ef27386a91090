"""The part of the earth that is shown: all of it, or a half or a quarter each way when the nodes are close together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.atlas.land import DEGREES_HIGH, DEGREES_WIDE, NORTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from membership import Position

ZOOMS: Final = (4, 2)
"""The most first; beyond, a degree of land would be a block of its own."""

MARGIN: Final = 0.75
"""How much of a window the nodes may fill: names stand beside them."""

ROWS_PER_COLUMN: Final = DEGREES_HIGH / DEGREES_WIDE / 2
"""A character is about twice as high as it is wide."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A part of the earth on a grid of dots.

    Attributes:
        west: Longitude of its left edge, degrees.
        north: Latitude of its upper edge, degrees.
        zoom: By how much it is smaller than the earth, each way.
        wide: Dots in a row.
        high: Rows of dots.
    """

    west: float
    north: float
    zoom: int
    wide: int
    high: int

    @property
    def circle(self) -> int:
        """Dots once round the earth."""
        return self.wide * self.zoom

    def dot_of(self, place: Position) -> tuple[int, int]:
        """Where a place lies, column and row; beyond an edge it lies on it."""
        x = int((place.longitude - self.west) % DEGREES_WIDE / DEGREES_WIDE * self.circle)
        y = int((self.north - place.latitude) / DEGREES_HIGH * self.high * self.zoom)
        return min(x, self.wide - 1), min(max(y, 0), self.high - 1)

    def place_of(self, x: int, y: int) -> tuple[float, float]:
        """Latitude and longitude of the middle of a dot."""
        return (
            self.north - (y + 0.5) / self.high * DEGREES_HIGH / self.zoom,
            self.west + (x + 0.5) / self.wide * DEGREES_WIDE / self.zoom,
        )


def window_around(places: Sequence[Position], *, wide: int, high: int) -> Window:
    """Choose the smallest window in which all places have room; without any it is the earth."""
    if places:
        longitudes = sorted({place.longitude for place in places})
        gaps = zip(longitudes, (*longitudes[1:], longitudes[0] + DEGREES_WIDE), strict=True)
        gap, east = max((after - before, before) for before, after in gaps)
        span = DEGREES_WIDE - gap
        latitudes = [place.latitude for place in places]
        height = max(latitudes) - min(latitudes)
        for zoom in ZOOMS:
            across, down = DEGREES_WIDE / zoom, DEGREES_HIGH / zoom
            if span <= MARGIN * across and height <= MARGIN * down:
                north = (max(latitudes) + min(latitudes) + down) / 2
                north = min(max(north, NORTH - DEGREES_HIGH + down), NORTH)
                return Window(west=east - (span + across) / 2, north=north, zoom=zoom, wide=wide, high=high)
    return Window(west=-180, north=NORTH, zoom=1, wide=wide, high=high)
