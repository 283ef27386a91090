"""Parts of the page."""

import msgspec

from lab.experiment.records import Happening
from lab.report.sections import cards, happenings, ways
from lab.report.statistics import compare, summarise
from tests.unit.lab.report.samples import make_run, make_topology, visage_runs


def test_what_happens_in_every_repeat_is_marked_once_and_twice_in_a_run_twice() -> None:
    runs = [
        msgspec.structs.replace(
            make_run(scenario="kill", repeat=repeat),
            happenings=(Happening(at_s=10.0 + repeat, what="cut"), Happening(at_s=30.0, what="cut")),
        )
        for repeat in (1, 2, 3)
    ]
    assert happenings(summarise(runs)) == [(1, (12.0, "kill", "cut")), (2, (30.0, "kill", "cut"))]


def test_every_card_has_an_interval_of_every_scenario() -> None:
    summaries = summarise(visage_runs(repeats=2, duration_s=10))
    drawn = cards(summaries, compare(summaries))
    for card in drawn:
        bars = [node.get("class") for node in card.iter("line") if (node.get("class") or "").startswith("interval")]
        assert bars == ["interval s0", "interval s1", "interval s2"]


def test_a_way_and_its_way_back_are_one_strip() -> None:
    summaries = summarise(visage_runs(repeats=2, duration_s=5))
    strips = list(ways(make_topology(), summaries).iter("ol"))
    assert len(strips) == len(summaries)
    assert ["".join(item.itertext()) for item in strips[0]][::2] == ["eu-peer", "sin-node", "hcm-node", "vn-peer"]


def test_many_ways_are_folded() -> None:
    run = visage_runs(repeats=1, duration_s=5)[0]
    few, many = (
        ways(make_topology(), summarise([msgspec.structs.replace(run, scenario=f"s{place}") for place in range(count)]))
        for count in (6, 7)
    )
    assert [len(list(drawn.iter("details"))) for drawn in (few, many)] == [0, 1]
