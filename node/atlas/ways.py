"""How a round trip is known, and how that is written and drawn."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from membership import rtt_floor_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from membership import Position
    from node.admin import RttPair

FLOOR_TOLERANCE_MS: Final = 0.01
"""The node rounds to a thousandth."""


class Known(Enum):
    """How a round trip is known; the value is what stands before its figure."""

    LINK = ""
    COORDINATES = "~"
    FLOOR = ">"
    POSITIONS = "?"
    UNKNOWN = "-"

    @property
    def words(self) -> str:
        """The same for a legend."""
        return WORDS[self]


WORDS: Final = {
    Known.LINK: "measured by the link",
    Known.COORDINATES: "estimated from coordinates",
    Known.FLOOR: "no shorter by the map",
    Known.POSITIONS: "guessed from the map",
    Known.UNKNOWN: "unknown",
}


def how_known(pair: RttPair, places: Mapping[str, Position]) -> Known:
    """Say where a figure comes from.

    Coordinates may say less than light needs for the way; the figure is then the floor that the map gives.
    """
    if pair.rtt_ms is None:
        return Known.UNKNOWN
    if pair.source == "coordinates" and pair.a in places and pair.b in places:
        floor_ms = rtt_floor_ms(places[pair.a], places[pair.b])
        if floor_ms > 0 and abs(pair.rtt_ms - floor_ms) < FLOOR_TOLERANCE_MS:
            return Known.FLOOR
    return {"link": Known.LINK, "coordinates": Known.COORDINATES, "positions": Known.POSITIONS}.get(
        pair.source, Known.UNKNOWN
    )


def way_label(pair: RttPair, known: Known) -> str:
    """A figure with its mark: three digits are what fits on a map."""
    if pair.rtt_ms is None:
        return known.value
    return f"{known.value}{pair.rtt_ms:.{1 if pair.rtt_ms < 10 else 0}f}"
