"""A participant in Chromium: the SDK, a picture that says whose it is, and a fake microphone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playwright.sync_api import Browser, Page

PICTURE: Final = Path(__file__).with_name("picture.js").read_text()
SCRIPT: Final = Path(__file__).with_name("participant.js").read_text()

PATIENCE_S: Final = 25.0
"""For whatever should happen within a second, when two browsers and three nodes share two cores."""


@dataclass(frozen=True, kw_only=True)
class BrowserParticipant:
    """One page with one seat; made by :func:`open_participant`."""

    page: Page
    picture: int | None

    def join(self, room: str, *, node: str) -> None:
        """Take a seat at that node; publish the picture and a microphone, if this one has a picture."""
        self.page.evaluate(
            "(options) => window.participant.join(options)",
            {"room": room, "node": node, "picture": self.picture},
        )

    def state(self) -> Mapping[str, Any]:
        """What this participant has seen and heard so far; see participant.js."""
        state: Mapping[str, Any] = self.page.evaluate("() => window.participant.state()")
        return state

    def say(self, text: str) -> None:
        """Chat."""
        self.page.evaluate("(text) => window.participant.say(text)", text)

    def leave(self) -> None:
        """Give the seat back."""
        self.page.evaluate("() => window.participant.leave()")

    def wait_until(self, holds: Callable[[Mapping[str, Any]], bool], what: str) -> Mapping[str, Any]:
        """Wait for a state of this participant.

        Raises:
            AssertionError: It did not come in time; says what was there instead.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            state = self.state()
            if holds(state):
                return state
            assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}; instead: {state}"
            self.page.wait_for_timeout(100)


def open_participant(
    browser: Browser, origin: str, *, picture: int | None, permission: bool = True
) -> BrowserParticipant:
    """Open a page of the node at ``origin``, ready to join."""
    # The tests' own scripts come from nowhere that the page's policy allows.
    context = browser.new_context(bypass_csp=True)
    if permission:
        context.grant_permissions(["camera", "microphone"], origin=origin)
    page = context.new_page()
    page.route("**/picture.js", lambda route: route.fulfill(content_type="text/javascript", body=PICTURE))
    page.route("**/participant.js", lambda route: route.fulfill(content_type="text/javascript", body=SCRIPT))
    page.goto(f"{origin}/healthz")
    page.evaluate("async () => { window.participant = await import('/participant.js'); }")
    return BrowserParticipant(page=page, picture=picture)
