"""The report as a page: one file that needs nothing else, so that it can be sent and kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lab.report.caveats import caveats
from lab.report.document import flow_figures
from lab.report.markup import render, tag, unbroken
from lab.report.measures import METRICS
from lab.report.sections import cards, distributions, happenings, legend, over_the_run, ways
from lab.report.sentences import best, figure, headline, joined, method_note
from lab.report.style import STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lab.report.markup import Child, Node
    from lab.report.statistics import Comparison, Summary
    from lab.topology import Topology

__all__ = ["render_page"]

FLOW_COLUMNS = (
    ("mbit_s", "Mbit/s", 1.0, 3),
    ("latency_ms", "latency ms", 1.0, 1),
    ("latency_p50_ms", "p50", 1.0, 1),
    ("latency_p95_ms", "p95", 1.0, 1),
    ("latency_p99_ms", "p99", 1.0, 1),
    ("jitter_ms", "jitter ms", 1.0, 2),
    ("loss", "loss %", 100.0, 3),
    ("freezes", "freezes a minute", 1.0, 2),
    ("first_frame_ms", "first frame ms", 1.0, 0),
)
"""Of the table of flows: key, head, scale, decimals."""


def render_page(summaries: Sequence[Summary], comparisons: Sequence[Comparison], topology: Topology) -> str:
    """The whole page as HTML; it refers to nothing outside itself and runs no script."""
    names = [each.scenario for each in summaries]
    events = happenings(summaries)
    listed = [tag("li", {}, f"{at_s:.1f} s, {scenario}: {what}") for _, (at_s, scenario, what) in events]
    main = tag(
        "main",
        {},
        _header(summaries, comparisons, topology),
        *_headed(
            "Side by side",
            "The marker is the mean, the bar its interval, each tick a repeat. ★ is best, or not to be told from "
            f"the best. {method_note(summaries)}",
        ),
        legend(names),
        cards(summaries, comparisons),
        *_headed(
            "The way that media takes",
            "Squares are nodes, circles are people. Each step has its round trip and its loss before repair; the "
            "lengths below are not to scale.",
        ),
        ways(topology, summaries),
        *_headed("Over time", "The line is the mean of the repeats, the shade behind it their range."),
        *over_the_run(summaries),
        tag("ol", {"class": "happenings"}, *listed) if listed else None,
        *_headed(
            "How packets are spread",
            "The higher and the further left, the better. The axis ends where 99.5 % of the packets are in.",
        ),
        distributions(summaries),
        *_headed("All figures", "Means with their 95 % intervals."),
        _figures(summaries, comparisons),
        *(
            _headed("Differences", "Within each repeat, means with their 95 % intervals; beside them, who is better.")
            if comparisons
            else ()
        ),
        _differences(comparisons) if comparisons else None,
        *_headed("Every sender and receiver", "Means over the repeats."),
        *(_flows(each) for each in summaries),
        *_counted(summaries),
        *_headed("Method and settings", "What was done, so that it can be done again."),
        *_method(summaries, topology),
        tag("footer", {}, "Starling lab. The same figures for programs: the JSON report beside this page."),
    )
    head = tag(
        "head",
        {},
        tag("meta", {"charset": "utf-8"}),
        tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        tag("title", {}, f"Starling lab: {joined(names)} over {topology.name}"),
        tag("style", {}, STYLE),
    )
    return render(tag("html", {"lang": "en"}, head, tag("body", {}, main)))


def _header(summaries: Sequence[Summary], comparisons: Sequence[Comparison], topology: Topology) -> Node:
    said, doubts = headline(summaries, comparisons), caveats(summaries)
    runs = [run for each in summaries for run in each.runs]
    lengths = sorted({run.duration_s for run in runs})
    length = _duration(lengths[0]) if len(lengths) == 1 else f"{_duration(lengths[0])} to {_duration(lengths[-1])}"
    days = sorted({run.started[:10] for run in runs})
    facts = (
        (str(len(runs)), "run" if len(runs) == 1 else "runs"),
        (length, "each"),
        (joined(sorted({run.participants for run in runs})), "participants"),
        (topology.name, "network"),
        (days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}", ""),
    )
    return tag(
        "header",
        {},
        tag("p", {"class": "eyebrow"}, topology.about or topology.name),
        tag("h1", {}, unbroken(said.question), " ", tag("span", {"class": "verdict"}, f"{said.verdict}.")),
        tag("ul", {"class": "sentences"}, *(tag("li", {}, unbroken(each)) for each in said.sentences)),
        tag("ul", {"class": "sentences"}, *(tag("li", {}, f"But {each}.") for each in doubts)) if doubts else None,
        tag("ul", {"class": "facts"}, *(tag("li", {}, tag("b", {}, value), f" {word}") for value, word in facts)),
    )


def _figures(summaries: Sequence[Summary], comparisons: Sequence[Comparison]) -> Node:
    rows: list[Node] = []
    for metric in METRICS:
        leaders = best(metric, summaries, comparisons)
        cells = [
            tag("td", {"class": "leads"} if each.scenario in leaders else {}, figure(metric, each.metrics[metric.key]))
            for each in summaries
        ]
        head = tag("th", {"scope": "row"}, f"{metric.title} ", tag("small", {}, metric.unit))
        rows.append(tag("tr", {}, head, *cells))
    return _table(["", *(each.scenario for each in summaries)], rows)


def _differences(comparisons: Sequence[Comparison]) -> Node:
    pairs = list(dict.fromkeys((each.a, each.b) for each in comparisons))
    by_place = {(each.metric, each.a, each.b): each for each in comparisons}
    rows: list[Node] = []
    for metric in METRICS:
        found = [by_place[metric.key, a, b] for a, b in pairs]
        cells = [
            tag("td", {}, figure(metric, each.difference), tag("small", {}, f" {each.better or 'no difference shown'}"))
            for each in found
        ]
        head = tag("th", {"scope": "row"}, f"{metric.title} ", tag("small", {}, metric.step or metric.unit))
        rows.append(tag("tr", {}, head, *cells))
    return _table(["", *(f"{a} less {b}" for a, b in pairs)], rows)


def _flows(summary: Summary) -> Node:
    rows = [
        tag(
            "tr",
            {},
            tag("th", {"scope": "row"}, f"{flow['sender']} → {flow['receiver']} ", tag("small", {}, flow["kind"])),
            *(tag("td", {}, _number(flow[key], scale, decimals)) for key, _, scale, decimals in FLOW_COLUMNS),
        )
        for flow in flow_figures(summary)
    ]
    return _folded(summary.scenario, _table(["", *(head for _, head, _, _ in FLOW_COLUMNS)], rows))


def _counted(summaries: Sequence[Summary]) -> list[Node]:
    """What the nodes told of themselves, one folded table per scenario; nothing when they told nothing."""
    tables: list[Node] = []
    for summary in summaries:
        told: dict[tuple[str, str], list[float]] = {}
        for run in summary.runs:
            for node, values in run.figures.items():
                for name, value in values.items():
                    if math.isfinite(value):
                        told.setdefault((node, name), []).append(value)
        rows = [_row(f"{node}: {name}", f"{sum(some) / len(some):,.6g}") for (node, name), some in sorted(told.items())]
        if rows:
            tables.append(_folded(f"{summary.scenario}: what its nodes counted", _table(["", "mean over runs"], rows)))
    return tables


def _method(summaries: Sequence[Summary], topology: Topology) -> list[Node]:
    text = (
        "Every scenario puts the same people into the same room over the same emulated network; only the nodes they "
        "use differ. Scenarios are interleaved: each repeat runs all of them before the next begins.",
        "The unit is the repeat. A run gives one value per metric; packets of one run share its network and its "
        "machine, so they are not counted as independent. The interval is Student's t over repeats. Differences are "
        "taken within each repeat, and a scenario is called better when the 95 % interval of the differences does not "
        "hold zero. “No difference that these runs can show” is not the same as “equal”. Each comparison stands "
        "alone: of twenty between equal scenarios, about one looks different by chance.",
        "The headline goes by video, latency, jitter, loss and freezes, and leaves out differences below 1 %.",
        method_note(summaries),
    )
    words = [item for metric in METRICS for item in (tag("dt", {}, metric.title), tag("dd", {}, metric.about))]
    runs = sorted((run for each in summaries for run in each.runs), key=lambda run: run.started)
    run_rows = [
        _row(
            run.scenario,
            str(run.repeat),
            run.started,
            _duration(run.duration_s),
            run.participants,
            ", ".join(f"{person} at {node}" for person, node in run.places.items()),
        )
        for run in runs
    ]
    network_rows = [
        _row(
            f"{one} \u2013 {other}",
            f"{c.rtt_ms:g}",
            f"{c.jitter_ms:g}",
            f"{100 * c.loss:g}",
            f"{c.burst:g}",
            f"{c.rate_mbit_s:g}" if c.rate_mbit_s else "any",
            _source(topology, one, other),
        )
        for (one, other), c in topology.conditions.items()
        if one < other
    ]
    return [
        tag("div", {"class": "panel method"}, *(tag("p", {}, unbroken(each)) for each in text), tag("dl", {}, *words)),
        _folded("Runs", _table(["scenario", "repeat", "started", "length", "participants", "places"], run_rows)),
        _folded(
            f"Network: {topology.name}, seed {topology.seed}, MTU {topology.mtu}",
            _table(["between", "RTT ms", "jitter ms", "loss %", "burst", "Mbit/s", "source"], network_rows),
        ),
    ]


def _source(topology: Topology, one: str, other: str) -> str:
    names = ((one, other), (topology.host(one).region, topology.host(other).region))
    return next((topology.sources[key] for a, b in names for key in ((a, b), (b, a)) if key in topology.sources), "")


def _headed(title: str, about: str) -> tuple[Node, Node]:
    return tag("h2", {}, title), tag("p", {}, unbroken(about))


def _folded(title: str, content: Node) -> Node:
    return tag("details", {"class": "panel"}, tag("summary", {}, title), tag("div", {"class": "scroll"}, content))


def _table(heads: Iterable[str], rows: Iterable[Node]) -> Node:
    head = tag("thead", {}, tag("tr", {}, *(tag("th", {"scope": "col"}, each) for each in heads)))
    return tag("div", {"class": "scroll"}, tag("table", {}, head, tag("tbody", {}, *rows)))


def _row(first: str, *others: Child) -> Node:
    return tag("tr", {}, tag("th", {"scope": "row"}, first), *(tag("td", {}, each) for each in others))


def _number(value: Any, scale: float, decimals: int) -> str:  # noqa: ANN401 - a row for JSON has values of all kinds
    return "—" if value is None else f"{value * scale:.{decimals}f}"


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.3g} h"
    return f"{seconds / 60:.3g} min" if seconds >= 120 else f"{seconds:.3g} s"
