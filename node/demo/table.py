"""The demo's picture: three tables on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from node.demo.report import DemoReport, ParticipantReport, ReceivedReport


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _loss(item: ReceivedReport) -> str:
    due = item.packets + item.lost
    return f"{100 * item.lost / due:.1f} %" if due else "-"


def _way(item: ReceivedReport) -> str:
    return "relayed" if item.relayed else "local"


def draw(report: DemoReport, *, join_url: str, remaining_s: float | None) -> RenderableType:
    """Draw the state of the demo for a terminal."""
    nodes = Table(title="Nodes", title_justify="left", expand=False)
    for heading in ("node", "region", "position", "state", "url"):
        nodes.add_column(heading)
    for node in report.nodes:
        style = "green" if node.state == "alive" else "yellow"
        position = f"{node.latitude:.1f}, {node.longitude:.1f}"
        nodes.add_row(node.node, node.region, position, Text(node.state, style=style), node.url)

    links = Table(title="Links", title_justify="left", expand=False)
    for heading in ("between", "and"):
        links.add_column(heading)
    for heading in ("RTT ms", "set-up ms", "MB carried"):
        links.add_column(heading, justify="right")
    for link in report.links:
        rtt, setup = _number(link.rtt_ms, 2), _number(link.setup_ms, 0)
        links.add_row(link.a, link.b, rtt, setup, f"{link.bytes / 1e6:.1f}")

    people = Table(title="Who receives what", title_justify="left", expand=False)
    for heading in ("participant", "room", "on node", "from", "kind", "way"):
        people.add_column(heading)
    for heading in ("packets/s", "loss", "delay p50 ms", "p99 ms"):
        people.add_column(heading, justify="right")
    for one in report.participants:
        _add_rows(people, one)

    verdict = (
        Text("Everybody receives everybody else in their room.", style="bold green")
        if report.ok
        else Text("Waiting: " + "; ".join(report.missing[:3]) if report.missing else "Starting", style="yellow")
    )
    ending = "Ctrl-C stops everything." if remaining_s is None else f"Ends in {remaining_s:.0f} s."
    hint = Text.assemble("Join them: ", (join_url, "bold underline cyan"), f"   {ending}")
    return Group(nodes, links, people, verdict, hint)


def _add_rows(table: Table, one: ParticipantReport) -> None:
    first = True
    for item in one.received:
        who = (one.id, one.room, one.node) if first else ("", "", "")
        way = Text(_way(item), style="magenta" if item.relayed else "cyan")
        delays = _number(item.delay_ms_p50, 2), _number(item.delay_ms_p99, 2)
        figures = (_number(item.packets_per_s, 0), _loss(item), *delays)
        table.add_row(*who, item.source, item.kind, way, *figures, end_section=item is one.received[-1])
        first = False
    if first:
        table.add_row(one.id, one.room, one.node, "nobody yet", end_section=True)


def describe(report: DemoReport) -> Iterator[str]:
    """Tell the state of the demo in plain lines."""
    for node in report.nodes:
        yield f"node {node.node} ({node.region}): {node.state} at {node.url}"
    for link in report.links:
        yield (
            f"link {link.a} - {link.b}: rtt {_number(link.rtt_ms, 2)} ms, "
            f"set up in {_number(link.setup_ms, 0)} ms, {link.bytes / 1e6:.1f} MB"
        )
    for one in report.participants:
        for item in one.received:
            yield (
                f"{one.id} on {one.node} <- {item.source} {item.kind} ({_way(item)}): "
                f"{_number(item.packets_per_s, 0)} packets/s, loss {_loss(item)}, "
                f"delay {_number(item.delay_ms_p50, 2)} / {_number(item.delay_ms_p99, 2)} ms"
            )
    yield from (f"missing: {what}" for what in report.missing)
