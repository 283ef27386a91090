"""What ``/metrics`` says of each hop."""

from __future__ import annotations

from node.conductor.link_measures import link_samples
from sfu import LegStatistics, PeerStatistics, Statistics
from signalling.ids import PeerId, TrackId


def _end(name: str, *, state: str = "connected", **more: object) -> PeerStatistics:
    traffic = {"packets_in": 5, "bytes_in": 500, "packets_out": 7, "bytes_out": 700}
    return PeerStatistics(peer=PeerId(name), **{"kind": "link", "state": state, **traffic, **more})  # type: ignore[arg-type]


def _leg(peer: str, *, outgoing: bool) -> LegStatistics:
    return LegStatistics(peer=PeerId(peer), leg=1, track=TrackId("t"), outgoing=outgoing, packets=5, bytes=600)


def _read(*peers: PeerStatistics, legs: tuple[LegStatistics, ...] = ()) -> dict[tuple[str, str, str], float]:
    reading = Statistics(id=1, peers=peers, tracks=(), legs=legs, lines=(), workers=(), memory_bytes=0, counters={})
    return {(one.labels["node"], one.name, one.labels.get("direction", "")): one.value for one in link_samples(reading)}


def test_each_link_is_a_row_by_its_far_node() -> None:
    rows = _read(
        _end("link:ams:1", rtt_ms=20.0, jitter_ms=2.0, loss=0.01, estimate_bps=2_000_000),
        _end("link:sgp:4", rtt_ms=180.0, loss=0.0),
        _end("p1", kind="subscriber"),
        legs=(_leg("link:ams:1", outgoing=True), _leg("link:ams:1", outgoing=True), _leg("link:sgp:4", outgoing=False)),
    )
    assert {node for node, _, _ in rows} == {"ams", "sgp"}
    assert rows["ams", "link_connected", ""] == 1
    assert rows["ams", "link_rtt_seconds", ""] == 0.02
    assert rows["ams", "link_jitter_seconds", ""] == 0.002
    assert rows["ams", "link_loss_ratio", ""] == 0.01
    assert rows["ams", "link_estimate_bits_per_second", ""] == 2_000_000
    assert (rows["ams", "link_legs", "out"], rows["ams", "link_legs", "in"]) == (2, 0)
    assert (rows["sgp", "link_legs", "out"], rows["sgp", "link_legs", "in"]) == (0, 1)
    assert (rows["sgp", "link_packets", "out"], rows["sgp", "link_bytes", "in"]) == (7, 500)


def test_what_nobody_measured_is_no_row() -> None:
    rows = _read(_end("link:ams:1", state="connecting"))
    assert rows["ams", "link_connected", ""] == 0
    assert ("ams", "link_rtt_seconds", "") not in rows
    assert ("ams", "link_estimate_bits_per_second", "") not in rows


def test_a_link_with_two_ends_is_one_row() -> None:
    rows = _read(_end("link:ams:1", state="suspect", rtt_ms=900.0), _end("link:ams:2", rtt_ms=20.0))
    assert rows["ams", "link_connected", ""] == 1
    assert rows["ams", "link_rtt_seconds", ""] == 0.02, "of the one that carries"
    assert rows["ams", "link_bytes", "out"] == 1400
