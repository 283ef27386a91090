"""Rooms of three and of six nodes, with a Chromium at two far ends: what crosses links is what is wanted, once.

Synthetic people sit on all nodes between, two of them on the same one: what both want crosses the link to it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import STAGES, Person, Stage
from node.demo.cluster import open_cluster
from node.demo.people import open_crowd
from signalling.ids import NodeId, RoomId
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant
from tests.browser.seen import ENOUGH_PACKETS, shows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from node.demo.cluster import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = RoomId("far-ends")
FIRST: Final = 42
SECOND: Final = 129
TRACKS_EACH: Final = 2
"""A microphone and a picture."""

MORE: Final = (
    Stage(node=NodeId("frankfurt"), region="eu-central", latitude=50.11, longitude=8.68),
    Stage(node=NodeId("tokyo"), region="ap-northeast", latitude=35.68, longitude=139.69),
    Stage(node=NodeId("sao-paulo"), region="sa-east", latitude=-23.55, longitude=-46.63),
)

COUNTED_S: Final = 5.0

WINDOWS: Final = 6
"""At most; one must be exact. A link whose engine gets no processor for a moment may shed a picture, and says so."""

IN_FLIGHT: Final = 0.03
"""Of a node's packets, at most so many are counted on one side of it alone: 0.15 s of all that is counted."""


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What a node has carried so far, in packets, and how many legs it has now."""

    published: float
    out: float
    into: float
    legs_out: float
    legs_in: float
    passed: float
    shed: float


@pytest.mark.parametrize("stages", [STAGES, STAGES + MORE], ids=["three nodes", "six nodes"])
async def test_two_browsers_at_far_ends(stages: Sequence[Stage], capsys: pytest.CaptureFixture[str]) -> None:
    """Each sees the other's right picture and hears it, and each node relays wanted tracks times far nodes."""
    between = [stage.node for stage in stages[1:-1]]
    people = [Person(name=f"at {node}", room=ROOM, node=node) for node in between]
    people.append(Person(name="beside", room=ROOM, node=between[0]))
    async with open_cluster(stages) as cluster, open_crowd(cluster, people):
        here: dict[str, int] = {
            stage.node: sum(person.node == stage.node for person in people) or 1 for stage in stages
        }
        shown = await trio.to_thread.run_sync(_meet, cluster, here)
    with capsys.disabled():
        print("", *shown, sep="\n  ")  # noqa: T201 - figures


def _meet(cluster: Cluster, here: Mapping[str, int]) -> Sequence[str]:
    one_url, two_url = cluster.nodes[0].url, cluster.nodes[-1].url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        one = open_participant(browser, one_url, picture=FIRST)
        two = open_participant(browser, two_url, picture=SECOND)
        for page, url, name in ((one, one_url, "one"), (two, two_url, "two")):
            page.join(ROOM, node=url, name=name)
            page.publish()
        one.wait_until(shows(SECOND), "the first sees the second's picture")
        two.wait_until(shows(FIRST), "the second sees the first's picture")
        one.wait_until(_hears("two"), "the first hears the second")
        two.wait_until(_hears("one"), "the second hears the first")
        shown: list[str] = []
        before = trio.from_thread.run(_read_all, cluster)
        for _ in range(WINDOWS):
            one.pass_time(COUNTED_S)
            after = trio.from_thread.run(_read_all, cluster)
            is_exact, said = _account(before, after, here)
            shown.append(said)
            if is_exact:
                return shown
            before = after
    raise AssertionError(f"never exact: {shown}")


def _account(
    before: Mapping[str, _Reading], after: Mapping[str, _Reading], here: Mapping[str, int]
) -> tuple[bool, str]:
    """Whether every node relayed all that is wanted and no more, and what each did.

    Readings of several nodes are not of one moment, so one window that is not exact proves nothing.
    """
    far = len(here) - 1
    is_exact = True
    said = []
    for node, people in here.items():
        was, now = before[node], after[node]
        for reading in (was, now):
            legs_in = TRACKS_EACH * (sum(here.values()) - people)
            legs = (reading.legs_out, reading.legs_in, reading.passed)
            if legs != (TRACKS_EACH * people * far, legs_in, 0):
                is_exact = False
                said.append(f"{node} has legs out, in and passed {legs}")
        due, out = (now.published - was.published) * far, now.out - was.out
        said.append(f"{node} {due / far:.0f} x {far} -> {out:.0f}" + (f" (shed {now.shed:.0f})" if now.shed else ""))
        is_exact = is_exact and out == pytest.approx(due, rel=IN_FLIGHT)
    sent = sum(after[node].out - before[node].out for node in here)
    received = sum(after[node].into - before[node].into for node in here)
    is_exact = is_exact and received == pytest.approx(sent, rel=IN_FLIGHT)
    return is_exact, f"published x far nodes -> relayed, packets: {'; '.join(said)}; received {received:.0f}"


def _hears(sender: str) -> Callable[[Mapping[str, Any]], bool]:
    def holds(state: Mapping[str, Any]) -> bool:
        (heard,) = [heard for heard in state["sounds"].values() if heard["sender"] == sender] or [None]
        return heard is not None and heard["packets"] >= ENOUGH_PACKETS and heard["energy"] > 0

    return holds


async def _read_all(cluster: Cluster) -> Mapping[str, _Reading]:
    """All nodes at about the same time."""
    readings: dict[str, _Reading] = {}

    async def read(node: str, url: str) -> None:
        readings[node] = _reading((await http.get(f"{url}/metrics")).raise_for_status().text)

    async with httpx.AsyncClient(timeout=5.0, trust_env=False) as http, trio.open_nursery() as nursery:
        for running in cluster.nodes:
            nursery.start_soon(read, running.node, running.url)
    return readings


def _reading(text: str) -> _Reading:
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    figures = {name: float(value) for name, value in lines}
    return _Reading(
        published=figures['starling_media_packets{direction="in",kind="publisher"}'],
        out=figures['starling_media_packets{direction="out",kind="link"}'],
        into=figures['starling_media_packets{direction="in",kind="link"}'],
        legs_out=figures['starling_media_legs{direction="out"}'],
        legs_in=figures['starling_media_legs{direction="in"}'],
        passed=figures["starling_relay_legs_passed"],
        shed=figures.get('starling_media_events_total{what="link_layers_shed"}', 0.0),
    )
