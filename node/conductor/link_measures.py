"""One hop after the other for ``/metrics``: what each link to another node measures and carries.

A label names the node at the far end; nodes are the operator's own and few, unlike people and tracks. While a link is
made anew it has two ends, which are one row here: what they carried is summed up, of what they measure the better
counts.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Final

from node.http.backend import Sample
from relay.link_peer import node_of_link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sfu import LegStatistics, PeerStatistics, Statistics
    from signalling.ids import NodeId

MEASURED: Final = (
    ("link_rtt_seconds", "Round trip by keepalives.", "rtt_ms", 1000),
    ("link_jitter_seconds", "Variation of the keepalives' round trips.", "jitter_ms", 1000),
    ("link_loss_ratio", "Share of packets from there that were lost of late, before repair.", "loss", 1),
    ("link_estimate_bits_per_second", "What the path carries, while it is the limit.", "estimate_bps", 1),
)
"""Name, sentence, where an end has it, and how many of its units are one of ours."""


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
    gauge = partial(Sample.gauge, node=node)
    carrying = [end for end in ends if end.state == "connected"]
    yield gauge("link_connected", "1 while the link carries, 0 while it is made or suspect.", float(bool(carrying)))
    for name, sentence, field, unit in MEASURED:
        known = [value / unit for end in carrying or ends if (value := getattr(end, field)) is not None]
        if known:
            yield gauge(name, sentence, min(known))
    for direction in ("in", "out"):
        packets = sum(getattr(end, f"packets_{direction}") for end in ends)
        carried = sum(getattr(end, f"bytes_{direction}") for end in ends)
        count = sum(leg.outgoing is (direction == "out") for leg in legs)
        way = partial(gauge, direction=direction)
        yield way("link_packets", "Media packets since the link was made; their rate is the load.", packets)
        yield way("link_bytes", "Their bytes; the rate is the bitrate.", carried)
        yield way("link_legs", "Tracks on the link.", count)
