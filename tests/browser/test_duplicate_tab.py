"""A duplicated tab inherits a copy of everything that the tab has stored, and is somebody else all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import AMSTERDAM, STAGES
from node.demo.cluster import open_cluster
from signalling.ids import RoomId
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant
from tests.browser.watching import open_watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from node.demo.cluster import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = RoomId("copies")
RELOADS: Final = 3


async def test_a_duplicated_tab_is_a_device_of_its_own() -> None:
    """Both stay in the room as two people, over reloads of either; neither takes the other's seat."""
    async with open_cluster(STAGES[:1]) as cluster:
        url = cluster.at(AMSTERDAM).url
        async with open_watch(url, ROOM, name="watcher") as watch:
            await trio.to_thread.run_sync(_duplicate, cluster)
            await watch.wait_names()
        assert sorted(f"{kind} {name}" for kind, name, _ in watch.seen) == [
            "joined copy",
            "joined tab",
            "left copy",
            "left tab",
        ]


def _sees(other: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda state: sorted(one["name"] for one in state["people"]) == sorted([other, "watcher"])


def _duplicate(cluster: Cluster) -> None:
    url = cluster.at(AMSTERDAM).url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        tab = open_participant(browser, url)
        tab.join(ROOM, node=url, name="tab")
        device = tab.device()
        copy = tab.duplicate()
        assert copy.device() == device, "the copy inherits what the tab has stored"
        copy.join(ROOM, node=url, name="copy")
        assert copy.device()["id"] != device["id"]
        assert copy.device()["attempt"] == 1
        for _ in range(RELOADS):
            for page, name in ((tab, "tab"), (copy, "copy")):
                page.reload()
                page.join(ROOM, node=url, name=name)
        for page, name, other in ((tab, "tab", "copy"), (copy, "copy", "tab")):
            state = page.wait_until(_sees(other), f"{name} sees {other}")
            assert state["state"] == "connected"
            assert "replaced" not in {event["kind"] for event in state["events"]}
        assert (tab.device()["id"], tab.device()["attempt"]) == (device["id"], 1 + RELOADS)
        assert copy.device()["attempt"] == 1 + RELOADS
