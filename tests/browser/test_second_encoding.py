"""A room whose publishers send a second encoding: each browser decodes the one that it can play, as one track."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx
import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant
from tests.browser.seen import shows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from node.demo.cluster import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "second"
PICTURE: Final = 83


async def test_whoever_cannot_play_the_first_encoding_decodes_the_second_near_and_far() -> None:
    """AV1 for one, VP8 for those who lack AV1, under one track id for all; nobody is told that anything is wrong."""
    async with open_cluster(STAGES[:2]) as cluster:
        async with httpx.AsyncClient(base_url=cluster.at(AMSTERDAM).url, timeout=5) as http:
            grant = (await http.post("/v1/sessions", json={"name": "host"})).raise_for_status().json()
            host = {"Authorization": f"Bearer {grant['token']}"}
            made = await http.post("/v1/rooms", json={"room": ROOM, "codec_policy": "second"}, headers=host)
            assert made.raise_for_status().json()["codec_policy"] == "second"
        await trio.to_thread.run_sync(_watch, cluster)


def _watch(cluster: Cluster) -> None:
    here, there = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        sender = open_participant(browser, here, picture=PICTURE)
        able = open_participant(browser, here)
        near = open_participant(browser, here, lacks="av1")
        far = open_participant(browser, there, lacks="av1")
        for watcher, node in ((able, here), (near, here), (far, there)):
            watcher.join(ROOM, node=node)
        sender.join(ROOM, node=here)
        sender.publish_picture(options={"simulcast": False, "codec": "av1"})
        tracks = set()
        for watcher, codec in ((able, "av1"), (near, "vp8"), (far, "vp8")):
            state = watcher.wait_until(_plays(codec), f"the picture comes as {codec}")
            tracks |= set(state["pictures"])
            assert "trackrefused" not in [event["kind"] for event in state["events"]]
        assert len(tracks) == 1, "all know it under one id"
        assert [one["codec"] for one in sender.sent("camera")["encodings"]] == ["av1"], "the first goes on as it was"


def _plays(codec: str) -> Callable[[Mapping[str, Any]], bool]:
    def holds(state: Mapping[str, Any]) -> bool:
        return shows(PICTURE)(state) and [seen["codec"] for seen in state["pictures"].values()] == [codec]

    return holds
