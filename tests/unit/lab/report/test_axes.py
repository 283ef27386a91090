"""Axes and their ticks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.report.axes import KINDS, Scale, clock_unit, label, marker, stretch


@given(st.lists(st.floats(-1e6, 1e6), max_size=20), st.integers(3, 10))
def test_an_axis_holds_its_values_between_round_ends(values: list[float], ticks: int) -> None:
    low, high = stretch(values, ticks=ticks)
    assert low < high
    assert all(low - 1e-6 * (high - low) <= value <= high + 1e-6 * (high - low) for value in values)
    shown = Scale(low=low, high=high, start=0, end=100).ticks(ticks)
    assert 1 <= len(shown) <= ticks + 2


def test_zero_is_in_sight_when_it_is_near() -> None:
    assert stretch([20.0, 100.0])[0] == 0
    assert stretch([105.0, 120.0])[0] == 105


def test_equal_values_still_have_an_axis() -> None:
    assert stretch([0.0, 0.0])[0] == 0
    low, high = stretch([50.0])
    assert low < 50 < high


def test_what_is_beyond_an_axis_stands_at_its_end() -> None:
    scale = Scale(low=0, high=10, start=100, end=0)
    assert [scale(value) for value in (-5.0, 0.0, 5.0, 20.0)] == [100, 100, 50, 0]


@pytest.mark.parametrize(
    ("ticks", "texts"),
    [
        ([0.0, 0.05, 0.1], ["0", "0.05", "0.10"]),
        ([-10.0, 0.0, 10.0], ["\u221210", "0", "10"]),
        ([2.5, 5.0], ["2.5", "5.0"]),
    ],
)
def test_labels_have_the_decimals_of_their_neighbours(ticks: list[float], texts: list[str]) -> None:
    assert [label(tick, ticks) for tick in ticks] == texts


def test_durations_read_in_their_unit() -> None:
    assert [clock_unit(seconds)[0] for seconds in (60.0, 3600.0, 36_000.0)] == ["seconds", "minutes", "hours"]


def test_markers_differ_in_more_than_colour() -> None:
    shapes = [marker(index, 0, 0) for index in range(KINDS)]
    assert len({(shape.tag, shape.get("points")) for shape in shapes}) == KINDS
