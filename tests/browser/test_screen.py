"""A shared screen comes beside the camera, as a screen and in full size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.demo.cluster import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "slides"
PICTURE: Final = 88
SCREEN: Final = {"width": 1280, "height": 720, "rate": 5}
"""Also the size of the screen that Chromium captures where there is none."""
ENOUGH_PICTURES: Final = 5

RAMP_S: Final = 25.0
"""For the sender's own estimate to allow the full size, on a busy box."""


async def test_a_screen_comes_whole_beside_the_camera() -> None:
    """Two sources of one participant at another node, the screen legible in its own size; then a captured one."""
    async with open_cluster(STAGES[:2]) as cluster:
        await trio.to_thread.run_sync(_share, cluster)


def _share(cluster: Cluster) -> None:
    here, there = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        painter, capturer = open_participant(browser, here, picture=PICTURE), open_participant(browser, here)
        watcher = open_participant(browser, here)
        watcher.join(ROOM, node=there)
        painter.join(ROOM, node=here)
        painter.publish_picture(options={"simulcast": False})
        painter.publish_picture(source="screen", shape=SCREEN)
        state = watcher.wait_until(_whole, "the screen comes in full size", within_s=RAMP_S)
        assert sorted(seen["source"] for seen in state["pictures"].values()) == ["camera", "screen"]
        painter.leave()
        watcher.wait_until(lambda state: not state["pictures"], "the painter is gone")
        capturer.join(ROOM, node=here)
        capturer.publish_display()
        watcher.wait_until(lambda state: _sizes(state) == [SCREEN["width"]], "a captured screen comes", within_s=RAMP_S)


def _whole(state: Mapping[str, Any]) -> bool:
    """Whether both sources are legible, the screen in its own size."""
    legible = [seen["right"].get(str(PICTURE), 0) >= ENOUGH_PICTURES for seen in state["pictures"].values()]
    return legible == [True, True] and _sizes(state) == [SCREEN["width"]]


def _sizes(state: Mapping[str, Any]) -> list[int]:
    """How wide each screen came out of the decoder last."""
    screens = [seen for seen in state["pictures"].values() if seen["source"] == "screen"]
    return [seen["sizes"][-1]["width"] for seen in screens if seen["sizes"]]
