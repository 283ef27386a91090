"""Every codec of a browser, from camera to screen: through one node, and through two."""

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

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "codecs"
PICTURE: Final = 61
SHAPE: Final = {"width": 640, "height": 360, "rate": 15}
SMALL, LARGE = 320, 640
"""Two sizes in layers: libwebrtc makes none of fewer than 135 lines."""

RAMP_S: Final = 25.0
"""For the sender's own estimate to allow all layers, on a busy box."""

KNOWN: Final = """(codec) => [RTCRtpSender, RTCRtpReceiver].every((end) =>
  end.getCapabilities("video").codecs.some(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`))"""


@pytest.mark.parametrize("codec", ["vp9", "h264", "av1"])
async def test_the_picture_is_right_in_every_codec(codec: str) -> None:
    """Near and far: the codec that was chosen, and what was painted."""
    await _skip_without(codec)
    async with open_cluster(STAGES[:2]) as cluster:
        await trio.to_thread.run_sync(_watch, cluster, codec)


def _watch(cluster: Cluster, codec: str) -> None:
    here, there = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        sender = open_participant(browser, here, picture=PICTURE)
        near, far = open_participant(browser, here), open_participant(browser, here)
        near.join(ROOM, node=here)
        far.join(ROOM, node=there)
        sender.join(ROOM, node=here)
        sender.publish_picture(options={"simulcast": False, "codec": codec})
        for watcher in (near, far):
            state = watcher.wait_until(shows(PICTURE), f"the picture comes as {codec}")
            assert [seen["codec"] for seen in state["pictures"].values()] == [codec]


async def _skip_without(codec: str) -> None:
    """Skip when this Chromium cannot both send and play it; some are built without H264."""
    if not await trio.to_thread.run_sync(_knows, codec):
        pytest.skip(f"this Chromium has no {codec}")


def _knows(codec: str) -> bool:
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        known: bool = browser.new_page().evaluate(KNOWN, codec)
        return known


async def test_a_wish_chooses_among_the_layers_of_one_stream() -> None:
    """VP9 in sizes of one stream (K-SVC): the wish for a size is met near and far."""
    await _skip_without("vp9")
    async with open_cluster(STAGES[:2]) as cluster:
        await trio.to_thread.run_sync(_choose, cluster)


def _choose(cluster: Cluster) -> None:
    here, there = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        sender = open_participant(browser, here, picture=PICTURE)
        near, far = open_participant(browser, here), open_participant(browser, here)
        near.join(ROOM, node=here)
        far.join(ROOM, node=there)
        sender.join(ROOM, node=here)
        sender.publish_picture(shape=SHAPE, options={"svc": True})
        for watcher in (near, far):
            watcher.wait_until(lambda state: _width(state) == LARGE, "the whole picture comes", within_s=RAMP_S)
        # The far one still wants the whole: the layers that the near one is spared go on being sent.
        near.prefer(width=SMALL, height=SMALL * 9 // 16)
        near.wait_until(lambda state: _width(state) == SMALL, "the near one gets the small size")
        assert _width(far.state()) == LARGE
        near.prefer(width=LARGE, height=LARGE * 9 // 16)
        near.wait_until(lambda state: _width(state) == LARGE, "the near one gets the whole again")
        far.prefer(width=SMALL, height=SMALL * 9 // 16)
        far.wait_until(lambda state: _width(state) == SMALL, "the far one gets the small size")
        for watcher in (near, far):
            watcher.wait_until(shows(PICTURE), "the picture is still the right one")


def _width(state: Mapping[str, Any]) -> int:
    """How wide the only picture came out of the decoder last; 0 before the first."""
    sizes: list[int] = [size["width"] for seen in state["pictures"].values() for size in seen["sizes"][-1:]]
    return sizes[0] if sizes else 0
