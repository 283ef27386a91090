"""Somebody reloads the page while others look on: they keep the track, and it moves again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.conductor.resumption import RESUME_WITHIN_S
from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant
from tests.browser.seen import ENOUGH_PACKETS, ENOUGH_PICTURES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from node.demo.cluster import Cluster
    from signalling.ids import NodeId
    from tests.browser.participant import BrowserParticipant

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "reload"
GRACE_S: Final = 8.0
"""As long as the lease: a reload in a browser that shares two cores takes seconds."""

LOADS: Final[tuple[tuple[NodeId, int], ...]] = ((AMSTERDAM, 42), (AMSTERDAM, 129), (SINGAPORE, 77), (AMSTERDAM, 18))
"""At which node each page joins, and what it shows: so the pictures say from which page they are."""


async def test_a_reload_is_invisible_near_and_over_a_link(capsys: pytest.CaptureFixture[str]) -> None:
    """The same tracks from the first page to the last, none of them ever gone; then one comes back without anything."""
    async with open_cluster(STAGES[:2], settings={"rooms": {"grace_s": GRACE_S}}) as cluster:
        gaps = await trio.to_thread.run_sync(_reload, cluster)
    with capsys.disabled():
        print(f"\n  longest gap of each reload, near and far, in ms: {gaps}")  # noqa: T201 - figures


def _reload(cluster: Cluster) -> list[list[int]]:
    origin = cluster.at(AMSTERDAM).url
    gaps: list[list[int]] = []
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        sender = open_participant(browser, origin)
        watchers = [open_participant(browser, origin) for _ in range(2)]
        for watcher, node in zip(watchers, (AMSTERDAM, SINGAPORE), strict=True):
            watcher.join(ROOM, node=cluster.at(node).url, name=f"watcher at {node}")
        tracks: set[str] = set()
        for number, (node, picture) in enumerate(LOADS):
            packets = [_packets(watcher) for watcher in watchers]
            if number:
                for watcher in watchers:
                    watcher.mark()
                sender.reload()
            sender.join(ROOM, node=cluster.at(node).url, name="sender")
            replace(sender, picture=picture).publish()
            states = [
                watcher.wait_until(_shows(picture, tracks, before), f"load {number} is seen at {watched}")
                for watcher, before, watched in zip(watchers, packets, (AMSTERDAM, SINGAPORE), strict=True)
            ]
            tracks = {*states[0]["pictures"], *states[0]["sounds"]}
            assert len(tracks) == 2
            gaps.append([round(_picture_of(state)["longest_gap_ms"]) for state in states])
        # What was not published again in time would be gone by now.
        sender.pass_time(RESUME_WITHIN_S + 1)
        for watcher in watchers:
            assert not watcher.state()["removed"]
        sender.reload()
        sender.join(ROOM, node=origin, name="sender")
        for watcher in watchers:
            gone = watcher.wait_until(_has_nothing, "who came back without a camera has none")
            assert set(gone["removed"]) == tracks
            assert "participantleft" not in {event["kind"] for event in gone["events"]}
    return gaps[1:]


def _has_nothing(state: Mapping[str, Any]) -> bool:
    return not state["pictures"] and not state["sounds"]


def _picture_of(state: Mapping[str, Any]) -> Mapping[str, Any]:
    seen: Mapping[str, Any]
    (seen,) = state["pictures"].values()
    return seen


def _packets(watcher: BrowserParticipant) -> int:
    return sum(heard["packets"] for heard in watcher.state()["sounds"].values())


def _shows(picture: int, tracks: set[str], packets: int) -> Callable[[Mapping[str, Any]], bool]:
    """Whether this picture is seen and a sound heard anew, on these tracks if there are any."""

    def holds(state: Mapping[str, Any]) -> bool:
        assert not state["removed"], f"gone: {state['removed']}"
        known = {*state["pictures"], *state["sounds"]}
        assert not tracks or known == tracks
        return (
            len(known) == 2
            and _picture_of(state)["right"].get(str(picture), 0) >= ENOUGH_PICTURES
            and sum(heard["packets"] for heard in state["sounds"].values()) >= packets + ENOUGH_PACKETS
        )

    return holds
