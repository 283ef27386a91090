"""The steps of the way from person to person, and what nodes add."""

from __future__ import annotations

from lab import load_preset
from lab.emulator import PathStatistics, WanStatistics
from lab.experiment.records import Flow, Second
from node.lab.traffic import Traffic
from node.lab.ways import added_ms, ways

TOPOLOGY = load_preset("visage")


def network(sent: int, lost: int, took_us: int = 0) -> WanStatistics:
    path = PathStatistics(
        sender="sin-node",
        receiver="hcm-node",
        sent=sent,
        sent_bytes=0,
        delivered=sent - lost,
        lost=lost,
        cut=0,
        overflowed=0,
        refused=0,
        took_us=took_us,
    )
    return WanStatistics(unroutable=0, crowded_out=0, under_way=0, max_late_us=0, cpu_s=0.0, paths=(path,))


def test_a_way_has_what_is_emulated_and_what_was_measured() -> None:
    found = ways(
        TOPOLOGY.scenarios["relay"],
        TOPOLOGY,
        Traffic(nodes=("sin-node", "hcm-node"), began_s=0.0),
        {frozenset(("hcm-node", "sin-node")): 36.5},
        network(100, 50),
        network(300, 60),
    )
    assert set(found) == {"eu-peer>vn-peer", "vn-peer>eu-peer"}
    there = [(hop.from_host, hop.to_host, hop.emulated_rtt_ms, hop.measured_rtt_ms) for hop in found["eu-peer>vn-peer"]]
    assert there == [
        ("eu-peer", "sin-node", 165.0, None),
        ("sin-node", "hcm-node", 35.0, 36.5),
        ("hcm-node", "vn-peer", 8.0, None),
    ]
    assert [hop.loss for hop in found["eu-peer>vn-peer"]] == [None, 0.05, None]
    assert found["vn-peer>eu-peer"][1].measured_rtt_ms == 36.5, "either end knows a link"


def test_what_nodes_add_is_what_lies_beyond_the_network() -> None:
    second = Second(
        at_s=1, length_s=1, packets=10, lost=0, mbit_s=1.0, delay_ms=110.0, jitter_ms=1.0, longest_gap_ms=30.0
    )
    flow = Flow(
        sender="eu-peer", receiver="vn-peer", kind="video", seconds=(second,), delays_ms=(), jitters_ms=(),
        delay_p50_ms=110, delay_p95_ms=110, delay_p99_ms=110, first_frame_ms=1, freezes=0, frozen_s=0, sent=10, lost=0,
    )  # fmt: skip
    traffic = Traffic(nodes=("sin-node", "hcm-node"), began_s=0.0)
    found = ways(TOPOLOGY.scenarios["relay"], TOPOLOGY, traffic, {}, network(0, 0), network(0, 0))
    assert added_ms(found, [flow]) == {"eu-peer>vn-peer": 110 - (165 + 35 + 8) / 2}
    # The jitter of a path is no node's doing: 100 packets took 19.2 ms each there.
    began, ended = network(100, 0, 1_000_000), network(210, 10, 2_920_000)
    found = ways(TOPOLOGY.scenarios["relay"], TOPOLOGY, traffic, {}, began, ended)
    assert [hop.took_ms for hop in found["eu-peer>vn-peer"]] == [None, 19.2, None]
    assert added_ms(found, [flow]) == {"eu-peer>vn-peer": round(110 - 165 / 2 - 19.2 - 8 / 2, 3)}
