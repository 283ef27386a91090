"""The map: hosts in their places, curves apart from each other."""

import re
from xml.etree import ElementTree

import pytest

from lab.report.land import CELL, land
from lab.report.statistics import summarise
from lab.report.worldmap import conditions_label, draw_map
from lab.topology import Topology, load_preset, presets
from tests.unit.lab.report.samples import make_run, make_topology, visage_runs

SIZE = (1000.0, 400.0)


def texts(drawing: ElementTree.Element, kind: str) -> list[str]:
    return [node.text or "" for node in drawing.iter("text") if node.get("class") == kind]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((10.0, 50.0), True),
        ((105.0, 15.0), True),
        ((-150.0, 0.0), False),
        ((-30.0, 40.0), False),
        ((134.0, -25.0), True),
    ],
    ids=["Germany", "Thailand", "Pacific", "Atlantic", "Australia"],
)
def test_land_is_where_it_is(place: tuple[float, float], expected: bool) -> None:
    near = any(abs(lon - place[0]) <= CELL / 2 and abs(lat - place[1]) <= CELL / 2 for lon, lat in land())
    assert near is expected


def test_every_scenario_has_its_ways_and_every_host_its_name() -> None:
    drawing = draw_map(make_topology(), summarise(visage_runs(repeats=2, duration_s=5)), size=SIZE)
    assert set(texts(drawing, "host")) == {"eu-peer", "sin-node", "hcm-node", "vn-peer"}
    curves = [node for node in drawing.iter("path") if (node.get("class") or "").startswith("way")]
    assert {node.get("class") for node in curves} == {"way s0", "way s1", "way s2"}
    assert len({node.get("d") for node in curves}) == len(curves)
    assert set(texts(drawing, "step")) == {"165 ms · 0.02 %", "210 ms · 0.5 %"}


@pytest.mark.parametrize("name", presets())
@pytest.mark.parametrize("size", [SIZE, (340.0, 300.0)])
def test_hosts_of_every_preset_are_on_the_map(name: str, size: tuple[float, float]) -> None:
    topology: Topology = load_preset(name)
    drawing = draw_map(topology, summarise([make_run()]), size=size)
    assert sorted(texts(drawing, "host")) == sorted(host.name for host in topology.hosts)
    for node in drawing.iter("rect"):
        if node.get("class") == "node":
            assert 0 < float(node.get("x", "-1")) < size[0] - 14
            assert 0 < float(node.get("y", "-1")) < size[1] - 14


def test_a_network_across_the_pacific_is_drawn_across_it() -> None:
    topology = load_preset("six-regions")
    drawing = draw_map(topology, summarise([make_run()]), size=SIZE)
    degrees = [int(re.sub(r"\D", "", text)) for text in texts(drawing, "degrees")]
    assert degrees


def test_unknown_loss_is_not_told() -> None:
    assert conditions_label(165.0, None) == "165 ms"
    assert conditions_label(8.0, 0.0) == "8 ms · 0 %"
