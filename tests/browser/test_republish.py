"""Somebody without camera and microphone shows a screen, stops, and shows it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import AMSTERDAM, STAGES
from node.demo.cluster import open_cluster
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant

if TYPE_CHECKING:
    from node.demo.cluster import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "show"
ROUNDS: Final = 3


async def test_a_screen_is_shared_again_after_it_was_the_only_track_and_went() -> None:
    """Each time the watcher gets it, and each time it is gone afterwards."""
    async with open_cluster(STAGES[:1]) as cluster:
        await trio.to_thread.run_sync(_share, cluster)


def _share(cluster: Cluster) -> None:
    url = cluster.at(AMSTERDAM).url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        watcher, presenter = open_participant(browser, url), open_participant(browser, url, picture=3)
        watcher.join(ROOM, node=url)
        presenter.join(ROOM, node=url)
        for number in range(1, ROUNDS + 1):
            presenter.publish_picture(source="screen")
            watcher.wait_until(
                lambda state: any(seen["right"] for seen in state["pictures"].values()),
                f"the screen is seen, time {number}",
            )
            presenter.unpublish("screen")
            watcher.wait_until(lambda state: not state["pictures"], f"the screen is gone, time {number}")
        assert not [event for event in presenter.state()["events"] if event["kind"] != "participantjoined"]
