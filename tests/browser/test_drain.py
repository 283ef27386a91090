"""A node is drained under two pages that see each other: the picture goes on, and nobody is seen to leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.admin import ask_node
from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from node.lifecycle_orders import NodeAnswer, NodeOrder
from signalling.ids import RoomId
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant
from tests.browser.seen import ENOUGH_PICTURES
from tests.browser.watching import open_watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.demo.cluster import Cluster
    from tests.browser.watching import Watch

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = RoomId("drained")
SETTINGS: Final = {"mesh": {"warm_links": 8}}
MAX_GAP_MS: Final = 2_500
"""On two busy cores; both connections stand at the same time, so that this is the change of the picture's way."""

UNSEEN: Final = {"participantleft", "reconnecting", "disconnected", "closed", "trouble"}


async def test_pictures_go_on_while_their_node_is_drained(capsys: pytest.CaptureFixture[str]) -> None:
    """Sender and one receiver move from Amsterdam; one receiver sits in Singapore all the time."""
    async with (
        open_cluster(STAGES[:2], settings=SETTINGS) as cluster,
        open_watch(cluster.at(SINGAPORE).url, ROOM, name="wire") as watch,
    ):
        gaps = await trio.to_thread.run_sync(_drain, cluster, watch)
    with capsys.disabled():
        print(f"\n  longest gap while the node drained, moved receiver and far receiver, in ms: {gaps}")  # noqa: T201


def _drain(cluster: Cluster, watch: Watch) -> list[int]:
    origin, far = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        sender = open_participant(browser, origin, picture=42)
        watchers = [open_participant(browser, origin) for _ in range(2)]
        sender.join(ROOM, node=origin, name="sender")
        for watcher, url, name in zip(watchers, (origin, far), ("near", "far"), strict=True):
            watcher.join(ROOM, node=url, name=name)
        sender.publish()
        for watcher in watchers:
            watcher.wait_until(lambda state: _right(state) >= ENOUGH_PICTURES, "the picture is seen")
        before = [_right(watcher.state()) for watcher in watchers]
        for watcher in watchers:
            watcher.mark()
        trio.from_thread.run(_order, cluster, NodeOrder(action="drain", deadline_s=60.0))
        for page in (watchers[0], sender):
            page.wait_until(lambda state: _saw(state, "moved"), "it is told and moves")
        sender.pass_time(8.0)
        answer = trio.from_thread.run(_order, cluster, NodeOrder())
        assert (answer.state, answer.left, answer.remaining) == ("draining", 0, 0)
        states = [watcher.state() for watcher in watchers]
        for page in (*watchers, sender):
            assert not UNSEEN & {event["kind"] for event in page.state()["events"]}
            assert not page.state()["removed"]
        assert not [seen for seen in trio.from_thread.run_sync(lambda: list(watch.seen)) if seen[0] == "left"]
        assert _right(states[1]) > before[1] + ENOUGH_PICTURES
        assert _right(states[0]) >= ENOUGH_PICTURES
        gaps = [round(_picture(state)["longest_gap_ms"]) for state in states]
        assert max(gaps) < MAX_GAP_MS
        return gaps


async def _order(cluster: Cluster, order: NodeOrder) -> NodeAnswer:
    return await ask_node(cluster.at(AMSTERDAM).data_dir, "node", NodeAnswer, order)


def _saw(state: Mapping[str, Any], kind: str) -> bool:
    return any(event["kind"] == kind for event in state["events"])


def _picture(state: Mapping[str, Any]) -> Mapping[str, Any]:
    seen: Mapping[str, Any]
    (seen,) = state["pictures"].values()
    return seen


def _right(state: Mapping[str, Any]) -> int:
    pictures = list(state["pictures"].values())
    return sum(count for seen in pictures for count in seen["right"].values())
