"""Encrypted from end to end: nodes forward what they cannot read, and only who has the key sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant
from tests.browser.seen import shows, sounds

if TYPE_CHECKING:
    from node.demo.cluster import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "sealed"
PICTURE: Final = 91
KEY: Final = 0x5A
ENOUGH_PACKETS: Final = 100
"""Of each kind; as many gave their friends more than one right picture."""


async def test_only_who_has_the_key_sees_and_hears() -> None:
    """Right pictures through one node and through two; without the key packets come, and no picture of them."""
    async with open_cluster(STAGES[:2]) as cluster:
        await trio.to_thread.run_sync(_meet, cluster)


def _meet(cluster: Cluster) -> None:
    here, there = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        sender = open_participant(browser, here, picture=PICTURE)
        sender.join(ROOM, node=here, key=KEY)
        sender.publish()
        near, far, curious = (open_participant(browser, here) for _ in range(3))
        near.join(ROOM, node=here, key=KEY)
        far.join(ROOM, node=there, key=KEY)
        curious.join(ROOM, node=here)
        for friend in (near, far):
            friend.wait_until(shows(PICTURE), "who has the key sees the picture")
            friend.wait_until(sounds, "who has the key hears the sound")
        state = curious.wait_until(
            lambda state: all(
                got and all(one["packets"] >= ENOUGH_PACKETS for one in got.values())
                for got in (state["sounds"], state["pictures"])
            ),
            "packets arrive without the key, too",
        )
        assert not shows(PICTURE)(state)
        assert all(seen["right"] == {} for seen in state["pictures"].values())
