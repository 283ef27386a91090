"""The screen of ``starling top``: who there is, how far, what flows, and how much this node has to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from node.cli.rtt import MARKS

if TYPE_CHECKING:
    from node.admin import LoadReport, Overview, RttPair

ROOMS_SHOWN: Final = 12

STYLES: Final = {"alive": "green", "up": "green", "failed": "red", "refused": "red", "left": "dim"}


def draw_overview(now: Overview, before: Overview | None) -> Group:
    """Draw one look; rates need the one before it."""
    status = now.status
    mesh = f"in cluster {status.cluster}" if status.mesh else "on its own"
    ready = Text("ready", style="green") if status.ready else Text("not ready", style="bold red")
    head = Text.assemble((status.node, "bold"), f" ({status.region}) {mesh}, ", ready, f": {status.url}")
    problems = [Text(f"  {one.part}: {one.message}", style="yellow") for one in (*status.problems, *status.warnings)]
    load = Text(describe_load(now.load, None if before is None else before.load))
    return Group(head, *problems, load, Text(), _members(now), Text(), *_links(now, before), _rooms(now))


def describe_load(now: LoadReport, before: LoadReport | None) -> str:
    """One line: people, the engine's share of its time, what flows, the machine."""
    parts = [f"{now.participants} people in {now.rooms} rooms", f"{now.peers} transports"]
    if before is not None and now.at_ms > before.at_ms and now.busy_ms >= before.busy_ms and now.workers:
        spent_ms = now.at_ms - before.at_ms
        parts.append(f"engine {(now.busy_ms - before.busy_ms) / spent_ms / now.workers:.0%} busy")
        # Whoever left took their bytes along: no rate then, rather than a wrong one.
        if now.bytes_in >= before.bytes_in and now.bytes_out >= before.bytes_out:
            into = (now.bytes_in - before.bytes_in) * 8 / spent_ms / 1000
            out = (now.bytes_out - before.bytes_out) * 8 / spent_ms / 1000
            parts.append(f"{into:.2f} Mbit/s in, {out:.2f} out")
    if now.engine_bytes:
        parts.append(f"engine {now.engine_bytes / 1e6:.0f} MB")
    parts.append(f"load {now.load_1m:.2f} on {now.cores} cores")
    return " | ".join(parts)


def _members(now: Overview) -> Table:
    from_here = {pair.b if pair.a == now.rtts.me else pair.a: pair for pair in now.rtts.pairs if _is_from(pair, now)}
    table = _table("member", "state", "region", "load", ">rtt ms", "url", "")
    for one in now.members.members:
        name = f"{one.node} (me)" if one.me else one.node
        rtt = "" if one.me else _rtt(from_here.get(one.node))
        table.add_row(name, _state(one.state), one.region, one.load, rtt, one.url, one.reason)
    return table


def _links(now: Overview, before: Overview | None) -> tuple[Table | Text, ...]:
    if not now.links.links:
        return ()
    former = {} if before is None else {one.node: one for one in before.links.links}
    spent_ms = 0 if before is None else now.load.at_ms - before.load.at_ms
    table = _table("link to", "state", ">rtt ms", ">jitter", ">loss", ">Mbit/s in", ">out", "last failure")
    for one in now.links.links:
        past = former.get(one.node)
        rates = ("", "")
        if past is not None and spent_ms > 0 and one.bytes_in >= past.bytes_in and one.bytes_out >= past.bytes_out:
            carried = (one.bytes_in - past.bytes_in, one.bytes_out - past.bytes_out)
            rates = (f"{carried[0] * 8 / spent_ms / 1000:.2f}", f"{carried[1] * 8 / spent_ms / 1000:.2f}")
        loss = "" if one.loss is None else f"{one.loss:.1%}"
        table.add_row(
            one.node, _state(one.state), _number(one.rtt_ms), _number(one.jitter_ms), loss, *rates, one.reason
        )
    return table, Text()


def _rooms(now: Overview) -> Table | Text:
    if not now.rooms:
        return Text("no rooms", style="dim")
    table = _table("room", ">here", ">everywhere", ">tracks", "nodes")
    for one in now.rooms[:ROOMS_SHOWN]:
        table.add_row(one.room, str(one.here), str(one.everywhere), str(one.tracks), ", ".join(one.nodes))
    if now.load.rooms > ROOMS_SHOWN:
        table.add_row(Text(f"and {now.load.rooms - ROOMS_SHOWN} more", style="dim"))
    return table


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head.removeprefix(">"), justify="right" if head.startswith(">") else "left", no_wrap=True)
    return table


def _state(state: str) -> Text:
    return Text(state, style=STYLES.get(state, "yellow"))


def _is_from(pair: RttPair, now: Overview) -> bool:
    return now.rtts.me in (pair.a, pair.b)


def _rtt(pair: RttPair | None) -> str:
    return "" if pair is None or pair.rtt_ms is None else f"{MARKS.get(pair.source, '')}{pair.rtt_ms:.1f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
