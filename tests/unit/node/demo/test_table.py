"""The demo's picture and its plain lines tell what the nodes said."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from node.admin import RttPair
from node.atlas import Known
from node.demo.report import DemoReport, LinkReport, NodeReport, make_report
from node.demo.survey import best_pairs
from node.demo.table import Room, describe, draw, draw_world, list_ways


def node(name: str, latitude: float | None, longitude: float | None, state: str = "alive") -> NodeReport:
    return NodeReport(node=name, region="r", latitude=latitude, longitude=longitude, state=state, url=f"http://{name}")


def report() -> DemoReport:
    nodes = [node("ada", 52.4, 4.9), node("bob", 1.35, 103.8), node("cyd", None, None, "gone")]
    rtts = [
        RttPair(a="ada", b="bob", rtt_ms=0.64, error_ms=1.0, source="link", confidence=0.9),
        RttPair(a="ada", b="cyd", rtt_ms=9.0, error_ms=8.0, source="coordinates", confidence=0.5),
    ]
    links = [LinkReport(a="ada", b="bob", rtt_ms=0.6, setup_ms=200.0, bytes=5_000_000)]
    links.append(LinkReport(a="bob", b="cyd", rtt_ms=None, setup_ms=None, bytes=0))
    return make_report(seconds=3, nodes=nodes, links=links, rtts=rtts, participants=())


def test_round_trips_and_links_are_one_list() -> None:
    known = {(way.pair.a, way.pair.b): way for way in list_ways(report())}
    measured = known["ada", "bob"]
    assert measured.known is Known.LINK
    assert measured.link is not None
    assert measured.floor_ms == pytest.approx(102.8, abs=1)
    assert (known["ada", "cyd"].known, known["ada", "cyd"].floor_ms) == (Known.COORDINATES, None)
    assert (known["bob", "cyd"].known, known["bob", "cyd"].link is not None) == (Known.UNKNOWN, True)


def test_the_map_and_the_lines_hold_the_nodes_own_figures() -> None:
    world = "\n".join(line.plain for line in draw_world(report(), Room(columns=80)))
    assert " 0.6 " in world
    assert "without a position (node.latitude, node.longitude): cyd" in world
    lines = list(describe(report()))
    assert any(line.startswith("round trip ada - bob: 0.64 ms +/- 1.0 (measured by the link;") for line in lines)
    assert "node cyd (r): gone at http://cyd" in lines


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_screen_has_the_map_first(columns: int) -> None:
    console = Console(width=columns, height=60, record=True, file=io.StringIO())
    console.print(draw(report(), join_url="http://x", remaining_s=None, room=Room(columns=columns, rows=60)))
    text = console.export_text()
    assert text.index("Join them") < text.index("ada") < text.index("Round trips") < text.index("Nodes")
    assert "Nobody is in yet." in text


@pytest.mark.parametrize(("rows", "columns"), [(24, 60), (50, 75), (60, 129), (None, 200)])
def test_the_map_leaves_the_tables_their_rows(rows: int | None, columns: int) -> None:
    assert Room(columns=200, rows=rows).map_columns == columns


def test_of_two_answers_the_one_that_is_trusted_more_counts() -> None:
    guess = RttPair(a="ada", b="bob", rtt_ms=99.0, source="positions", confidence=0.3)
    link = RttPair(a="bob", b="ada", rtt_ms=0.6, source="link", confidence=0.9)
    for answers in ([guess, link], [link, guess]):
        assert best_pairs(answers) == (link,)
