"""Scenarios in a topology's file: what is read, and what is refused."""

from __future__ import annotations

import pytest

from lab import LabError, load_preset, presets
from lab.topology import parse_topology

NETWORK = """
name = "three"
[regions.near]
latitude = 52
longitude = 5
[regions.far]
latitude = 1
longitude = 104
[[hosts]]
name = "ann"
region = "near"
[[hosts]]
name = "bob"
region = "far"
[[hosts]]
name = "n1"
region = "near"
[[hosts]]
name = "n2"
region = "far"
[[paths]]
between = ["near", "far"]
rtt_ms = 150
[scenarios.relay]
places = { ann = "n1", bob = "n2" }
"""

STEPS = "[[scenarios.relay.steps]]\nat = 0.5\n"


def test_a_scenario_says_who_is_where_and_what_is_done() -> None:
    more = 'kill = "n1"\n[[scenarios.relay.steps]]\nat = 0.6\nset = ["near", "far"]\nchange = { loss = 0.1 }'
    scenario = parse_topology((NETWORK + STEPS + more).encode()).scenarios["relay"]
    assert scenario.all_nodes() == ("n1", "n2")
    assert [step.described() for step in scenario.steps] == ["n1 is killed", "near to far: loss 0.1"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('[scenarios.one]\nplaces = { ann = "n1", eve = "n2" }', "scenarios.one: there is no host 'eve'"),
        ('[scenarios.one]\nplaces = { ann = "n1", bob = "n9" }', "there is no host 'n9'"),
        ('[scenarios.one]\nplaces = { ann = "n1", n1 = "n2" }', "both a person and a node"),
        ('[scenarios.one]\nplaces = { ann = "n1" }', "length >= 2"),
        ('[scenarios.one]\nplaces = { ann = "n1", bob = "n2" }\nnode = []', "allowed are places, about, nodes"),
        (STEPS, "each does one of kill"),
        (STEPS + 'kill = "n1"\nheal = true', "each does one of kill"),
        (STEPS + 'kill = "ann"', "'ann' is no node there; nodes are n1, n2"),
        (STEPS + 'cut = ["near", "mars"]', "no host or region 'mars'"),
        (STEPS + 'murder = "n1"', "allowed are at, kill"),
        (STEPS + "heal = true\n[[scenarios.relay.steps]]\nat = 0.4\nheal = true", "in order of time"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(more: str, words: str) -> None:
    with pytest.raises(LabError, match=words) as refused:
        parse_topology((NETWORK + more).encode())
    assert refused.value.code == "topology_invalid"


def test_presets_for_experiments_have_a_relay_and_single_nodes() -> None:
    with_scenarios = {name: load_preset(name).scenarios for name in presets() if load_preset(name).scenarios}
    assert set(with_scenarios) == {"europe-vietnam", "visage", "visage-europe"}
    for scenarios in with_scenarios.values():
        assert len(scenarios["relay"].all_nodes()) == 2
        singles = [one for name, one in scenarios.items() if name.startswith("single-")]
        assert {len(one.all_nodes()) for one in singles} == {1}
        assert len(singles) >= 2
    assert {"direct-bad-path", "node-kill", "partition"} < set(with_scenarios["europe-vietnam"])
