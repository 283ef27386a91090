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

    title = "Who receives whom: packets a second, the worse loss and one-way delay of both kinds"
    people = Table(title=title, title_justify="left", expand=False)
    for heading in ("who", "room", "on node", "receives", "way"):
        people.add_column(heading)
    for heading in ("audio/s", "video/s", "loss", "p50 ms", "p99 ms"):
        people.add_column(heading, justify="right")
    for one in report.participants:
        _add_rows(people, one)

    verdict = (
        Text("Everybody receives everybody else in their room.", style="bold green")
        if report.ok
        else Text("; ".join(report.missing[:3]) or "Nobody is in yet.", style="bold yellow", overflow="ellipsis")
    )
    ending = "Ctrl-C stops everything." if remaining_s is None else f"Ends in {remaining_s:.0f} s."
    hint = Text.assemble("Join them: ", (join_url, "bold underline cyan"), f"   {ending}")
    # A terminal that is too small cuts from below, so what a person needs comes first.
    return Group(hint, verdict, nodes, links, people)


def _add_rows(table: Table, one: ParticipantReport) -> None:
    """One row for each other participant, both kinds together: their worst loss and delay."""
    who = (one.id, one.room, one.node)
    by_source: dict[str, list[ReceivedReport]] = {}
    for item in one.received:
        by_source.setdefault(item.source, []).append(item)
    for source, items in by_source.items():
        rates = {item.kind: item.packets_per_s for item in items}
        way = Text(_way(items[0]), style="magenta" if items[0].relayed else "cyan")
        worst = max(items, key=lambda item: item.delay_ms_p99 or 0.0)
        table.add_row(
            *who,
            source,
            way,
            _rate(rates.get("audio")),
            _rate(rates.get("video")),
            _loss(max(items, key=lambda item: item.lost)),
            _number(worst.delay_ms_p50, 2),
            _number(worst.delay_ms_p99, 2),
        )
        who = ("", "", "")
    if not by_source:
        table.add_row(*who, "nobody yet")


def _rate(packets_per_s: float | None) -> Text:
    return Text(_number(packets_per_s, 0), style="" if packets_per_s else "bold red")


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
