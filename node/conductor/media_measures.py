"""The engine's numbers for ``/metrics``: sums over peers, tracks, legs and lines, and what each worker does.

Rows stay in the engine, but for links (:mod:`node.conductor.link_measures`): a label for each participant or track
would make as many series as there ever were, and say who was where. What a number means is said at the engine's own
records (:mod:`sfu.protocol`).
"""

from __future__ import annotations

from statistics import quantiles
from typing import TYPE_CHECKING, Final

import trio

from node.conductor.link_measures import link_samples
from node.http.backend import Sample
from sfu import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sfu import Engine, PeerStatistics, Statistics

READ_EVERY_S: Final = 1.0
"""However often somebody asks, the engine is read once a second at most."""

LINE_STATES: Final = ("waiting", "flowing", "paused", "starved")

KINDS: Final = ("publisher", "subscriber", "link")

_gauge, _counter = Sample.gauge, Sample.counter


class MediaMeasures:
    """Reads an engine, at most once a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._read_at = -READ_EVERY_S
        self._samples: tuple[Sample, ...] = ()

    async def samples(self) -> tuple[Sample, ...]:
        """Read the numbers; none while the engine is being replaced or does not answer in time.

        Whoever asks while somebody reads gets the reading before.
        """
        now = trio.current_time()
        if now - self._read_at >= READ_EVERY_S:
            self._read_at = now
            try:
                self._samples = tuple(media_samples(await self._engine.statistics()))
            except EngineError:
                self._samples = ()
        else:
            await trio.lowlevel.checkpoint()
        return self._samples


def media_samples(statistics: Statistics) -> Iterator[Sample]:
    """Sum up one reading."""
    for kind in KINDS:
        yield from _of_peers(kind, [peer for peer in statistics.peers if peer.kind == kind])
    tracks, legs = statistics.tracks, statistics.legs
    for relayed in (False, True):
        count = sum(track.relayed is relayed for track in tracks)
        origin = "link" if relayed else "publisher"
        yield _gauge("media_tracks", "Tracks with media, by where they come from.", count, origin=origin)
    yield from link_samples(statistics)
    asked = sum(track.keyframe_requests for track in tracks)
    yield _gauge("media_keyframes_asked", "Whole pictures asked of the sources of living tracks.", asked)
    for outgoing in (False, True):
        ways = [leg for leg in legs if leg.outgoing is outgoing]
        way = "out" if outgoing else "in"
        yield _gauge("media_legs", "Tracks on links to other nodes.", len(ways), direction=way)
        carried = sum(leg.bytes for leg in ways)
        yield _gauge("media_leg_bytes", "Bytes of frames on the legs there are.", carried, direction=way)
    for state in LINE_STATES:
        count = sum(line.state == state for line in statistics.lines)
        yield _gauge("media_lines", "Pictures on their way to subscribers, by what they get.", count, state=state)
    for worker in statistics.workers:
        label = {"worker": str(worker.worker)}
        busy_s = worker.busy_ms / 1000
        yield _counter("media_worker_busy_seconds_total", "Time in turns; its rate is the load.", busy_s, **label)
        yield _counter("media_worker_turns_total", "Rounds of reading and sending.", worker.turns, **label)
        yield _gauge("media_worker_peers", "Peers on a worker.", worker.peers, **label)
        yield _gauge("media_worker_waiting", "Commands and packets not looked at.", worker.waiting, **label)
    yield _gauge("media_memory_bytes", "Resident memory of the engine.", statistics.memory_bytes)
    yield _gauge("media_queued_bytes", "Messages of the engine that this node has not read.", statistics.queued_bytes)
    for what, count in sorted(statistics.counters.items()):
        sentence = "What the engine read, sent, dropped and ignored, by name."
        yield _counter("media_events_total", sentence, count, what=what)


def _of_peers(kind: str, peers: list[PeerStatistics]) -> Iterator[Sample]:
    label = {"kind": kind}
    for state in ("connecting", "connected", "suspect"):
        count = sum(peer.state == state for peer in peers)
        yield _gauge("media_peers", "Peer connections, by kind and state.", count, state=state, **label)
    for direction in ("in", "out"):
        way = {"direction": direction, **label}
        packets = sum(getattr(peer, f"packets_{direction}") for peer in peers)
        carried = sum(getattr(peer, f"bytes_{direction}") for peer in peers)
        yield _gauge("media_packets", "RTP packets of the peers there are.", packets, **way)
        yield _gauge("media_bytes", "RTP bytes of the peers there are.", carried, **way)
    yield _gauge("media_nacks", "Requests for resends of the peers there are.", sum(p.nacks for p in peers), **label)
    estimate = sum(peer.estimate_bps or 0 for peer in peers)
    yield _gauge("media_estimate_bits_per_second", "What the ways to peers carry, summed up.", estimate, **label)
    desired = sum(peer.desired_bps or 0 for peer in peers)
    yield _gauge("media_desired_bits_per_second", "What wanted layers take, summed up.", desired, **label)
    yield from _spread("media_loss_ratio", "Share of packets lost of late, over peers.", (p.loss for p in peers), label)
    yield from _spread("media_rtt_seconds", "Round trips, over peers.", (_seconds(p.rtt_ms) for p in peers), label)
    yield from _spread(
        "media_handshake_seconds",
        "From opening to connected, over the peers there are.",
        (_seconds(p.handshake_ms) for p in peers),
        label,
    )


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


def _spread(name: str, sentence: str, values: Iterable[float | None], label: dict[str, str]) -> Iterator[Sample]:
    """The median and the 99th percentile of what is known."""
    known = [value for value in values if value is not None]
    if not known:
        return
    cuts = quantiles(known, n=100, method="inclusive") if len(known) > 1 else known * 99
    for quantile, at in (("0.5", 49), ("0.99", 98)):
        yield _gauge(name, sentence, cuts[at], quantile=quantile, **label)
