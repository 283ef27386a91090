"""Distances: known places, symmetry, and coordinates as Serf adds them up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.distance.estimate import (
    NetworkCoordinate,
    Position,
    RttSource,
    SeenCoordinate,
    best_rtt,
    great_circle_km,
    rtt_floor_ms,
)

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


def test_adjustments_learnt_from_far_peers_do_not_set_neighbours_apart() -> None:
    """As simulated: 0.6 ms apart in truth, 4 ms by their vectors, and 10 ms short of everybody else."""
    a, b = coordinate(0.0, 0.0, height=1e-5, adjustment=0.007), coordinate(0.004, 0.0, height=1e-5, adjustment=0.006)
    assert a.rtt_ms(b) == pytest.approx(4.8, abs=0.1)
    pair = tuple(SeenCoordinate(serf_name="x", coordinate=one, at_s=0.0) for one in (a, b))
    near = best_rtt(coordinates=(pair[0], pair[1]))
    assert near is not None
    assert near.error_ms == pytest.approx(12.2, abs=0.1), "what was left out is in doubt"
    assert near.rtt_ms - near.error_ms <= 0.6 <= near.rtt_ms + near.error_ms
    far = coordinate(0.061, 0.0, height=1e-5, adjustment=0.004)
    assert a.rtt_ms(far) == pytest.approx(72.0, abs=0.1), "between regions they count"


@given(st.floats(0, 0.3), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(0, 0.1))
def test_more_adjustment_makes_no_way_shorter_while_it_counts(x: float, low: float, high: float, height: float) -> None:
    low, high = sorted((low, high))
    here = coordinate(0.0, height=height)
    if low <= -(x + height + 0.01):
        return
    ways = [here.rtt_ms(coordinate(x, height=0.01, adjustment=adjustment)) for adjustment in (low, high)]
    assert ways == sorted(ways)


def test_adjustments_never_make_a_time_negative() -> None:
    a, b = coordinate(0, height=0.001, adjustment=-1), coordinate(0, height=0.001, adjustment=-1)
    assert a.rtt_ms(b) == pytest.approx(2.0)


def test_coordinates_of_different_dimension_have_no_distance() -> None:
    with pytest.raises(ValueError, match="dimension"):
        coordinate(0).rtt_ms(coordinate(0, 0))


def seen(*vector: float, error: float = 0.1, at_s: float = 0.0) -> SeenCoordinate:
    at = NetworkCoordinate(vector=vector, height=0.0, adjustment=0.0, error=error)
    return SeenCoordinate(serf_name="x", coordinate=at, at_s=at_s)


NEAR = (seen(0.0, 0.0), seen(0.3, 0.0))
"""300 ms apart, as Serf says."""


def test_a_link_knows_better_than_coordinates_and_these_better_than_the_map() -> None:
    apart = (LONDON, NEW_YORK)
    estimates = [
        best_rtt(link_ms=71.0, coordinates=NEAR, positions=apart),
        best_rtt(coordinates=NEAR, positions=apart),
        best_rtt(positions=apart),
    ]
    assert [one and one.source for one in estimates] == [RttSource.LINK, RttSource.COORDINATES, RttSource.POSITIONS]
    assert [one and round(one.rtt_ms) for one in estimates] == [71, 300, 93]
    trust = [one.confidence for one in estimates if one is not None]
    assert trust == sorted(trust, reverse=True)
    assert best_rtt() is None


@given(positions, positions, st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.9))
def test_no_estimate_lies_below_the_floor(a: Position, b: Position, x: float, y: float, error: float) -> None:
    for pair in (None, (seen(x, y, error=error), seen(y, x, error=error))):
        estimate = best_rtt(coordinates=pair, positions=(a, b))
        assert estimate is not None
        assert estimate.rtt_ms >= rtt_floor_ms(a, b)
        assert estimate.error_ms > 0
        assert 0 < estimate.confidence < 1


def test_what_was_measured_may_lie_below_the_floor() -> None:
    estimate = best_rtt(link_ms=0.4, positions=(LONDON, SYDNEY))
    assert estimate is not None
    assert (estimate.rtt_ms, estimate.confidence > 0.9) == (0.4, True)


def test_coordinates_age_and_one_that_has_not_settled_says_nothing() -> None:
    fresh, old = best_rtt(coordinates=NEAR, now_s=1.0), best_rtt(coordinates=NEAR, now_s=300.0)
    assert fresh is not None
    assert old is not None
    assert fresh.rtt_ms == old.rtt_ms == pytest.approx(300)
    assert fresh.confidence > 0.9 > 0.7 > old.confidence
    unsettled = (seen(0.0, error=1.5), seen(0.3))
    guess = best_rtt(coordinates=unsettled, positions=(LONDON, NEW_YORK))
    assert guess is not None
    assert guess.source is RttSource.POSITIONS
    only = best_rtt(coordinates=unsettled)
    assert only is not None
    assert (only.source, only.confidence <= 0.41) == (RttSource.COORDINATES, True)


def test_coordinates_of_two_dimensions_do_not_compare() -> None:
    assert best_rtt(coordinates=(seen(0.0), seen(0.0, 0.1))) is None
