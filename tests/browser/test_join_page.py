"""The join page of somebody who looks after a room, and of somebody on a small screen whom that concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
import trio
from playwright.sync_api import expect, sync_playwright

from node.demo.cast import AMSTERDAM, STAGES
from node.demo.cluster import open_cluster
from tests.browser.chromium import open_chromium
from tests.browser.participant import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

    from node.demo.cluster import Cluster

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "hall"
WIDE: Final[ViewportSize] = {"width": 1100, "height": 720}
NARROW: Final[ViewportSize] = {"width": 360, "height": 640}
MAKE_ROOM: Final = """async (room) => {
  const { token } = JSON.parse(sessionStorage.getItem("starling.token"));
  const headers = { Authorization: `Bearer ${token}` };
  await fetch("/v1/rooms", { method: "POST", headers, body: JSON.stringify({ room }) });
}"""
OVERFLOW: Final = "document.scrollingElement.scrollWidth - innerWidth"


async def test_the_join_page_moderates() -> None:
    async with open_cluster(STAGES[:1]) as cluster:
        await trio.to_thread.run_sync(_moderate, cluster)


async def test_the_join_page_shows_what_was_said_before_a_reload() -> None:
    async with open_cluster(STAGES[:1]) as cluster:
        await trio.to_thread.run_sync(_reload, cluster)


def _reload(cluster: Cluster) -> None:
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        page = _open(browser, cluster.at(AMSTERDAM).url, name="Ada", room=ROOM)
        _join(page)
        page.locator("#call-chat").click()
        for text in ("first", "second"):
            page.locator("#chat-text").fill(text)
            page.locator("#chat-text").press("Enter")
            expect(page.locator("#chat-log")).to_contain_text(text)
        page.reload()
        _join(page)
        expect(page.locator("#chat-log li span")).to_have_text(["first", "second"])


def _open(browser: Browser, url: str, *, name: str, room: str, size: ViewportSize = WIDE) -> Page:
    context = browser.new_context(viewport=size)
    context.set_default_timeout(1000 * PATIENCE_S)
    context.grant_permissions(["camera", "microphone"], origin=url)
    page = context.new_page()
    page.goto(f"{url}/?room={room}&name={name}")
    return page


def _join(page: Page) -> None:
    page.get_by_role("button", name="Join", exact=True).click()
    expect(page.locator("#call")).to_be_visible()


def _check_fits(page: Page) -> None:
    assert page.evaluate(OVERFLOW) <= 0, "nothing is wider than the screen"


def _pick(page: Page, item: str) -> None:
    page.get_by_role("button", name="Moderate Grace").click()
    page.get_by_role("button", name=item).click()


def _moderate(cluster: Cluster) -> None:
    url = cluster.at(AMSTERDAM).url
    expect.set_options(timeout=1000 * PATIENCE_S)
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        ada = _open(browser, url, name="Ada", room="porch")
        _join(ada)
        expect(ada.locator("#lock")).to_be_hidden()
        ada.get_by_role("button", name="Leave").click()
        ada.evaluate(MAKE_ROOM, ROOM)
        ada.goto(f"{url}/?room={ROOM}&name=Ada")
        _join(ada)
        grace = _open(browser, url, name="Grace", room=ROOM, size=NARROW)
        _join(grace)
        expect(grace.locator("#lock")).to_be_hidden()
        expect(grace.locator(".more").first).to_be_hidden()

        _pick(ada, "Ask to mute")
        expect(ada.locator("#banner")).to_have_text("Grace is asked to mute. It is up to them.")
        expect(grace.locator("#asked-text")).to_have_text("Ada asks you to mute your microphone.")
        _check_fits(grace)
        grace.get_by_role("button", name="Mute", exact=True).click()
        expect(grace.locator("#call-mic")).to_have_attribute("aria-pressed", "false")
        expect(grace.locator("#asked")).to_be_hidden()
        expect(ada.locator(".tile.silenced .who")).to_have_text("Grace")

        ada.get_by_role("button", name="Lock the room").click()
        expect(grace.locator("#banner")).to_have_text("The room is locked: nobody more is let in.")
        expect(grace.locator("#lock")).to_be_visible()
        eve = _open(browser, url, name="Eve", room=ROOM, size=NARROW)
        eve.get_by_role("button", name="Join", exact=True).click()
        expect(eve.locator("#join-error")).to_contain_text("The room is locked")
        eve.context.close()
        ada.get_by_role("button", name="Lock the room").click()
        expect(grace.locator("#lock")).to_be_hidden()

        ada.set_viewport_size(NARROW)
        ada.get_by_role("button", name="Moderate Grace").click()
        menu = ada.locator("#person-menu").bounding_box()
        assert menu is not None
        assert menu["x"] >= 0
        assert menu["x"] + menu["width"] <= NARROW["width"]
        assert menu["y"] + menu["height"] <= NARROW["height"]
        _check_fits(ada)
        ada.keyboard.press("Escape")
        _pick(ada, "Remove")
        expect(grace.locator("#over-title")).to_have_text("You were removed")
        grace.get_by_role("button", name="Join again").click()
        _join(grace)
        _pick(ada, "Keep out for an hour")
        expect(grace.locator("#over-title")).to_have_text("You were removed")
        grace.get_by_role("button", name="Join again").click()
        grace.get_by_role("button", name="Join", exact=True).click()
        expect(grace.locator("#join-error")).to_contain_text("You are banned from this room")
        _check_fits(grace)
