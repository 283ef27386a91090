"""One page moderates another at another node: mute, lock, kick, ban; and what was said before is read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import trio
from playwright.sync_api import Error as PageError
from playwright.sync_api import sync_playwright

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from node.demo.cluster import Cluster
    from tests.browser.participant import BrowserParticipant

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "hall"
SAID: Final = [f"line {number}" for number in range(7)]


async def test_a_page_moderates_another() -> None:
    async with open_cluster(STAGES) as cluster:
        await trio.to_thread.run_sync(_moderate, cluster)


def _event(kind: str, **wanted: object) -> Callable[[Mapping[str, Any]], bool]:
    return lambda state: any(
        event["kind"] == kind and all(event.get(key) == value for key, value in wanted.items())
        for event in state["events"]
    )


def _sees(name: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda state: [one["name"] for one in state["people"]] == [name]


def _code_of_join(page: BrowserParticipant, *, node: str, name: str) -> str:
    with pytest.raises(PageError):
        page.join(ROOM, node=node, name=name)
    closed = [event for event in page.state()["events"] if event["kind"] == "closed"][-1]
    assert closed["message"], "with a sentence for people"
    return str(closed["code"])


def _moderate(cluster: Cluster) -> None:
    here, there = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        owner, guest, newcomer = open_participant(browser, here), *(open_participant(browser, there) for _ in range(2))
        owner.join("porch", node=here, name="owner")
        assert not owner.state()["moderates"], "a room that a join made is nobody's"
        owner.leave()
        owner.make_room(ROOM)
        owner.join(ROOM, node=here, name="owner")
        guest.join(ROOM, node=there, name="guest")
        assert (owner.state()["moderates"], guest.state()["moderates"]) == (True, False)
        owners = owner.state()["me"]
        guest.publish_microphone()
        owner.wait_until(lambda state: bool(state["sounds"]), "the owner hears the guest")
        guest.wait_until(_sees("owner"), "the guest sees the owner")

        _page_back(owner, guest)

        assert guest.kick("owner") == "not_permitted"
        assert guest.lock_room(locked=True) == "not_permitted"
        assert owner.ask_mute("guest", source="microphone") == ""
        guest.wait_until(
            _event("muteasked", source="microphone", id=owners), "the guest is asked to mute, by the owner"
        )

        assert owner.lock_room(locked=True) == ""
        guest.wait_until(_event("roomchanged", locked=True), "the guest hears of the lock")
        assert guest.state()["locked"]
        assert _code_of_join(newcomer, node=there, name="newcomer") == "room_locked"
        assert owner.lock_room(locked=False) == ""

        assert owner.kick("guest", banSeconds=600) == ""
        out = guest.wait_until(lambda state: state["state"] == "closed", "the guest is out")
        assert _event("closed", code="kicked")(out)
        assert not _event("reconnecting")(out), "who is kicked does not come again by itself"
        owner.wait_until(lambda state: not state["people"], "the owner sees nobody")
        assert _code_of_join(guest, node=there, name="guest") == "banned"


def _page_back(owner: BrowserParticipant, guest: BrowserParticipant) -> None:
    """Each reads all pages of the chat, and finds its own lines among them."""
    for number, text in enumerate(SAID):
        (owner if number % 2 == 0 else guest).say(text)
    for reader, own in ((owner, 0), (guest, 1)):
        reader.wait_until(lambda state: len(state["chats"]) == len(SAID), "all is said")
        pages = reader.read_back(limit=3)
        assert [[line["text"] for line in page] for page in pages] == [SAID[4:], SAID[1:4], SAID[:1]]
        mine = [line["text"] for page in reversed(pages) for line in page if line["mine"]]
        assert mine == SAID[own::2]
