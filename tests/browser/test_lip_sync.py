"""Sound and picture of one participant stay in step: flashes and beeps of the same moments, over one and two nodes."""

from __future__ import annotations

import statistics
import time
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

    from playwright.sync_api import Browser

    from node.demo.cluster import Cluster
    from tests.browser.participant import BrowserParticipant

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "clapper"

MAX_OFFSET_MS: Final = 40.0
"""What viewers do not notice, sound before picture being the worse (ITU-R BT.1359)."""

LATE_MS: Final = 150
"""How late the receivers play the picture: without the same clock behind both, the sound would not wait for it."""

SAMPLES: Final = 9
"""The median of so many flashes and beeps; one picture is 33 ms, so a single pair says little."""

SHAPE: Final = {"width": 640, "height": 360}
SMALL: Final = 320
"""Chromium sends the picture in these two widths."""

SETTLE_S: Final = 30.0
"""libwebrtc moves the sound towards its picture by some 10 ms a second, so that nobody hears it."""


async def test_a_beep_comes_with_its_flash(capsys: pytest.CaptureFixture[str]) -> None:
    """Also when the picture is played late, and in another size: who receives both knows when each was."""
    async with open_cluster(STAGES[:2]) as cluster:
        offsets = await trio.to_thread.run_sync(_meet, cluster)
    with capsys.disabled():
        print(f"\n  sound after picture, ms (median): {offsets}")  # noqa: T201 - figures of a run are for its reader


def _meet(cluster: Cluster) -> Mapping[str, float]:
    here, there = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        sender, near, far = (open_participant(browser, here) for _ in range(3))
        receivers = {"one node": near, "two nodes": far}
        near.join(ROOM, node=here)
        far.join(ROOM, node=there)
        _leave_lines_behind(browser, here, near)
        sender.join(ROOM, node=here)
        sender.publish_flashes(shape=SHAPE)
        for receiver in receivers.values():
            receiver.wait_until(lambda state: bool(state["pictures"] and state["sounds"]), "both tracks are there")
            receiver.measure_flashes(late_ms=LATE_MS)
        offsets = {path: _wait_in_step(sender, receiver) for path, receiver in receivers.items()}
        before = {path: len(receiver.offsets()) for path, receiver in receivers.items()}
        for receiver in receivers.values():
            _change_size(receiver)
        for path, receiver in receivers.items():
            offsets[f"{path}, another size"] = _wait_in_step(sender, receiver, after=before[path])
        return offsets


def _change_size(receiver: BrowserParticipant) -> None:
    """Ask for whichever size does not come now, and wait for it."""

    def width(state: Mapping[str, Any]) -> int:
        (seen,) = state["pictures"].values()
        came: int = seen["sizes"][-1]["width"]
        return came

    wanted = SMALL if width(receiver.state()) != SMALL else SHAPE["width"]
    receiver.prefer(width=wanted, height=wanted * 9 // 16)
    receiver.wait_until(lambda state: width(state) == wanted, f"the picture is {wanted} wide")


def _leave_lines_behind(browser: Browser, node: str, receiver: BrowserParticipant) -> None:
    """Have two people come and go, whose lines the next one's tracks take: what belonged together is told anew."""
    speaker, painter = open_participant(browser, node), open_participant(browser, node, picture=1)
    for one, publish in ((speaker, speaker.publish_microphone), (painter, painter.publish_picture)):
        one.join(ROOM, node=node)
        publish()
    receiver.wait_until(lambda state: bool(state["pictures"] and state["sounds"]), "both came")
    for one in (speaker, painter):
        one.leave()
        one.page.close()
    receiver.wait_until(lambda state: not state["pictures"] and not state["sounds"], "both are gone")


def _wait_in_step(sender: BrowserParticipant, receiver: BrowserParticipant, *, after: int = 0) -> float:
    """Wait until sound and picture are in step; returns by how many ms the sound is late.

    Args:
        sender: Where both went in.
        receiver: Where both come out.
        after: So many offsets are of the time before, and do not count.
    """
    deadline = time.monotonic() + SETTLE_S
    while True:
        went_in, came_out = sender.offsets()[-SAMPLES:], receiver.offsets()[after:][-SAMPLES:]
        if min(len(went_in), len(came_out)) == SAMPLES:
            # What the measuring itself adds is in both.
            offset_ms = statistics.median(came_out) - statistics.median(went_in)
            if abs(offset_ms) <= MAX_OFFSET_MS:
                return round(offset_ms, 1)
        assert time.monotonic() < deadline, f"sound after picture, ms: {came_out} with {went_in} at the source"
        receiver.pass_time(0.5)
