"""Topologies: what is read, what is refused and how, and whether the presets can be true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import Change, Conditions, LabError, load_preset, load_topology, presets
from lab.topology import parse_topology
from membership.distance.estimate import Position, rtt_floor_ms

if TYPE_CHECKING:
    from pathlib import Path

TWO = """
name = "two"
[everywhere]
jitter_ms = 0.5
loss = 0.01
[regions.near]
latitude = 52
longitude = 5
[regions.far]
latitude = 1
longitude = 104
[[hosts]]
name = "a"
region = "near"
[[hosts]]
name = "b"
region = "near"
[[hosts]]
name = "c"
region = "far"
address = "192.0.2.7"
[[paths]]
between = ["far", "near"]
rtt_ms = 160
loss = 0.02
source = "a table"
"""


def refusal(text: str) -> str:
    with pytest.raises(LabError) as caught:
        parse_topology(text.encode())
    assert caught.value.code == "topology_invalid"
    return caught.value.message


def test_every_two_hosts_have_a_path_both_ways() -> None:
    topology = parse_topology(TWO.encode())
    far = Conditions(rtt_ms=160, jitter_ms=0.5, loss=0.02)
    assert len(topology.conditions) == 9
    assert topology.conditions["a", "c"] == topology.conditions["c", "b"] == far
    assert topology.conditions["a", "b"] == Conditions(rtt_ms=0.6)
    assert topology.conditions["a", "a"] == Conditions(rtt_ms=0)
    assert [host.address for host in topology.hosts] == ["10.77.1.1", "10.77.1.2", "192.0.2.7"]
    assert topology.sources == {("far", "near"): "a table"}


def test_two_hosts_may_have_a_path_of_their_own() -> None:
    topology = parse_topology((TWO + '[[paths]]\nbetween = ["a", "c"]\nrtt_ms = 90\n').encode())
    assert topology.conditions["c", "a"] == Conditions(rtt_ms=90, jitter_ms=0.5, loss=0.02)
    assert topology.conditions["b", "c"].rtt_ms == 160


def test_names_mean_hosts_regions_or_all() -> None:
    topology = parse_topology(TWO.encode())
    assert topology.named("near") == ("a", "b")
    assert topology.pairs("near", "c", both=False) == {("a", "c"), ("b", "c")}
    assert topology.pairs("c", "a") == {("a", "c"), ("c", "a")}
    assert len(topology.pairs("*", "*")) == 6
    with pytest.raises(LabError, match="no host or region is called 'd'; there are a, b, c, near, far"):
        topology.named("d")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name = ", "nam = ", "unknown field `nam`; allowed are name, about"),
        ("region = ", "regio = ", "unknown field `regio`; allowed are name, region, address"),
        ("rtt_ms = 160", "rtt = 160", "unknown field `rtt`; allowed are rtt_ms, jitter_ms"),
        ("latitude = 52", "latitude = 95", "latitude: Expected `float` <= 90"),
        ("loss = 0.01", "loss = 1.1", "everywhere.loss: Expected `float` <= 1"),
        ("rtt_ms = 160", 'rtt_ms = "160"', "rtt_ms: Expected `float | null`, got `str`"),
        ("rtt_ms = 160", "", "none between far and near that says its rtt_ms"),
        ('"near"]', '"mars"]', "between names 'mars'; it must name two of a, b, c, far, near"),
        ('region = "far"', 'region = "mars"', "'c' is in 'mars'; regions are near, far"),
        ("192.0.2.7", "10.77.1.2", "must be its own"),
        ("192.0.2.7", "localhost", "must be an IPv4 address"),
        ("192.0.2.7", "127.0.0.1", "one that can be sent to"),
        ('name = "b"', 'name = "far"', "'far' is the name of two things"),
        ("[regions.near]", "[regions", "this is no TOML"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(old: str, new: str, said: str) -> None:
    assert said in refusal(TWO.replace(old, new, 1))


def test_a_path_is_said_once() -> None:
    assert "there are two between near and far" in refusal(TWO + '[[paths]]\nbetween = ["near", "far"]\nrtt_ms = 1\n')


def test_an_endless_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "long.toml"
    path.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(LabError, match="bytes"):
        load_topology(path)


def test_an_unknown_preset_is_told_the_known_ones() -> None:
    with pytest.raises(LabError, match="six-regions, visage"):
        load_preset("mars")


@pytest.mark.parametrize("name", presets())
def test_a_preset_is_not_faster_than_light_and_names_its_sources(name: str) -> None:
    topology = load_preset(name)
    places = {
        region: Position(latitude=place.latitude, longitude=place.longitude)
        for region, place in topology.regions.items()
    }
    for sender in topology.hosts:
        for receiver in topology.hosts:
            if sender.region != receiver.region:
                rtt_ms = topology.conditions[sender.name, receiver.name].rtt_ms
                floor_ms = rtt_floor_ms(places[sender.region], places[receiver.region])
                # A path of three times the great circle exists; of ten times, it is a slip of the pen.
                assert floor_ms <= rtt_ms <= 3 * floor_ms + 15, (sender.region, receiver.region, floor_ms)
    assert all(topology.sources.values())
    assert topology.name == name


def test_six_regions_have_two_hosts_each() -> None:
    topology = load_preset("six-regions")
    assert (len(topology.regions), len(topology.hosts)) == (6, 12)
    assert all(len(topology.named(region)) == 2 for region in topology.regions)


def test_the_visage_experiment_has_its_two_ends_and_its_nodes() -> None:
    far, near = load_preset("visage"), load_preset("visage-europe")
    assert [host.name for host in far.hosts] == ["eu-peer", "sin-node", "hcm-node", "vn-peer"]
    assert {host.name for host in near.hosts} - {host.name for host in far.hosts} == {"ams-node"}
    shared = [("sin-node", "hcm-node"), ("sin-node", "vn-peer"), ("hcm-node", "vn-peer")]
    assert all(far.conditions[pair] == near.conditions[pair] for pair in shared)


def test_a_change_leaves_the_rest_alone() -> None:
    conditions = Conditions(rtt_ms=100, loss=0.01, rate_mbit_s=5)
    assert conditions.changed(Change(loss=0.0, reorder=True)) == Conditions(rtt_ms=100, rate_mbit_s=5, reorder=True)
    assert conditions.one_way() == {
        "delay_ms": 50,
        "jitter_ms": 0,
        "loss": 0.01,
        "burst": 1,
        "rate_mbit_s": 5,
        "queue_ms": 200,
        "reorder": False,
    }


def test_a_file_that_does_not_hold_is_named_with_an_example(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"')
    with pytest.raises(LabError, match=r"mine\.toml: .*regions.*lab/presets/"):
        load_topology(file)
