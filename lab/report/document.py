"""The report for programs: one JSON document, whose numbers are finite or null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from lab.report.caveats import caveats, trouble_of
from lab.report.measures import METRICS, measure
from lab.report.sentences import answer, best, headline, method_note
from lab.report.statistics import BLOCKS, CONFIDENCE, interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.report.statistics import Comparison, Summary
    from lab.topology import Topology

__all__ = ["FORMAT", "encode_document", "flow_figures"]

FORMAT: Final = 1
"""Raised when a field changes its meaning; new fields do not raise it."""


def encode_document(summaries: Sequence[Summary], comparisons: Sequence[Comparison], topology: Topology) -> bytes:
    """Encode all figures with intervals, the comparisons, the network and what was run."""
    said = headline(summaries, comparisons)
    document = {
        "format": FORMAT,
        "headline": said,
        "caveats": caveats(summaries),
        "scenarios": [_scenario(each) for each in summaries],
        "comparisons": comparisons,
        "answers": {metric.key: answer(metric, summaries, comparisons) for metric in METRICS},
        "best": {metric.key: sorted(best(metric, summaries, comparisons)) for metric in METRICS},
        "metrics": {
            metric.key: {
                "title": metric.title,
                "about": metric.about,
                "unit": metric.unit,
                "shown_times": metric.scale,
                "more_is_better": metric.more_is_better,
            }
            for metric in METRICS
        },
        "topology": _topology(topology),
        "settings": {
            "confidence": CONFIDENCE,
            "blocks": BLOCKS,
            "method": method_note(summaries),
            "participants": sorted({run.participants for each in summaries for run in each.runs}),
        },
    }
    # msgspec writes what is not finite as null; a reader of JSON has no other word for it.
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def flow_figures(summary: Summary) -> list[dict[str, Any]]:
    """What each pair of people and kind of media measured, means over repeats: keys of metrics and of `Flow`."""
    flows = {(flow.sender, flow.receiver, flow.kind): None for run in summary.runs for flow in run.flows}
    return [_flow(summary, *key) for key in flows]


def _flow(summary: Summary, sender: str, receiver: str, kind: str) -> dict[str, Any]:
    key = (sender, receiver, kind)
    found = [flow for run in summary.runs for flow in run.flows if (flow.sender, flow.receiver, flow.kind) == key]
    measured = [measure([flow]) for flow in found]
    figures: dict[str, Any] = {"sender": sender, "receiver": receiver, "kind": kind, "runs": len(found)}
    for metric in METRICS[:-1]:
        figures[metric.key] = interval((each[metric.key] for each in measured), "repeats", metric).mean
    figures["latency_p50_ms"] = interval((flow.delay_p50_ms for flow in found if flow.seconds), "repeats").mean
    rates = (sum(s.mbit_s * s.length_s for s in flow.seconds) for flow in found)
    lengths = (sum(s.length_s for s in flow.seconds) for flow in found)
    figures["mbit_s"] = interval((r / s for r, s in zip(rates, lengths, strict=True) if s > 0), "repeats").mean
    if kind == "audio":
        figures["first_frame_ms"] = interval((f.first_frame_ms for f in found if f.seconds), "repeats").mean
    figures["sent"] = sum(flow.sent for flow in found)
    figures["lost"] = sum(flow.lost for flow in found)
    return figures


def _scenario(summary: Summary) -> dict[str, Any]:
    return {
        "scenario": summary.scenario,
        "metrics": summary.metrics,
        "flows": flow_figures(summary),
        "runs": [
            {
                "repeat": run.repeat,
                "started": run.started,
                "duration_s": run.duration_s,
                "participants": run.participants,
                "trouble": trouble_of(run),
                "metrics": {key: values[place] for key, values in summary.values.items()},
                "happenings": run.happenings,
                "hop_added_ms": run.hop_added_ms,
                "figures": run.figures,
            }
            for place, run in enumerate(summary.runs)
        ],
        "places": summary.runs[-1].places,
        "paths": summary.runs[-1].paths,
    }


def _topology(topology: Topology) -> dict[str, Any]:
    return {
        "name": topology.name,
        "about": topology.about,
        "seed": topology.seed,
        "mtu": topology.mtu,
        "regions": topology.regions,
        "hosts": topology.hosts,
        "paths": [
            {"from": sender, "to": receiver, **msgspec.structs.asdict(conditions)}
            for (sender, receiver), conditions in topology.conditions.items()
            if sender != receiver
        ],
        "sources": [{"between": between, "source": source} for between, source in topology.sources.items()],
    }
