"""Who gets which size of a picture: by what is asked for, near and across a link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant
from tests.browser.seen import shows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.demo.cluster import Cluster
    from tests.browser.participant import BrowserParticipant

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "sizes"
PICTURE: Final = 23
SHAPE: Final = {"width": 640, "height": 360, "rate": 15}
"""Chromium sends it in two sizes, 320 and 640 wide, and this box can bear it."""
SMALL, LARGE = 320, 640

RAMP_S: Final = 25.0
"""For the sender's own estimate to allow both sizes, on a busy box."""
SWITCH_S: Final = 5.0
"""For a wish to be seen: a keyframe of the other size must come, asked for at most every 300 ms."""
FREEZE_MS: Final = 1000.0
"""Nobody sees a picture stand still for so long when its size changes."""


def width(state: Mapping[str, Any]) -> int:
    """How wide the only picture came out of the decoder last; 0 before the first."""
    sizes: list[int] = [size["width"] for seen in state["pictures"].values() for size in seen["sizes"][-1:]]
    return sizes[0] if sizes else 0


async def test_a_wish_changes_the_size_and_unwanted_sizes_are_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """Near and far each get what they ask for, without a freeze; what nobody asks for is not even encoded."""
    async with open_cluster(STAGES[:2]) as cluster:
        took_ms = await trio.to_thread.run_sync(_wish, cluster)
    with capsys.disabled():
        print(f"\n  from wish to picture, ms: {took_ms}")  # noqa: T201 - figures of a run are for its reader


def _wish(cluster: Cluster) -> Mapping[str, list[int]]:
    here, there = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        sender = open_participant(browser, here, picture=PICTURE)
        near, far = open_participant(browser, here), open_participant(browser, here)
        near.join(ROOM, node=here)
        far.join(ROOM, node=there)
        sender.join(ROOM, node=here)
        sender.publish_picture(shape=SHAPE)
        watchers = {"one node": near, "two nodes": far}
        for watcher in watchers.values():
            watcher.wait_until(lambda state: width(state) == LARGE, "the large picture comes", within_s=RAMP_S)
        took_ms: dict[str, list[int]] = {path: [] for path in watchers}
        for wanted in (SMALL, LARGE, SMALL):
            for path, watcher in watchers.items():
                took_ms[path].append(_switch(watcher, wanted))
        for watcher in watchers.values():
            watcher.wait_until(shows(PICTURE), "the picture is still the right one")
        _assert_only_small_is_sent(sender)
        return took_ms


def _switch(watcher: BrowserParticipant, wanted: int) -> int:
    """Ask for a width; returns after how many ms it came."""
    watcher.mark()
    watcher.prefer(width=wanted, height=wanted * 9 // 16)
    state = watcher.wait_until(lambda state: width(state) == wanted, f"the picture is {wanted} wide", within_s=SWITCH_S)
    (seen,) = state["pictures"].values()
    assert seen["longest_gap_ms"] < FREEZE_MS, seen
    at_ms: float = seen["sizes"][-1]["at_ms"]
    return round(at_ms)


def _assert_only_small_is_sent(sender: BrowserParticipant) -> None:
    """Wait until the sender was told, and see that it obeys."""

    def bytes_of_large() -> int:
        (large,) = (one for one in sender.sent("camera")["encodings"] if one["rid"] == "f")
        assert not large["active"]
        sent: int = large["bytes"]
        return sent

    sender.wait_until(
        lambda _state: sender.sent("camera")["wanted"] == {"encodings": {"h": True, "f": False}, "spatial": 0},
        "the sender hears that nobody wants the large size",
    )
    sender.pass_time(0.5)
    before = bytes_of_large()
    sender.pass_time(1.0)
    assert bytes_of_large() == before
