"""A browser that does not play what another one sends: it says why, and the other one sends something else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from tests.browser.chromium import open_chromium
from tests.browser.participant import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playwright.sync_api import Browser, Page

    from node.demo.cluster import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "choosy"
CHOOSY: Final = Path(__file__).with_name("choosy.js").read_text()
REASON: Final = "Ada's camera is sent as AV1, which this device cannot play. Another format has been asked for."
ENOUGH_PACKETS: Final = 20

PUBLISH: Final = """async ([room, node]) => {
  const { Room } = await import("/sdk/starling.js");
  const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 180 });
  const context = canvas.getContext("2d");
  let turn = 0;
  setInterval(() => {
    context.fillStyle = `hsl(${(turn += 7)} 80% 50%)`;
    context.fillRect(0, 0, canvas.width, canvas.height);
  }, 66);
  window.ada = new Room({ room, name: "Ada", node });
  await ada.join();
  await ada.publish(canvas.captureStream(15).getVideoTracks()[0], { codec: "av1", simulcast: false });
}"""


@pytest.mark.parametrize("there", [AMSTERDAM, SINGAPORE], ids=["on one node", "over a link"])
async def test_a_picture_that_cannot_be_played_is_explained_and_then_comes(there: str) -> None:
    """The reason is told at once; the sender changes to VP8 in the same call, also at another node."""
    stages = STAGES[:1] if there == AMSTERDAM else STAGES[:2]
    async with open_cluster(stages) as cluster:
        await trio.to_thread.run_sync(_watch, cluster, there)


def _watch(cluster: Cluster, there: str) -> None:
    here_url, there_url = cluster.at(AMSTERDAM).url, cluster.at(there).url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        choosy = _open(browser, here_url)
        choosy.route("**/choosy.js", lambda route: route.fulfill(content_type="text/javascript", body=CHOOSY))
        choosy.evaluate("async () => { window.choosy = await import('/choosy.js'); }")
        choosy.evaluate("([room, node]) => choosy.join(room, node)", [ROOM, there_url])
        ada = _open(browser, here_url)
        ada.evaluate(PUBLISH, [ROOM, here_url])
        state = _wait(choosy)
        assert state["told"] == [REASON, "restored"]


def _open(browser: Browser, url: str) -> Page:
    # The tests' own scripts come from nowhere that the page's policy allows.
    page = browser.new_context(bypass_csp=True).new_page()
    page.goto(f"{url}/healthz")
    return page


def _wait(choosy: Page) -> Mapping[str, Any]:
    """Wait until VP8 flows and that has been noticed."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        state: Mapping[str, Any] = choosy.evaluate("() => choosy.state()")
        flows = [one["packets"] >= ENOUGH_PACKETS and one["codec"] == "vp8" for one in state["videos"]]
        if flows == [True] and "restored" in state["told"]:
            return state
        assert time.monotonic() < deadline, f"no VP8 within {PATIENCE_S} s; instead: {state}"
        choosy.wait_for_timeout(100)
