"""Distances: known places, symmetry, and coordinates as Serf adds them up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.distance import NetworkCoordinate, Position, great_circle_km, rtt_floor_ms

LONDON = Position(latitude=51.5074, longitude=-0.1278)
NEW_YORK = Position(latitude=40.7128, longitude=-74.0060)
SYDNEY = Position(latitude=-33.8688, longitude=151.2093)

positions = st.builds(Position, latitude=st.floats(-90, 90), longitude=st.floats(-180, 180))


@pytest.mark.parametrize(("a", "b", "km"), [(LONDON, NEW_YORK, 5570), (LONDON, SYDNEY, 16994), (LONDON, LONDON, 0)])
def test_known_distances(a: Position, b: Position, km: float) -> None:
    assert great_circle_km(a, b) == pytest.approx(km, abs=10)


def test_the_floor_lies_below_what_is_measured() -> None:
    # London - New York is 70-76 ms on the best networks, London - Sydney 240-280 ms.
    assert 50 < rtt_floor_ms(LONDON, NEW_YORK) < 70
    assert 150 < rtt_floor_ms(LONDON, SYDNEY) < 240


@given(positions, positions)
def test_distance_is_symmetric_and_at_most_half_way_round(a: Position, b: Position) -> None:
    assert great_circle_km(a, b) == pytest.approx(great_circle_km(b, a), abs=1e-6)
    assert 0 <= great_circle_km(a, b) <= 20_016


@pytest.mark.parametrize(("latitude", "longitude"), [(91, 0), (0, 181), (math.nan, 0), (0, math.inf)])
def test_no_place_on_earth(latitude: float, longitude: float) -> None:
    with pytest.raises(ValueError, match="no place"):
        Position(latitude=latitude, longitude=longitude)


def coordinate(*vector: float, height: float = 0.0, adjustment: float = 0.0) -> NetworkCoordinate:
    return NetworkCoordinate(vector=vector, height=height, adjustment=adjustment, error=0.1)


def test_coordinates_add_heights_and_adjustments() -> None:
    a = coordinate(0, 0, height=0.001, adjustment=0.002)
    b = coordinate(0.03, 0.04, height=0.002, adjustment=-0.001)
    assert a.rtt_ms(b) == pytest.approx(54.0)


def test_adjustments_never_make_a_time_negative() -> None:
    a, b = coordinate(0, height=0.001, adjustment=-1), coordinate(0, height=0.001, adjustment=-1)
    assert a.rtt_ms(b) == pytest.approx(2.0)


def test_coordinates_of_different_dimension_have_no_distance() -> None:
    with pytest.raises(ValueError, match="dimension"):
        coordinate(0).rtt_ms(coordinate(0, 0))
