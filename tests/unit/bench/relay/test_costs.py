"""What a hop adds, what a leg costs, how a participant's cost grows."""

from __future__ import annotations

import math

import pytest

from tests.bench.accounting import Usage
from tests.bench.forwarding import Reading
from tests.bench.legs import leg_goals
from tests.bench.relay.growth import Cost, grown
from tests.bench.relay.hop import Added, Way


def way(p50_us: float, p99_us: float) -> Way:
    return Way(packets=100, p50_us=p50_us, p99_us=p99_us)


def cost(engines: float, pythons: float) -> Cost:
    return Cost(
        nodes=2,
        engines=engines,
        pythons=pythons,
        idle_engines=0,
        idle_pythons=0,
        received_per_s=0,
        idle_percent=0,
    )


def reading(cost_us: float) -> Reading:
    usage = Usage(cpu_s=cost_us, packets=1_000_000, seconds=1, idle_percent=50)
    return Reading(usage=usage, due=0, sent=0, missing=0, segments_per_send=1)


def test_a_way_is_summed_up() -> None:
    assert Way.of([float(us) for us in range(1, 101)]) == Way(packets=100, p50_us=50, p99_us=99)
    with pytest.raises(ValueError, match="nothing"):
        Way.of([])


def test_only_what_the_second_one_adds_counts() -> None:
    added = Added(one_node=way(100, 900), two_nodes=way(160, 2400), one_hop=way(30, 200), two_hops=way(70, 700))
    assert added.p50_ratio == 1.5
    assert added.p99_above_ms == 1.0
    assert str(added) == "a node adds p50 60 us, p99 1500 us; a bare hop p50 40 us, p99 500 us"


def test_a_bare_hop_that_adds_nothing_measures_nothing() -> None:
    added = Added(one_node=way(100, 900), two_nodes=way(160, 900), one_hop=way(70, 700), two_hops=way(70, 700))
    assert added.p50_ratio == math.inf


def test_growth_is_judged_round_by_round() -> None:
    few, many = [cost(2, 1), cost(4, 0), cost(0, 0)], [cost(5, 1), cost(4, 1), cost(4, 1)]
    assert grown(few, many) == [2.0, 1.25, math.inf]


def test_a_leg_is_what_sending_takes_beyond_receiving() -> None:
    (goal,) = leg_goals({"input": [reading(10)], "link": [reading(14)], "smooth_10k": [reading(11)]})
    assert goal.measured.median == pytest.approx(0.4)
    assert goal.goal == 0.4


def test_a_leg_among_others_is_judged_by_one_alone() -> None:
    readings = {"input_1": [reading(10)], "legs_1": [reading(14)], "input_30": [reading(10)], "legs_30": [reading(15)]}
    (goal,) = leg_goals(readings)
    assert goal.measured.median == pytest.approx(1.25)
    assert not goal.met


def test_a_round_in_which_sending_cost_nothing_is_missed() -> None:
    readings = {"input_1": [reading(15)], "legs_1": [reading(14)], "input_30": [reading(10)], "legs_30": [reading(15)]}
    assert leg_goals(readings)[0].measured.median == math.inf


def test_what_was_not_measured_is_not_judged() -> None:
    assert leg_goals({}) == []
