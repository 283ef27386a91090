"""Two people reload their pages again and again, each time onto another node, and nobody in the room notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from signalling.ids import RoomId
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant
from tests.browser.watching import open_watch

if TYPE_CHECKING:
    from node.demo.cluster import Cluster
    from tests.browser.participant import BrowserParticipant

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = RoomId("storm")
REFRESHES: Final = 20
IMPATIENT_EVERY: Final = 4
"""Before each such reload comes another one whose page is not waited for."""

EARLIER_S: Final = 0.01
"""Such a page lives 40 to 200 ms: before, while and after its join is asked for at the other node."""

GRACE_S: Final = 8.0
"""As long as the lease: a reload in a browser that shares two cores takes seconds."""

PEOPLE: Final = ("Ada", "Bob")


async def test_nobody_sees_a_duplicate_or_a_ghost(capsys: pytest.CaptureFixture[str]) -> None:
    """Each person is announced once and never leaves; in the end both are in, at both nodes, and stay."""
    async with (
        open_cluster(STAGES[:2], settings={"rooms": {"grace_s": GRACE_S}}) as cluster,
        open_watch(cluster.at(AMSTERDAM).url, ROOM, name="watcher 1") as here,
        open_watch(cluster.at(SINGAPORE).url, ROOM, name="watcher 2") as there,
    ):
        await here.wait_names("watcher 2")
        await there.wait_names("watcher 1")
        here.seen.clear()
        there.seen.clear()
        attempts = await trio.to_thread.run_sync(_storm, cluster)
        # Both pages are closed now: whoever is there after the grace is a ghost.
        await here.wait_names("watcher 2")
        await there.wait_names("watcher 1")
    reloads = len(PEOPLE) * (REFRESHES + REFRESHES // IMPATIENT_EVERY)
    with capsys.disabled():
        print(f"\n  {reloads} reloads, joins by device {attempts}, at both nodes: {here.seen}")  # noqa: T201 - figures
    for watch in (here, there):
        assert sorted(f"{kind} {name}" for kind, name, _ in watch.seen) == [
            f"{kind} {name}" for kind in ("joined", "left") for name in PEOPLE
        ]
        assert [watch.worst[name] for name in PEOPLE] == [1, 1]


def _storm(cluster: Cluster) -> list[int]:
    origin = cluster.at(AMSTERDAM).url
    nodes = [cluster.at(node).url for node in (AMSTERDAM, SINGAPORE)]
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        pages = {name: open_participant(browser, origin) for name in PEOPLE}
        devices: dict[str, str] = {}
        for place, (name, page) in enumerate(pages.items()):
            page.join(ROOM, node=nodes[place], name=name)
            devices[name] = page.device()["id"]
        for refresh in range(1, REFRESHES + 1):
            for place, (name, page) in enumerate(pages.items()):
                node, other = nodes[(place + refresh) % 2], nodes[(place + refresh + 1) % 2]
                if refresh % IMPATIENT_EVERY == 0:
                    page.reload()
                    page.begin_join(ROOM, node=other, name=name)
                    page.pass_time(EARLIER_S * refresh)
                page.reload()
                page.join(ROOM, node=node, name=name)
        for name, page in pages.items():
            _is_well(page, name, devices)
        # Whatever is late by a lease or a grace has had its time: they are in, and still in.
        pages["Ada"].pass_time(GRACE_S + 2)
        for name, page in pages.items():
            _is_well(page, name, devices)
        return [page.device()["attempt"] for page in pages.values()]


def _is_well(page: BrowserParticipant, name: str, devices: dict[str, str]) -> None:
    others = sorted({"watcher 1", "watcher 2", *PEOPLE} - {name})
    state = page.wait_until(
        lambda state: sorted(person["name"] for person in state["people"]) == others, f"{name} sees the others"
    )
    assert state["state"] == "connected"
    assert page.device()["id"] == devices[name]
    assert not {event["kind"] for event in state["events"]} & {"participantleft", "replaced", "reconnecting", "closed"}
