"""The demo's picture: a map and three tables on a terminal, the map and a few plain lines elsewhere.

A terminal that does not hold all of it shows people first (small_screen.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from membership import Position, rtt_floor_ms
from node.admin import MemberReport, RttPair
from node.atlas import ROWS_PER_COLUMN, can_draw_dots, draw_map, how_known
from node.demo.small_screen import fit_map, list_people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, RenderableType

    from node.atlas import Known
    from node.demo.report import DemoReport, LinkReport, ParticipantReport, ReceivedReport

LEAST_MAP_COLUMNS: Final = 60

HONEST: Final = "All of them run on this machine: a link measures loopback, the map knows only where they say they are."

CUT_ROWS: Final = 1
"""The last row of a picture that is too high says so."""

ROWS_BELOW: Final = 36
"""What the demo's tables and their titles take: a map that leaves less is cut, from below."""


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _loss(item: ReceivedReport) -> str:
    due = item.packets + item.lost
    return f"{100 * item.lost / due:.1f} %" if due else "-"


def _way(item: ReceivedReport) -> str:
    return "relayed" if item.relayed else "local"


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """What there is to draw on: characters, and whether they may be Braille."""

    columns: int = 100
    rows: int | None = None
    dots: bool = True

    @classmethod
    def of(cls, console: Console) -> Room:
        """Measure a terminal; elsewhere lines have any length and there is any number."""
        dots = can_draw_dots(console.encoding)
        if not console.is_terminal:
            return cls(dots=dots)
        return cls(columns=console.width, rows=console.height, dots=dots)

    @property
    def is_small(self) -> bool:
        """Whether the map and the tables together are too much."""
        return self.rows is not None and self.rows < ROWS_BELOW + round(LEAST_MAP_COLUMNS * ROWS_PER_COLUMN)

    @property
    def map_columns(self) -> int:
        """As wide as it fits, so that the tables below keep their rows."""
        if self.rows is None:
            return self.columns
        return min(self.columns, max(LEAST_MAP_COLUMNS, round((self.rows - ROWS_BELOW) / ROWS_PER_COLUMN)))


def draw_world(report: DemoReport, room: Room) -> list[Text]:
    """Draw the nodes where they say they are, with their round trips."""
    drawn = draw_map(_members(report), report.rtts, columns=room.map_columns, dots=room.dots)
    return [*drawn, Text(HONEST, style="dim")]


def _members(report: DemoReport) -> list[MemberReport]:
    return [
        MemberReport(node=node.node, state=node.state, latitude=node.latitude, longitude=node.longitude)
        for node in report.nodes
    ]


def draw(report: DemoReport, *, join_url: str, remaining_s: float | None, room: Room = Room()) -> RenderableType:
    """Draw the state of the demo for a terminal."""
    nodes = Table(title="Nodes", title_justify="left", expand=False)
    for heading in ("node", "region", "position", "state", "url"):
        nodes.add_column(heading)
    for node in report.nodes:
        style = "green" if node.state == "alive" else "yellow"
        position = f"{_number(node.latitude)}, {_number(node.longitude)}"
        nodes.add_row(node.node, node.region, position, Text(node.state, style=style), node.url)

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
    if room.rows is not None and room.is_small:
        taken = sum(-(-len(line.plain) // room.columns) for line in (hint, verdict)) + len(report.participants) + 1
        world = fit_map(
            _members(report),
            report.rtts,
            columns=room.columns,
            rows=room.rows - taken - CUT_ROWS,
            dots=room.dots,
        )
        return Group(hint, verdict, list_people(report.participants), *world, _round_trips(report), nodes)
    return Group(hint, verdict, *draw_world(report, room), _round_trips(report), people, nodes)


def _round_trips(report: DemoReport) -> Table:
    table = Table(title="Round trips", title_justify="left", expand=False)
    for heading in ("between", "and"):
        table.add_column(heading)
    for heading in ("RTT ms", "+/-"):
        table.add_column(heading, justify="right")
    table.add_column("how known")
    for heading in ("map's floor", "link set-up ms", "MB carried"):
        table.add_column(heading, justify="right")
    for way in list_ways(report):
        link = way.link
        table.add_row(
            way.pair.a,
            way.pair.b,
            _number(way.pair.rtt_ms, 2),
            _number(way.pair.error_ms),
            way.known.words,
            _number(way.floor_ms),
            _number(link.setup_ms, 0) if link else "no link",
            f"{link.bytes / 1e6:.1f}" if link else "",
        )
    return table


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """Two nodes: how far by what the nodes know, at least by the map, and the link between them if there is one."""

    pair: RttPair
    known: Known
    floor_ms: float | None
    link: LinkReport | None


def list_ways(report: DemoReport) -> list[Way]:
    """Put round trips and links together; a link of which no round trip is told has a row too."""
    places = {
        node.node: Position(latitude=node.latitude, longitude=node.longitude)
        for node in report.nodes
        if node.latitude is not None and node.longitude is not None
    }
    links = {frozenset((link.a, link.b)): link for link in report.links}
    pairs = {frozenset((pair.a, pair.b)): pair for pair in report.rtts}
    for ends, link in links.items():
        pairs.setdefault(ends, RttPair(a=link.a, b=link.b))
    return [
        Way(
            pair=pair,
            known=how_known(pair, places),
            floor_ms=rtt_floor_ms(places[pair.a], places[pair.b]) if pair.a in places and pair.b in places else None,
            link=links.get(ends),
        )
        for ends, pair in pairs.items()
    ]


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
    """Tell the state of the demo in plain lines; the map is drawn before them (:func:`draw_world`)."""
    for node in report.nodes:
        yield f"node {node.node} ({node.region}): {node.state} at {node.url}"
    for way in list_ways(report):
        yield (
            f"round trip {way.pair.a} - {way.pair.b}: {_number(way.pair.rtt_ms, 2)} ms +/- "
            f"{_number(way.pair.error_ms)} ({way.known.words}; the map's floor is {_number(way.floor_ms)} ms)"
        )
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
