"""What is measured of a call: the figures of a report, each with its unit, and how it is had from a run's records.

Delay and jitter are means over packets: each second counts by the packets that came in it, over every sender
and receiver, sound and picture. Rates are means over the pictures that somebody receives. Loss is lost packets by
sent ones. Percentiles are of all packets of all flows together, as the upper edges of the buckets in which they
were counted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lab.experiment.records import Flow, Run, Second

__all__ = ["METRICS", "Metric", "measure", "measure_block", "measure_run", "percentile", "pooled"]


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One figure.

    Attributes:
        key: its name in JSON.
        title: for people.
        unit: as shown, after multiplying with ``scale``.
        decimals: usual number of them.
        verb: with ``advantage``, the sentence of a scenario that does better: "relay is 30 ms faster than far".
        advantage: see there.
        about: how it is had, in one line.
        scale: from the value in JSON to the one shown.
        step: unit of a difference between two, where it is not ``unit``.
        more_is_better: most figures are better when small.
        most: no value is larger; None for no bound.
        may_be_negative: no value is below zero otherwise, and no interval reaches there.
    """

    key: str
    title: str
    unit: str
    decimals: int
    verb: str
    advantage: str
    about: str
    scale: float = 1.0
    step: str = ""
    more_is_better: bool = False
    most: float | None = None
    may_be_negative: bool = False


METRICS: Final = (
    Metric(
        key="video_mbit_s",
        title="Video",
        unit="Mbit/s",
        decimals=2,
        verb="carries",
        advantage="more video than",
        about="Payload received of each picture, mean over senders and receivers.",
        more_is_better=True,
    ),
    Metric(
        key="latency_ms",
        title="Latency",
        unit="ms",
        decimals=1,
        verb="is",
        advantage="faster than",
        about="One-way delay from the sender's clock to reception, mean over all packets of sound and picture.",
    ),
    Metric(
        key="jitter_ms",
        title="Jitter",
        unit="ms",
        decimals=2,
        verb="has",
        advantage="less jitter than",
        about="Mean difference of the delays of packets that follow each other (RFC 3550's, unsmoothed).",
    ),
    Metric(
        key="loss",
        title="Loss",
        unit="%",
        decimals=2,
        verb="loses",
        advantage="less than",
        about="Packets sent that nobody received, after all repair, by packets sent.",
        scale=100,
        step="percentage points",
        most=1.0,
    ),
    Metric(
        key="freezes",
        title="Freezes",
        unit="a minute",
        decimals=2,
        verb="freezes",
        advantage="less often than",
        about="Silences of a picture beyond 200 ms or three usual distances, by minutes of pictures received.",
        step="times a minute",
    ),
    Metric(
        key="frozen",
        title="Time frozen",
        unit="%",
        decimals=2,
        verb="stands still",
        advantage="less than",
        about="How long those silences were, by the time measured.",
        scale=100,
        step="percentage points",
        most=1.0,
    ),
    Metric(
        key="first_frame_ms",
        title="First picture",
        unit="ms",
        decimals=0,
        verb="shows the first picture",
        advantage="sooner than",
        about="From the wish to join until the first whole picture, mean over senders and receivers.",
    ),
    Metric(
        key="latency_p95_ms",
        title="Latency p95",
        unit="ms",
        decimals=1,
        verb="has a 95th percentile",
        advantage="lower than",
        about="What 95 % of all packets do not exceed.",
    ),
    Metric(
        key="latency_p99_ms",
        title="Latency p99",
        unit="ms",
        decimals=1,
        verb="has a 99th percentile",
        advantage="lower than",
        about="What 99 % of all packets do not exceed.",
    ),
    Metric(
        key="hop_added_ms",
        title="Added on the way",
        unit="ms",
        decimals=2,
        verb="adds in its nodes and by resends",
        advantage="less than",
        about="Mean delay less what packets took on the steps of the way: the time in nodes, and what resends cost.",
        may_be_negative=True,
    ),
)
"""In the order of the table. The first five decide the headline."""


def measure_run(run: Run) -> dict[str, float | None]:
    """Every metric of a run by its key; None for what it did not measure."""
    return {**measure(run.flows), "hop_added_ms": _mean(run.hop_added_ms.values())}


