"""Two people in two browsers at two nodes see and hear each other; a third node carries nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES, VIRGINIA
from node.demo.cluster import open_cluster
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant
from tests.browser.seen import shows, sounds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.demo.cluster import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "browsers"
FIRST: Final = 42
SECOND: Final = 129


async def test_two_browsers_on_two_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    """Each reads the other's id from decoded frames and hears the other; chat crosses; the third node idles."""
    async with open_cluster(STAGES) as cluster:
        figures = await trio.to_thread.run_sync(_meet, cluster)
        metrics = {node.node: await _metrics(node.url) for node in cluster.nodes}
    for node in (AMSTERDAM, SINGAPORE):
        assert metrics[node]["starling_relay_links_up"] == 1
    assert metrics[VIRGINIA]["starling_relay_links_up"] == 0
    assert metrics[VIRGINIA]["starling_relay_legs_in"] == metrics[VIRGINIA]["starling_relay_legs_out"] == 0
    with capsys.disabled():
        print(f"\n  two browsers, two nodes: {figures}")  # noqa: T201 - figures of a run are for its reader


def _meet(cluster: Cluster) -> Mapping[str, Any]:
    one_url, two_url = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        one = open_participant(browser, one_url, picture=FIRST)
        # Its page comes from one node and talks to another: the cross-origin rules are part of the test.
        two = open_participant(browser, one_url, picture=SECOND)
        one.join(ROOM, node=one_url)
        one.publish()
        two.join(ROOM, node=two_url)
        two.publish()
        seen_by_one = one.wait_until(shows(SECOND), "the first sees the second's picture")
        seen_by_two = two.wait_until(shows(FIRST), "the second sees the first's picture")
        one.wait_until(sounds, "the first hears the second")
        two.wait_until(sounds, "the second hears the first")
        assert [person["node"] for person in one.state()["people"]] == [SINGAPORE]
        assert [person["node"] for person in two.state()["people"]] == [AMSTERDAM]
        one.say("hello over there")
        two.wait_until(
            lambda state: {"text": "hello over there", "mine": False} in state["chats"], "chat crosses the link"
        )
        two.leave()
        one.wait_until(lambda state: state["people"] == [], "the second is gone for the first")
        return {"first": _figures(seen_by_one), "second": _figures(seen_by_two)}


def _figures(state: Mapping[str, Any]) -> Mapping[str, Any]:
    (seen,) = (seen for seen in state["pictures"].values() if seen["right"])
    return {
        "join_to_first_ms": round(seen["join_to_first_ms"]),
        "glass_to_glass_ms_p50": round(seen["delay_ms_p50"]),
    }


async def _metrics(url: str) -> dict[str, float]:
    async with httpx.AsyncClient(timeout=5.0, trust_env=False) as http:
        text = (await http.get(f"{url}/metrics")).text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in lines}
