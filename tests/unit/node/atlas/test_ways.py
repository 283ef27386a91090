"""How a round trip is known, by what the node tells of it."""

from __future__ import annotations

import pytest

from membership import Position, rtt_floor_ms
from node.admin import RttPair
from node.atlas import Known, how_known, way_label

A, B = Position(latitude=52.0, longitude=5.0), Position(latitude=1.0, longitude=104.0)
PLACES = {"a": A, "b": B}
FLOOR_MS = round(rtt_floor_ms(A, B), 3)


@pytest.mark.parametrize(
    ("rtt_ms", "source", "known"),
    [
        (170.0, "link", Known.LINK),
        (FLOOR_MS, "link", Known.LINK),
        (170.0, "coordinates", Known.COORDINATES),
        (FLOOR_MS, "coordinates", Known.FLOOR),
        (170.0, "positions", Known.POSITIONS),
        (None, "unknown", Known.UNKNOWN),
        (1.0, "of a later version", Known.UNKNOWN),
    ],
)
def test_the_source_of_a_figure_is_told(rtt_ms: float | None, source: str, known: Known) -> None:
    assert how_known(RttPair(a="a", b="b", rtt_ms=rtt_ms, source=source), PLACES) is known


def test_without_positions_there_is_no_floor() -> None:
    assert how_known(RttPair(a="a", b="b", rtt_ms=0.0, source="coordinates"), {}) is Known.COORDINATES
    assert how_known(RttPair(a="a", b="b", rtt_ms=0.0, source="coordinates"), {"a": A, "b": A}) is Known.COORDINATES


@pytest.mark.parametrize(("rtt_ms", "text"), [(0.64, "0.6"), (9.94, "9.9"), (81.6, "82"), (None, "")])
def test_figures_are_short(rtt_ms: float | None, text: str) -> None:
    assert way_label(RttPair(a="a", b="b", rtt_ms=rtt_ms), Known.LINK) == text
