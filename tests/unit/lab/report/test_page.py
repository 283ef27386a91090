"""The page: whole, self-contained, and nothing in it that a name could have put there."""

from __future__ import annotations

import math
from html.parser import HTMLParser

import msgspec
import pytest
from typing_extensions import override

from lab.experiment.records import Happening, Hop
from lab.report.page import render_page
from lab.report.series import MAX_POINTS
from lab.report.statistics import compare, summarise
from lab.topology import Region
from tests.unit.lab.report.samples import make_flow, make_run, make_second, make_topology, visage_runs

VOID = {"meta", "br", "hr", "img", "input", "link", "col"}


class Outline(HTMLParser):
    """Checks that tags close as they open; keeps what was seen."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.text.append(data)


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def page() -> str:
    summaries = summarise(visage_runs(repeats=3, duration_s=30))
    return render_page(summaries, compare(summaries), make_topology())


def test_it_is_whole_and_needs_nothing_from_outside(page: str) -> None:
    found = outline(page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "image", "use", "base"} & set(found.tags)
    names = {name for name, _ in found.attributes}
    assert not {
        name for name in names if name in ("src", "href", "srcset", "xlink:href", "data") or name.startswith("on")
    }
    assert "url(" not in page
    assert "@import" not in page
    assert "//" not in page.replace("<!doctype html>", "")


def test_it_says_what_it_must(page: str) -> None:
    text = "".join(outline(page).text).replace("\u2060", "")
    assert "Is a call better by relay than by single-far or single-near? Yes." in text
    for words in ("Latency", "Mbit/s", "eu-peer → vn-peer", "Student's t", "load of the evening", "kurtcms.org"):
        assert words in text
    assert "prefers-color-scheme: dark" in page
    assert "nan" not in page.lower().replace("finance", "")


def test_drawings_have_titles_for_those_who_cannot_see_them(page: str) -> None:
    found = outline(page)
    drawings = sum(value == "img" for name, value in found.attributes if name == "role")
    assert drawings >= 15
    assert found.tags.count("title") > drawings


def test_names_from_outside_stay_text() -> None:
    evil = "</style></svg><script>alert(1)</script>\x00"
    topology = make_topology()
    host = msgspec.structs.replace(topology.hosts[0], name=evil, region=evil)
    topology = msgspec.structs.replace(
        topology,
        name=evil,
        about=evil,
        hosts=(host, *topology.hosts[1:]),
        regions={**topology.regions, evil: Region(latitude=1.0, longitude=2.0)},
        conditions={**topology.conditions, (evil, "vn-peer"): topology.conditions["eu-peer", "vn-peer"]},
        sources={(evil, "vn-peer"): evil},
    )
    topology = msgspec.structs.replace(
        topology, conditions={pair: each for pair, each in topology.conditions.items() if "eu-peer" not in pair}
    )
    hop = Hop(from_host=evil, to_host="vn-peer", emulated_rtt_ms=1.0, measured_rtt_ms=None, loss=None)
    run = msgspec.structs.replace(
        make_run(make_flow(make_second(), sender=evil), scenario=evil),
        started=evil,
        places={evil: evil},
        paths={evil: (hop,)},
        happenings=(Happening(at_s=1.0, what=evil),),
    )
    summaries = summarise([run, msgspec.structs.replace(run, scenario="other")])
    page = render_page(summaries, compare(summaries), topology)
    found = outline(page)
    assert "script" not in found.tags
    assert found.tags.count("style") == 1
    assert any("<script>alert(1)</script>" in text for text in found.text)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_any_number_of_scenarios_has_a_page(count: int) -> None:
    run = visage_runs(repeats=1, duration_s=5)[0]
    summaries = summarise([msgspec.structs.replace(run, scenario=f"scenario-{place}") for place in range(count)])
    outline(render_page(summaries, compare(summaries), make_topology()))


def test_runs_without_media_have_a_page() -> None:
    silent = make_second(packets=0, lost=0, mbit_s=0.0, delay_ms=None, jitter_ms=None)
    odd = msgspec.structs.replace(make_flow(silent), delays_ms=((math.nan, 3), (1.0, 0)), first_frame_ms=math.nan)
    runs = [
        make_run(scenario="none", duration_s=0.0),
        make_run(make_flow(), scenario="empty"),
        make_run(odd, scenario="odd"),
    ]
    summaries = summarise(runs)
    page = render_page(summaries, compare(summaries), make_topology())
    outline(page)
    assert ">nan<" not in page


def test_a_run_of_hours_makes_a_page_of_a_few_hundred_kilobytes() -> None:
    seconds = tuple(make_second(at_s=float(at), delay_ms=50.0 + at % 11) for at in range(1, 7201))
    flow = make_flow(*seconds)
    many = msgspec.structs.replace(flow, delays_ms=tuple((0.1 * place, 1) for place in range(7000)))
    summaries = summarise([make_run(many, scenario=name, duration_s=7200.0) for name in ("relay", "far")])
    page = render_page(summaries, compare(summaries), make_topology())
    assert len(page) < 400_000
    longest = max(
        (value or "" for name, value in outline(page).attributes if name == "d" and "h0" not in (value or "")), key=len
    )
    assert longest.count("l") <= MAX_POINTS + 2
