"""Data channels between browsers: what one sends, everybody else in the room gets, on his node and on another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant

if TYPE_CHECKING:
    from node.demo.cluster import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "notes"
MESSAGES: Final = 20

# As many bytes as the SDK sends.
LARGEST: Final = "x" * 16 * 1024


async def test_reliable_and_unreliable_messages_arrive_near_and_far() -> None:
    """All that was sent, in order on the reliable channel, under its label and with its sender."""
    async with open_cluster(STAGES[:2]) as cluster:
        await trio.to_thread.run_sync(_talk, cluster)


def _talk(cluster: Cluster) -> None:
    here, there = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        sender, near, far = (open_participant(browser, here, picture=1) for _ in range(3))
        near.join(ROOM, node=here)
        far.join(ROOM, node=there)
        sender.join(ROOM, node=here)
        sender.publish_microphone()
        for listener in (near, far):
            listener.wait_until(lambda state: bool(state["sounds"]), "the sender's sound is offered")
        said = [LARGEST, *(str(number) for number in range(MESSAGES - 1))]
        sent = {"sure": said, "quick": said}
        for label, texts in sent.items():
            sender.send_data(label, texts, reliable=label == "sure")
        for listener in (near, far):
            state = listener.wait_until(lambda state: len(state["data"]) >= 2 * MESSAGES, "all messages arrive")
            got = {label: [one["text"] for one in state["data"] if one["label"] == label] for label in sent}
            assert got["sure"] == sent["sure"]
            assert sorted(got["quick"]) == sorted(sent["quick"])
            assert len({one["sender"] for one in state["data"]}) == 1