def measure(flows: Sequence[Flow]) -> dict[str, float | None]:
    """Every metric of these flows but what nodes added, by its key; None for what they did not measure."""
    pictures = [flow for flow in flows if flow.kind == "video"]
    latency_ms, jitter_ms = _by_packets(second for flow in flows for second in flow.seconds)
    watched_s = math.fsum(second.length_s for flow in pictures for second in flow.seconds)
    delays = pooled(flow.delays_ms for flow in flows)
    return {
        "video_mbit_s": _mean(rate for flow in pictures if (rate := _rate(flow)) is not None),
        "latency_ms": latency_ms,
        "jitter_ms": jitter_ms,
        "loss": _ratio(sum(flow.lost for flow in flows), sum(flow.sent for flow in flows)),
        "freezes": _ratio(sum(flow.freezes for flow in pictures), watched_s / 60),
        "frozen": _ratio(math.fsum(flow.frozen_s for flow in pictures), watched_s),
        "first_frame_ms": _mean(flow.first_frame_ms for flow in pictures if flow.seconds),
        "latency_p95_ms": percentile(delays, 0.95),
        "latency_p99_ms": percentile(delays, 0.99),
    }


def measure_block(run: Run, start_s: float, end_s: float) -> dict[str, float | None]:
    """The metrics that a part of a run has too, by key: those that are measured by the second."""
    chosen = [
        (flow.kind, [s for s in flow.seconds if start_s <= s.at_s - s.length_s / 2 < end_s]) for flow in run.flows
    ]
    seconds = [second for _, some in chosen for second in some]
    latency_ms, jitter_ms = _by_packets(seconds)
    rates = (_rate_of(some) for kind, some in chosen if kind == "video")
    lost = sum(second.lost for second in seconds)
    return {
        "video_mbit_s": _mean(rate for rate in rates if rate is not None),
        "latency_ms": latency_ms,
        "jitter_ms": jitter_ms,
        "loss": _ratio(lost, lost + sum(second.packets for second in seconds)),
    }


def pooled(buckets: Iterable[Iterable[tuple[float, int]]]) -> tuple[tuple[float, int], ...]:
    """One set of buckets out of several: (upper edge, packets), ascending."""
    counts: dict[float, int] = {}
    for some in buckets:
        for edge, count in some:
            if count > 0 and math.isfinite(edge):
                counts[edge] = counts.get(edge, 0) + count
    return tuple(sorted(counts.items()))


def percentile(buckets: Sequence[tuple[float, int]], share: float) -> float | None:
    """The edge that this share of the packets does not exceed; None of no packets."""
    wanted = share * sum(count for _, count in buckets)
    seen = 0
    for edge, count in buckets:
        seen += count
        if seen >= wanted:
            return edge
    return None


def _rate(flow: Flow) -> float | None:
    # A picture that was sent and of which nothing is known to have come was not "not measured".
    return 0.0 if not flow.seconds and flow.sent else _rate_of(flow.seconds)


def _rate_of(seconds: Sequence[Second]) -> float | None:
    megabits = math.fsum(second.mbit_s * second.length_s for second in seconds)
    return _ratio(megabits, math.fsum(second.length_s for second in seconds))


def _mean(values: Iterable[float]) -> float | None:
    some = [value for value in values if math.isfinite(value)]
    return _ratio(math.fsum(some), len(some))


def _by_packets(seconds: Iterable[Second]) -> tuple[float | None, float | None]:
    """Mean delay and jitter of the packets of these seconds; one loop, for there may be a million."""
    delays = jitters = 0.0
    delayed = jittered = 0
    for second in seconds:
        delay, jitter, packets = second.delay_ms, second.jitter_ms, second.packets
        if delay is not None and math.isfinite(delay):
            delays += delay * packets
            delayed += packets
        if jitter is not None and math.isfinite(jitter):
            jitters += jitter * packets
            jittered += packets
    return _ratio(delays, delayed), _ratio(jitters, jittered)


def _ratio(above: float, below: float) -> float | None:
    return above / below if below > 0 and math.isfinite(above) else None
