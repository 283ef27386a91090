"""Chromium and a client that other people wrote in one room: each decodes what the other sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import STAGES
from node.demo.cluster import open_cluster
from signalling.ids import RoomId
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant
from tests.cluster.foreign import open_foreign_participant

if TYPE_CHECKING:
    from node.demo.cluster import Cluster
    from tests.cluster.aiortc_peer import VideoCodec
    from tests.cluster.foreign import ForeignParticipant

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = RoomId("strangers")
LABEL: Final = "notes"
SIZE: Final = (320, 180)
FOREIGN_WIDTH: Final = 640
"""aiortc's own green picture."""
ENOUGH_FRAMES: Final = 15


@pytest.mark.parametrize("video_codec", ["VP8", "H264"])
async def test_a_browser_and_aiortc_understand_each_other(video_codec: VideoCodec) -> None:
    """Pictures of that codec, sound and messages, both ways."""
    async with open_cluster(STAGES[:1]) as cluster, open_foreign_participant(cluster.nodes[0].url, ROOM) as foreign:
        await foreign.publish(video_codec=video_codec, data=LABEL)
        await trio.to_thread.run_sync(_meet, cluster, foreign, video_codec.lower())


def _meet(cluster: Cluster, foreign: ForeignParticipant, codec: str) -> None:
    url = cluster.nodes[0].url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        browsing = open_participant(browser, url, picture=7)
        browsing.join(ROOM, node=url)
        browsing.publish_picture(shape={"rate": 15}, options={"simulcast": False, "codec": codec})
        browsing.publish_microphone()
        trio.from_thread.run(
            foreign.wait_until, lambda got: min(got.frames.values()) >= ENOUGH_FRAMES, "aiortc sees and hears"
        )
        # A browser begins small while it learns what its line can bear.
        assert {width * SIZE[1] for width, _ in foreign.peer.received.sizes} == {
            height * SIZE[0] for _, height in foreign.peer.received.sizes
        }
        state = browsing.wait_until(
            lambda state: (
                any(seen["unreadable"] >= ENOUGH_FRAMES for seen in state["pictures"].values())
                and any(heard["packets"] >= ENOUGH_FRAMES for heard in state["sounds"].values())
            ),
            "the browser sees and hears",
        )
        (seen,) = state["pictures"].values()
        assert (seen["codec"], seen["sizes"][-1]["width"]) == (codec, FOREIGN_WIDTH)
        browsing.send_data(LABEL, ["hello"], reliable=True)
        trio.from_thread.run(foreign.peer.send, "hello, too")
        trio.from_thread.run(
            foreign.wait_until,
            lambda got: [(label, text) for label, _, text in got.messages] == [(LABEL, "hello")],
            "aiortc gets the message",
        )
        browsing.wait_until(
            lambda state: [(one["label"], one["text"]) for one in state["data"]] == [(LABEL, "hello, too")],
            "the browser gets the message",
        )
