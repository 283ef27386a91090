"""An ordinary viewer: no camera permission, so its browser hides its addresses behind mDNS names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import STAGES
from node.demo.cluster import open_cluster
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant
from tests.browser.seen import shows

if TYPE_CHECKING:
    from node.demo.cluster import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "gallery"
PICTURE: Final = 77


async def test_a_viewer_behind_mdns_sees_the_picture() -> None:
    """Candidates that nobody can use (``*.local``) are no error: the node's own are enough."""
    async with open_cluster(STAGES[:1]) as cluster:
        await trio.to_thread.run_sync(_watch, cluster)


def _watch(cluster: Cluster) -> None:
    url = cluster.nodes[0].url
    with (
        sync_playwright() as playwright,
        open_chromium(playwright) as painting,
        open_chromium(playwright, mdns=True, permission=False) as viewing,
    ):
        painter = open_participant(painting, url, picture=PICTURE)
        viewer = open_participant(viewing, url, permission=False)
        painter.join(ROOM, node=url)
        painter.publish()
        viewer.join(ROOM, node=url)
        state = viewer.wait_until(shows(PICTURE), "the viewer sees the picture")
        assert state["state"] == "connected"
        assert not [event for event in state["events"] if event["kind"] in {"trouble", "closed"}]
