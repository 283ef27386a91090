"""The screen of ``starling top``."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import msgspec
import pytest
from rich.console import Console

from node.admin import Problem, RoomReport, RttPair, Rtts
from node.cli.screen import ROOMS_SHOWN, describe_load, draw_overview
from tests.unit.node.cli.overviews import a_link, a_load, an_overview

if TYPE_CHECKING:
    from node.admin import LoadReport, Overview

RTTS = Rtts(
    me="ada",
    nodes=("ada", "bob"),
    pairs=(RttPair(a="ada", b="bob", rtt_ms=81.64, error_ms=2.4, source="coordinates", confidence=0.97),),
)


def text_of(now: Overview, before: Overview | None = None) -> str:
    console = Console(width=160, record=True, file=io.StringIO(), markup=False)
    console.print(draw_overview(now, before), highlight=False)
    return console.export_text()


@pytest.mark.parametrize(
    ("now", "before", "says", "is_silent_of"),
    [
        (a_load(), None, "5 people in 2 rooms | 7 transports | load 0.50 on 4 cores", "busy"),
        (a_load(at_ms=3000, busy_ms=1000), a_load(), "engine 25% busy | 0.00 Mbit/s in, 0.00 out", "MB"),
        (a_load(at_ms=2000, bytes_in=250_000, bytes_out=500_000), a_load(), "2.00 Mbit/s in, 4.00 out", "MB"),
        (a_load(at_ms=2000), a_load(bytes_in=9), "engine 0% busy", "Mbit"),  # somebody left
        (a_load(at_ms=2000), a_load(busy_ms=9), "7 transports", "busy"),  # another engine
        (a_load(), a_load(), "7 transports", "busy"),  # no time between
        (a_load(engine_bytes=34_000_000), None, "engine 34 MB", "busy"),
    ],
)
def test_the_load_is_one_line(now: LoadReport, before: LoadReport | None, says: str, is_silent_of: str) -> None:
    line = describe_load(now, before)
    assert says in line
    assert is_silent_of not in line


def test_members_links_and_rooms_are_shown() -> None:
    room = RoomReport(room="atrium", here=1, everywhere=2, tracks=4, nodes=("ada", "bob"))
    before = an_overview(rtts=RTTS, links=(a_link(),), rooms=(room,))
    now = an_overview(rtts=RTTS, links=(a_link(bytes_in=125_000),), rooms=(room,), load=a_load(at_ms=2000))
    text = text_of(now, before)
    for part in (
        "ada (eu) in cluster c, ready: http://ada",
        "ada (me)",
        "~81.6",
        "1.5%",
        "1.00  0.00",
        "atrium",
        "ada, bob",
    ):
        assert part in text
    assert "failed" in text


def test_what_is_wrong_is_on_top() -> None:
    now = an_overview(rtts=RTTS)
    status = msgspec.structs.replace(
        now.status, ready=False, mesh=False, problems=(Problem(part="store", code="down", message="no Redis"),)
    )
    text = text_of(msgspec.structs.replace(now, status=status))
    assert "on its own, not ready" in text
    assert "store: no Redis" in text
    assert "no rooms" in text


def test_no_more_rooms_than_a_screen_has() -> None:
    rooms = tuple(
        RoomReport(room=f"room-{number:02}", here=1, everywhere=1, tracks=0, nodes=("ada",)) for number in range(20)
    )
    text = text_of(an_overview(rtts=RTTS, rooms=rooms, load=a_load(rooms=20)))
    assert f"room-{ROOMS_SHOWN - 1:02}" in text
    assert f"room-{ROOMS_SHOWN:02}" not in text
    assert f"and {20 - ROOMS_SHOWN} more" in text
