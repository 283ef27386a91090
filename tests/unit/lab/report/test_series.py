"""Seconds made into lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.report.series import MAX_POINTS, course, cumulative, over_time, thinned
from tests.unit.lab.report.samples import make_flow, make_run, make_second


def test_hours_become_six_hundred_points_and_keep_their_mean() -> None:
    seconds = [make_second(at_s=float(at), delay_ms=50.0 + at % 7) for at in range(1, 3601)]
    line = over_time(course("relay", [make_run(make_flow(*seconds), duration_s=3600.0)]), "latency")
    assert len(line.points) == MAX_POINTS
    values = [y for _, y in line.points if y is not None]
    assert sum(values) / len(values) == pytest.approx(sum(s.delay_ms or 0 for s in seconds) / 3600)
    assert line.points[0][0] == pytest.approx(3.0)
    assert line.points[-1][0] == pytest.approx(3597.0)


def test_a_short_run_keeps_its_seconds() -> None:
    flow = make_flow(make_second(at_s=1.0), make_second(at_s=2.0, mbit_s=3.0))
    line = over_time(course("relay", [make_run(flow)]), "bitrate")
    assert line.points == ((0.5, 1.0), (1.5, 3.0))
    assert line.band == ()


def test_repeats_are_averaged_and_their_range_is_the_band() -> None:
    runs = [make_run(make_flow(make_second(delay_ms=ms)), repeat=repeat) for repeat, ms in ((1, 40.0), (2, 60.0))]
    line = over_time(course("relay", runs), "latency")
    assert line.points == ((0.5, 50.0),)
    assert line.band == ((0.5, 40.0, 60.0),)


def test_fewer_points_are_means_of_more() -> None:
    seconds = [make_second(at_s=float(at), packets=at, delay_ms=float(at)) for at in range(1, 7)]
    line = over_time(course("relay", [make_run(make_flow(*seconds))]), "latency", 2)
    assert [x for x, _ in line.points] == [1.5, 4.5]
    assert [y for _, y in line.points] == pytest.approx([14 / 6, 77 / 15])


def test_silence_is_a_gap_not_a_zero() -> None:
    seconds = [make_second(at_s=1.0), make_second(at_s=2.0, packets=0, delay_ms=None), make_second(at_s=3.0)]
    assert [y for _, y in over_time(course("a", [make_run(make_flow(*seconds))]), "latency").points] == [
        50.0,
        None,
        50.0,
    ]


def test_loss_is_in_percent_of_what_was_sent() -> None:
    line = over_time(course("a", [make_run(make_flow(make_second(packets=75, lost=25)))]), "loss")
    assert line.points == ((0.5, 25.0),)


@pytest.mark.parametrize("quantity", ["latency", "bitrate", "loss"])
def test_nothing_makes_no_line(quantity: str) -> None:
    assert over_time(course("a", [make_run()]), quantity).points == ()
    assert over_time(course("a", []), quantity).points == ()


def test_a_distribution_climbs_to_all_packets() -> None:
    line = cumulative("a", [((1.0, 1), (2.0, 2)), ((2.0, 1),)])
    assert line.points == ((1.0, 0.0), (1.0, 25.0), (2.0, 25.0), (2.0, 100.0))
    assert cumulative("a", []).points == ()


@given(st.integers(1, 5000), st.integers(2, 700))
def test_thinning_keeps_the_ends_the_order_and_the_limit(count: int, limit: int) -> None:
    points = [(float(place), float(-place)) for place in range(count)]
    found = thinned(points, limit)
    assert len(found) == min(count, limit)
    assert (found[0], found[-1]) == (points[0], points[-1])
    assert found == sorted(set(found))
