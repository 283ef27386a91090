"""All nodes are restarted one after the other under pages that see each other: no picture stands still for long."""

from __future__ import annotations

import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import pytest
import trio
from playwright.sync_api import sync_playwright

from membership.agent.child import open_tethered
from node.demo.cast import STAGES
from node.demo.cluster import open_cluster
from signalling.ids import RoomId
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant
from tests.browser.seen import shows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.demo.cluster import Cluster, RunningNode
    from tests.browser.participant import BrowserParticipant

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = RoomId("restarted")
FIRST: Final = 42
SECOND: Final = 129
SETTINGS: Final[Mapping[str, Mapping[str, object]]] = {"mesh": {"warm_links": 8}, "node": {"drain_deadline_s": 20.0}}
DEADLINE_S: Final = 60.0
POLL_S: Final = 0.1

MAX_GAP_MS: Final = 2_500
"""On two busy cores; both connections stand at the same time, so that this is the change of the picture's way."""

SETTLED_S: Final = 3.0
"""After a node is back, before the next goes."""

UNSEEN: Final = {"participantleft", "reconnecting", "disconnected", "closed", "trouble"}


async def test_pictures_go_on_through_a_rolling_restart(capsys: pytest.CaptureFixture[str]) -> None:
    """Two pages at two nodes, three nodes: each is told to stop and started again."""
    async with open_cluster(STAGES, settings=SETTINGS) as cluster, AsyncExitStack() as restarted:
        gaps = await trio.to_thread.run_sync(_watch, cluster, restarted)
    with capsys.disabled():
        print(f"\n  longest gap of the other's picture while each node was restarted, in ms: {gaps}")  # noqa: T201
    assert max(max(both) for both in gaps.values()) < MAX_GAP_MS


def _watch(cluster: Cluster, restarted: AsyncExitStack) -> Mapping[str, Sequence[int]]:
    gaps: dict[str, Sequence[int]] = {}
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        one, two = (open_participant(browser, cluster.nodes[0].url, picture=picture) for picture in (FIRST, SECOND))
        for page, home, name in zip((one, two), cluster.nodes[:2], ("one", "two"), strict=True):
            page.join(ROOM, node=home.url, name=name)
            page.publish()
        one.wait_until(shows(SECOND), "the first sees the second")
        two.wait_until(shows(FIRST), "the second sees the first")
        one.pass_time(SETTLED_S)
        for running in cluster.nodes:
            for page in (one, two):
                page.mark()
            trio.from_thread.run(_restart, restarted, cluster, running)
            one.pass_time(SETTLED_S)
            gaps[running.node] = [_gap(one, SECOND), _gap(two, FIRST)]
        for page in (one, two):
            state = page.state()
            events = {event["kind"] for event in state["events"]}
            assert not UNSEEN & events, events
            assert not state["removed"]
            assert "moved" in events
    return gaps


def _gap(page: BrowserParticipant, picture: int) -> int:
    gap_ms: float = page.state()["gaps"][str(picture)]
    return round(gap_ms)


async def _restart(stack: AsyncExitStack, cluster: Cluster, running: RunningNode) -> None:
    """Have a node stop, and run it again until it is ready."""
    running.process.send_signal(signal.SIGTERM)
    with trio.fail_after(DEADLINE_S):
        assert await running.process.wait() == 0
    config = Path(cluster.folder) / running.node / "node.toml"
    command = [sys.executable, "-m", "node", "up", "--config", str(config)]
    await stack.enter_async_context(open_tethered(command, name=f"node {running.node}", close_grace_s=8.0))
    async with httpx.AsyncClient(trust_env=False) as http:
        with trio.fail_after(DEADLINE_S):
            while not await _is_ready(http, running.url):  # noqa: ASYNC110 - it is another process
                await trio.sleep(POLL_S)


async def _is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/readyz")).is_success
    except httpx.TransportError:
        return False
