"""Which part of the earth is shown, and where places lie in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership import Position
from node.atlas.land import is_land
from node.atlas.window import window_around

PLACES = st.builds(
    Position,
    latitude=st.floats(min_value=-55, max_value=77),
    longitude=st.floats(min_value=-180, max_value=180),
)


@given(places=st.lists(PLACES, max_size=8), wide=st.integers(40, 240), high=st.integers(8, 100))
def test_every_place_lies_in_the_window(places: list[Position], wide: int, high: int) -> None:
    window = window_around(places, wide=wide, high=high)
    for place in places:
        x, y = window.dot_of(place)
        assert 0 <= x < wide
        assert 0 <= y < high
        latitude, longitude = window.place_of(x, y)
        assert abs(latitude - place.latitude) <= 134 / window.zoom / high
        across = (longitude - place.longitude + 180) % 360 - 180
        assert abs(across) <= 360 / window.zoom / wide


@pytest.mark.parametrize(
    ("longitudes", "zoom"),
    [((-170.0, 170.0), 4), ((0.0, 100.0), 2), ((-77.0, 104.0), 1), ((10.0,), 4), ((), 1)],
)
def test_close_nodes_fill_the_window_across_the_date_line_too(longitudes: tuple[float, ...], zoom: int) -> None:
    places = [Position(latitude=40.0, longitude=longitude) for longitude in longitudes]
    assert window_around(places, wide=100, high=38).zoom == zoom


@pytest.mark.parametrize(
    ("latitude", "longitude", "land"),
    [
        (52.4, 5.9, True),
        (40.0, -100.0, True),
        (-25.0, 135.0, True),
        (0.0, -30.0, False),
        (45.0, -40.0, False),
        (52.4, 365.9, True),
        (-80.0, 0.0, False),
        (85.0, 0.0, False),
    ],
)
def test_land_is_where_it_is(latitude: float, longitude: float, land: bool) -> None:
    assert is_land(latitude, longitude) is land
