"""One hop after the other for ``/metrics``: what each link to another node measures and carries.

A label names the node at the far end; nodes are the operator's own and few, unlike people and tracks. While a link is
made anew it has two ends, which are one row here: what they carried is summed up, of what they measure the better
counts.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from node.http.backend import Sample
from relay.link_peer import node_of_link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sfu import LegStatistics, PeerStatistics, Statistics
    from signalling.ids import NodeId


def link_samples(statistics: Statistics) -> Iterator[Sample]:
    """Read the links out of one reading of the engine, by the far node."""
    ends: dict[NodeId, list[PeerStatistics]] = defaultdict(list)
    legs: dict[NodeId, list[LegStatistics]] = defaultdict(list)
    for peer in statistics.peers:
        if peer.kind == "link" and (node := node_of_link(peer.peer)) is not None:
            ends[node].append(peer)
    for leg in statistics.legs:
        if (node := node_of_link(leg.peer)) is not None:
            legs[node].append(leg)
    for node in sorted(ends):
        yield from _of_link(node, ends[node], legs[node])


def _of_link(node: NodeId, ends: list[PeerStatistics], legs: list[LegStatistics]) -> Iterator[Sample]:
    def gauge(name: str, sentence: str, value: float, **labels: str) -> Sample:
        return Sample(name=f"link_{name}", kind="gauge", help=sentence, value=value, labels={"node": node, **labels})

    carrying = [end for end in ends if end.state == "connected"]
    yield gauge("connected", "1 while the link carries, 0 while it is made or suspect.", float(bool(carrying)))
    measured: tuple[tuple[str, str, Callable[[PeerStatistics], float | None]], ...] = (
        ("rtt_seconds", "Round trip by keepalives.", lambda end: _seconds(end.rtt_ms)),
        ("jitter_seconds", "Variation of the keepalives' round trips.", lambda end: _seconds(end.jitter_ms)),
        ("loss_ratio", "Share of packets from there that were lost of late, before repair.", lambda end: end.loss),
        ("estimate_bits_per_second", "What the path carries, while it is the limit.", lambda end: end.estimate_bps),
    )
    for name, sentence, value_of in measured:
        known = [value for end in carrying or ends if (value := value_of(end)) is not None]
        if known:
            yield gauge(name, sentence, min(known))
    for direction in ("in", "out"):
        packets = sum(getattr(end, f"packets_{direction}") for end in ends)
        carried = sum(getattr(end, f"bytes_{direction}") for end in ends)
        yield gauge(
            "packets", "Media packets since the link was made; their rate is the load.", packets, direction=direction
        )
        yield gauge("bytes", "Their bytes; the rate is the bitrate.", carried, direction=direction)
        count = sum(leg.outgoing is (direction == "out") for leg in legs)
        yield gauge("legs", "Tracks on the link.", count, direction=direction)


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000
