"""On a terminal of 80 by 24 the people of the demo are seen, and the map of where their nodes are."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.live import Live

from node.admin import RttPair
from node.demo.cast import PEOPLE, STAGES
from node.demo.report import (
    KINDS,
    DemoReport,
    LinkReport,
    NodeReport,
    ParticipantReport,
    ReceivedReport,
    make_report,
)
from node.demo.small_screen import fit_map
from node.demo.table import Room, draw

URL = "http://127.0.0.1:40001/?room=atrium"


def report(*, silent: str = "") -> DemoReport:
    """The demo as it is cast; nobody receives who is silent."""
    nodes = [
        NodeReport(
            node=stage.node,
            region=stage.region,
            latitude=stage.latitude,
            longitude=stage.longitude,
            state="alive",
            url=f"http://127.0.0.1:4000{number}",
        )
        for number, stage in enumerate(STAGES)
    ]
    names = [stage.node for stage in STAGES]
    ends = [(a, b) for a in names for b in names if a < b]
    people = [
        ParticipantReport(
            id=one.name,
            room=one.room,
            node=one.node,
            received=tuple(
                ReceivedReport(
                    source=other.name,
                    kind=kind,
                    node=other.node,
                    relayed=other.node != one.node,
                    packets=100,
                    packets_per_s=0.0 if other.name == silent else 50.0,
                    lost=0,
                    duplicates=0,
                    delay_ms_p50=1.0,
                    delay_ms_p99=2.0,
                )
                for other in PEOPLE
                if other.room == one.room and other is not one
                for kind in KINDS
            ),
        )
        for one in PEOPLE
    ]
    return make_report(
        seconds=3,
        nodes=nodes,
        links=[LinkReport(a=a, b=b, rtt_ms=0.6, setup_ms=200.0, bytes=5_000_000) for a, b in ends],
        rtts=[RttPair(a=a, b=b, rtt_ms=0.64, error_ms=1.0, source="link", confidence=0.9) for a, b in ends],
        participants=people,
    )


def seen(columns: int, rows: int, *, dots: bool = True) -> list[str]:
    """What a terminal of that size shows, as the demo draws it live."""
    console = Console(width=columns, height=rows, file=io.StringIO(), force_terminal=True, color_system=None)
    room = Room(columns=columns, rows=rows, dots=dots)
    with Live(console=console, auto_refresh=False) as live:
        live.update(draw(report(), join_url=URL, remaining_s=None, room=room))
        shown = console.render_lines(live.get_renderable(), console.options, pad=False)
    return ["".join(part.text for part in line) for line in shown][: rows - 1]


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (80, 30), (100, 40), (132, 24)])
@pytest.mark.parametrize("dots", [True, False])
def test_people_and_map_fit(columns: int, rows: int, dots: bool) -> None:
    lines = seen(columns, rows, dots=dots)
    text = "\n".join(lines)
    assert URL in text.replace("\n", "")
    for person in PEOPLE:
        row = next(line for line in lines if line.startswith(person.name))
        others = [one.name for one in PEOPLE if one.room == person.room and one is not person]
        assert all(f"{other} 50/50" in row for other in others), row
        assert row.count(">") == sum(one.node != person.node and one.room == person.room for one in PEOPLE)
    land = [line for line in lines if any("\u2800" < letter <= "\u28ff" for letter in line)]
    assert len(land) >= 6 or not dots
    below = text[text.index("Faye ") :]
    for stage in STAGES:
        assert stage.node in below.split("\n", 1)[1], f"{stage.node} is on the map"


def test_what_does_not_arrive_is_seen() -> None:
    console = Console(width=80, height=24, record=True, file=io.StringIO())
    console.print(draw(report(silent="Chen"), join_url=URL, remaining_s=5, room=Room(columns=80, rows=24)))
    text = console.export_text()
    assert "Anna in atrium receives no audio from Chen" in text
    assert ">Chen 0/0" in text


def test_a_terminal_without_rows_for_a_map_has_none() -> None:
    assert fit_map([], [], columns=80, rows=5, dots=True) == []
    assert len(fit_map([], [], columns=80, rows=9, dots=True)) <= 9


def test_a_large_terminal_keeps_the_tables() -> None:
    console = Console(width=120, height=60, record=True, file=io.StringIO())
    console.print(draw(report(), join_url=URL, remaining_s=None, room=Room(columns=120, rows=60)))
    assert "Who receives whom" in console.export_text()
