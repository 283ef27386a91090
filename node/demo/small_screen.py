"""The demo's picture on a small terminal: people first, a line each, and as much of the map as the rows left hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from node.atlas import ROWS_PER_COLUMN, draw_map

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.admin import MemberReport, RttPair
    from node.demo.report import ParticipantReport, ReceivedReport

LEAST_COLUMNS: Final = 40
"""Of a map; a narrower one would name nobody (node/atlas/picture.py)."""

MISSING: Final = "-"


def list_people(participants: Sequence[ParticipantReport]) -> Table:
    """A row for each: where they are, and of whom they receive what, packets a second of sound and picture."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    for heading in ("who", "room", "on node"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    table.add_column("receives audio/video a second (over a link: >)", no_wrap=True, overflow="ellipsis")
    for one in participants:
        table.add_row(one.id, one.room, one.node, _received(one))
    return table


def _received(one: ParticipantReport) -> Text:
    by_source: dict[str, dict[str, ReceivedReport]] = {}
    for item in one.received:
        by_source.setdefault(item.source, {})[item.kind] = item
    parts: list[tuple[str, str] | str] = []
    for source, items in by_source.items():
        relayed = any(item.relayed for item in items.values())
        rates = "/".join(
            MISSING if kind not in items else f"{items[kind].packets_per_s:.0f}" for kind in ("audio", "video")
        )
        is_whole = len(items) == 2 and all(item.packets_per_s for item in items.values())
        style = ("magenta" if relayed else "cyan") if is_whole else "bold red"
        parts += [(f"{'>' if relayed else ' '}{source} {rates}", style), "  "]
    return Text.assemble(*parts[:-1]) if parts else Text("nobody yet", style="dim")


def fit_map(
    members: Sequence[MemberReport], pairs: Sequence[RttPair], *, columns: int, rows: int, dots: bool
) -> list[Text]:
    """The largest map that fits with all its notes; of the smallest, as many of them as fit; else none."""
    widths = range(min(columns, round(rows / ROWS_PER_COLUMN)), LEAST_COLUMNS - 1, -1)
    for wide in widths:
        lines = draw_map(members, pairs, columns=wide, dots=dots)
        if len(lines) <= rows:
            return lines
    if rows < round(LEAST_COLUMNS * ROWS_PER_COLUMN):
        return []
    return draw_map(members, pairs, columns=LEAST_COLUMNS, dots=dots)[:rows]
