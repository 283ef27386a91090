"""From what everybody sampled to what went from everybody to everybody: pure."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

from lab.experiment.records import Flow, Second

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lab.experiment.samples import MediaSample, Sample
    from signalling.client.messages import MediaKind

__all__ = ["flows", "mean_delay_ms"]

KINDS: Final[tuple[MediaKind, ...]] = ("audio", "video")

GONE_MS: Final = 2000.0
"""A flow that is silent for longer at the end has lost all that was sent meanwhile; nothing later shows the loss."""


def flows(
    samples: Mapping[str, Sequence[Sample]],
    people: Sequence[str],
    wished_s: Mapping[str, float],
    *,
    began_s: float,
    duration_s: float,
) -> tuple[Flow, ...]:
    """Make the flows of a run.

    Args:
        samples: What each person wrote, in order of time; those after the measured time settle what was lost.
        people: Their names, in order of their stamps.
        wished_s: When each wished to be in.
        began_s: When measuring began, by the clock of the samples.
        duration_s: How long it measured.
    """
    cut = {name: _cut(samples[name], began_s, duration_s) for name in people}
    made = []
    for stamp, sender in enumerate(people):
        for receiver in people:
            if sender == receiver:
                continue
            both_wished_s = max(wished_s[sender], wished_s[receiver])
            for kind in KINDS:
                pieces = _pieces(cut[receiver], stamp, kind)
                if pieces:
                    sent = _sent(cut[sender], kind)
                    made.append(_flow(sender, receiver, kind, pieces, sent, began_s, both_wished_s))
    return tuple(made)


def mean_delay_ms(flows: Iterable[Flow]) -> float | None:
    """Mean delay of all packets of these flows; None when there are none."""
    packets, total_ms = 0, 0.0
    for flow in flows:
        for second in flow.seconds:
            if second.delay_ms is not None:
                packets += second.packets
                total_ms += second.delay_ms * second.packets
    return total_ms / packets if packets else None


class _Window:
    """Samples of one person: the one before the measured time, those of it, and the last one after it."""

    def __init__(self, base: Sample | None, inside: list[Sample], settled: Sample | None) -> None:
        self.base = base
        self.inside = inside
        self.settled = settled


def _cut(samples: Sequence[Sample], began_s: float, duration_s: float) -> _Window:
    base = settled = None
    inside = []
    for sample in samples:
        # Samples are due on whole seconds and taken a little later.
        due = math.floor(sample.at_s - began_s + 0.05)
        if due <= 0:
            base = sample
        elif due <= duration_s:
            inside.append(sample)
        settled = sample
    return _Window(base, inside, settled)


class _Piece:
    """Two samples of one flow that follow each other; the earlier one is None before its first packet."""

    def __init__(self, since_s: float, at_s: float, before: MediaSample | None, after: MediaSample) -> None:
        self.since_s = since_s
        self.at_s = at_s
        self.before = before
        self.after = after


def _pieces(window: _Window, stamp: int, kind: MediaKind) -> tuple[list[_Piece], MediaSample | None] | None:
    before, since_s = None, None
    if window.base is not None:
        before, since_s = _find(window.base, stamp, kind), window.base.at_s
    pieces = []
    for sample in window.inside:
        after = _find(sample, stamp, kind)
        if after is not None and since_s is not None:
            pieces.append(_Piece(since_s, sample.at_s, before, after))
        before, since_s = after, sample.at_s
    settled = None if window.settled is None else _find(window.settled, stamp, kind)
    return (pieces, settled) if pieces else None


def _find(sample: Sample, stamp: int, kind: MediaKind) -> MediaSample | None:
    for one in sample.received:
        if (one.stamp, one.kind) == (stamp, kind):
            return one
    return None


def _sent(window: _Window, kind: MediaKind) -> int:
    first = window.base.sent.get(kind, 0) if window.base is not None else 0
    return window.inside[-1].sent.get(kind, 0) - first if window.inside else 0


def _flow(
    sender: str,
    receiver: str,
    kind: MediaKind,
    found: tuple[list[_Piece], MediaSample | None],
    sent: int,
    began_s: float,
    both_wished_s: float,
) -> Flow:
    pieces, settled = found
    first, last = pieces[0].before, pieces[-1].after
    delays, jitters = Counter[int](), Counter[int]()
    for piece in pieces:
        delays.update(dict(piece.after.delays_us))
        jitters.update(dict(piece.after.jitters_us))
    packets = last.packets - (first.packets if first else 0)
    holes = _holes(settled or last) - _holes(first)
    # Holes close and open a little after the measured time; nobody loses more than was sent.
    lost = min(max(holes, 0), sent)
    if last.gap_ms > GONE_MS:
        lost = max(lost, sent - packets)
    freezes = last.freezes - (first.freezes if first else 0)
    frozen_ms = last.frozen_ms - (first.frozen_ms if first else 0.0)
    return Flow(
        sender=sender,
        receiver=receiver,
        kind=kind,
        seconds=tuple(_second(piece, began_s) for piece in pieces),
        delays_ms=_buckets(delays),
        jitters_ms=_buckets(jitters),
        delay_p50_ms=_quantile_ms(delays, 0.5),
        delay_p95_ms=_quantile_ms(delays, 0.95),
        delay_p99_ms=_quantile_ms(delays, 0.99),
        first_frame_ms=0.0 if last.first_frame_at_s is None else max(0.0, last.first_frame_at_s - both_wished_s) * 1000,
        freezes=max(freezes, 0),
        frozen_s=max(frozen_ms, 0.0) / 1000,
        sent=sent,
        lost=lost,
    )


def _holes(one: MediaSample | None) -> int:
    return 0 if one is None else one.lost + one.missing


def _second(piece: _Piece, began_s: float) -> Second:
    before, after = piece.before, piece.after
    length_s = piece.at_s - piece.since_s

    def grown(name: str) -> float:
        value: float = getattr(after, name) - (getattr(before, name) if before is not None else 0)
        return value

    packets = int(grown("packets"))
    # Of packets, or of pictures where a browser plays.
    delays = sum(count for _edge, count in after.delays_us)
    jitters = sum(count for _edge, count in after.jitters_us)
    return Second(
        at_s=round(piece.at_s - began_s, 3),
        length_s=round(length_s, 3),
        packets=packets,
        lost=int(grown("lost")),
        mbit_s=grown("bytes") * 8 / length_s / 1e6,
        delay_ms=grown("delay_sum_ms") / delays if delays else None,
        jitter_ms=grown("jitter_sum_ms") / jitters if jitters else None,
        longest_gap_ms=after.gap_ms,
    )


def _buckets(counts: Counter[int]) -> tuple[tuple[float, int], ...]:
    return tuple((edge / 1000, counts[edge]) for edge in sorted(counts))


def _quantile_ms(counts: Counter[int], share: float) -> float:
    rank = max(1, math.ceil(counts.total() * share))
    seen = 0
    for edge in sorted(counts):
        seen += counts[edge]
        if seen >= rank:
            return edge / 1000
    return 0.0
