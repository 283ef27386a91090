"""A page takes the nearest of three real nodes behind paths of different length, and another one on another network."""

from __future__ import annotations

import json
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES, VIRGINIA
from node.demo.cluster import open_cluster
from signalling.client.probing import probe_nodes
from signalling.ids import NodeId, RoomId
from tests.browser.chromium import open_chromium
from tests.browser.cut import open_path
from tests.browser.watching import open_watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playwright.sync_api import Browser, Page, Route

    from node.demo.cluster import Cluster
    from tests.browser.cut import Path
    from tests.browser.watching import Watch

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = RoomId("nearest")
NEVER_S: Final = 60.0
"""A path that swallows whatever goes in, as far as anybody waits."""

PATIENCE_S: Final = 20.0

SEEN_S: Final = 4.0
"""For whoever stayed to be told of anything: a lease is renewed every 2.5 s."""

SETTINGS: Final = {"mesh": {"warm_links": 8}}
"""So that nodes know how far they are from each other, which is nothing: the paths to them alone are long."""

ENTER: Final = """async ([name, options]) => {
  const { Room } = await import("/sdk/starling.js");
  window.opened = [];
  const { WebSocket } = window;
  window.WebSocket = class extends WebSocket {
    constructor(url) { super(url); window.opened.push(url); }
  };
  const began = performance.now();
  window.room = new Room({ room: name, name: "Ada", ...options });
  window.seen = [];
  for (const kind of ["reconnecting", "resumed", "moved"]) {
    window.room.addEventListener(kind, () => window.seen.push(kind));
  }
  await window.room.join();
  return performance.now() - began;
}"""

STATE: Final = """() => ({
  home: room.home.node,
  state: room.state,
  seen,
  opened: opened.length,
  measured: room.candidates.map(({ node, measured }) => [node, measured === null ? null : Math.round(measured)]),
})"""


async def test_a_page_takes_the_nearest_and_measures_again_on_another_network(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with (
        open_cluster(STAGES, settings=SETTINGS) as cluster,
        open_watch(cluster.at(SINGAPORE).url, ROOM, name="wire") as watch,
        AsyncExitStack() as stack,
    ):
        paths: dict[NodeId, Path] = {}
        for node in cluster.nodes:
            paths[NodeId(node.node)] = await stack.enter_async_context(open_path(node.url))
        _set(paths, amsterdam=0.020, singapore=0.004, virginia=NEVER_S)
        far, near, dead = await probe_nodes([paths[node].url for node in (AMSTERDAM, SINGAPORE, VIRGINIA)])
        assert dead is None, "the Python client finds the same"
        assert near is not None
        assert far is not None
        assert 8 <= near < far
        assert far >= 40
        figures = await trio.to_thread.run_sync(_travel, cluster, paths, watch)
    with capsys.disabled():
        print(f"\n  nearest of three: {figures}")  # noqa: T201 - figures of a run are for its reader


def _set(paths: Mapping[NodeId, Path], **delays_s: float) -> None:
    for node, path in paths.items():
        path.delay_s = delays_s[node]


def _travel(cluster: Cluster, paths: dict[NodeId, Path], watch: Watch) -> Mapping[str, Any]:
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        page = _open(browser, cluster, paths)
        join_ms = page.evaluate(ENTER, [ROOM, {}])
        first = page.evaluate(STATE)
        assert first["home"] == SINGAPORE
        assert [node for node, _ in first["measured"]] == [SINGAPORE, AMSTERDAM, VIRGINIA]
        assert first["measured"][2][1] is None

        # Another network: what was far is near, and what was dead is there.
        _set(paths, amsterdam=0.002, singapore=0.090, virginia=0.040)
        began = time.monotonic()
        page.context.set_offline(True)
        page.context.set_offline(False)
        _wait(page, lambda state: state["measured"][0][0] == AMSTERDAM, "it measures again")
        took_ms = round(1000 * (time.monotonic() - began))
        again = _wait(page, lambda state: None not in [ms for _, ms in state["measured"]], "the far ones, too")
        assert [node for node, _ in again["measured"]] == [AMSTERDAM, VIRGINIA, SINGAPORE]
        moved = _wait(page, lambda state: "moved" in state["seen"], "it goes to the nearer node")
        assert (moved["home"], moved["seen"]) == (AMSTERDAM, ["moved"]), "and its connection never broke"
        page.wait_for_timeout(1000 * SEEN_S)
        seen = trio.from_thread.run_sync(lambda: [one[0] for one in watch.seen])
        assert "left" not in seen, "nobody sees it leave"
        page.evaluate("room.leave()")

        # In this tab everything is known: a reload measures nothing, and opens the one socket that it needs.
        page.reload()
        page.evaluate(ENTER, [ROOM, {}])
        reloaded = page.evaluate(STATE)
        assert (reloaded["home"], reloaded["opened"]) == (AMSTERDAM, 1)
        page.evaluate("room.leave()")

        page.evaluate(ENTER, [ROOM, {"node": paths[SINGAPORE].url, "insist": True}])
        assert page.evaluate(STATE)["home"] == SINGAPORE
        page.evaluate("room.leave()")
        return {"join_ms": round(join_ms), "first": first["measured"], "again_ms": took_ms, "again": again["measured"]}


def _open(browser: Browser, cluster: Cluster, paths: Mapping[NodeId, Path]) -> Page:
    """A page of the first node, to which every node is where its path begins."""
    page = browser.new_context(bypass_csp=True).new_page()
    page.route("**/v1/nodes?*", partial(_lengthen, paths=paths))
    page.goto(f"{cluster.at(AMSTERDAM).url}/healthz")
    return page


def _lengthen(route: Route, *, paths: Mapping[NodeId, Path]) -> None:
    response = route.fetch()
    named = response.json()
    for one in named["nodes"]:
        one["url"] = paths[one["node"]].url
    route.fulfill(response=response, body=json.dumps(named))


def _wait(page: Page, holds: Callable[[Mapping[str, Any]], bool], what: str) -> Mapping[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        state: Mapping[str, Any] = page.evaluate(STATE)
        if holds(state):
            return state
        assert time.monotonic() < deadline, f"never: {what}; instead: {state}"
        page.wait_for_timeout(50)
