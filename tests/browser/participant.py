"""A participant in Chromium: the SDK, a picture that says whose it is, and a fake microphone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lab.experiment.browser import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from playwright.sync_api import Browser, Page, Route

FOLDER: Final = Path(__file__).parent
SCRIPTS: Final = {
    **{name: FOLDER / name for name in ("cipher.js", "flash.js", "participant.js")},
    # Experiments in browsers measure by the same pictures.
    "picture.js": PAGE / "picture.js",
}

PATIENCE_S: Final = 25.0
"""For whatever should happen within a second, when two browsers and three nodes share two cores."""

LOOK_EVERY_MS: Final = 100

LACK: Final = """(() => {
  const { setRemoteDescription } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.setRemoteDescription = async function (description) {
    await setRemoteDescription.call(this, description);
    if (description.type !== "offer") return;
    const known = RTCRtpReceiver.getCapabilities("video").codecs;
    const played = known.filter(({ mimeType }) => mimeType.toLowerCase() !== "video/%s");
    for (const transceiver of this.getTransceivers()) {
      if (transceiver.receiver.track.kind === "video") transceiver.setCodecPreferences(played);
    }
  };
})()"""
"""Of a browser that does not play a codec, for all that its node can tell."""

CALL: Final = """([name, options, patience_ms]) => {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`${name} never came back`)), patience_ms));
  return Promise.race([window.participant[name](options), late]);
}"""


@dataclass(frozen=True, kw_only=True)
class BrowserParticipant:
    """One page with one seat; made by :func:`open_participant`."""

    page: Page
    picture: int | None

    def join(self, room: str, *, node: str | None, key: int | None = None, name: str | None = None) -> None:
        """Take a seat at that node.

        Args:
            room: Name of the room.
            node: URL of the node; None: the nearest one.
            name: What the others are to call this one, if it matters.
            key: What encrypts from end to end whatever is sent and received; None: nothing does.
        """
        self._call("join", room=room, node=node, picture=self.picture, key=key, name=name)

    def begin_join(self, room: str, *, node: str | None, name: str) -> None:
        """Set out to take a seat, and do not wait for it."""
        options = {"room": room, "node": node, "picture": self.picture, "key": None, "name": name}
        self.page.evaluate("(options) => { window.participant.join(options).catch(() => {}); }", options)

    def reload(self) -> None:
        """Reload the page, without any goodbye; it is ready to join then."""
        self.page.reload()
        _make_ready(self.page)

    def duplicate(self) -> BrowserParticipant:
        """Open a copy of this tab, which inherits what the tab has stored."""
        with self.page.expect_popup() as opening:
            self.page.evaluate("() => { window.open(location.href); }")
        page = opening.value
        page.wait_for_load_state()
        return _prepared(page, picture=self.picture)

    def device(self) -> Mapping[str, Any]:
        """The device that this tab is: its ``id`` and ``attempt``, as it has stored them."""
        device: Mapping[str, Any] = self.page.evaluate("() => JSON.parse(sessionStorage.getItem('starling.device'))")
        return device

    def publish(self) -> None:
        """Publish a small picture and a microphone."""
        self.publish_picture(options={"simulcast": False})
        self.publish_microphone()

    def publish_picture(
        self,
        *,
        source: str = "camera",
        shape: Mapping[str, int] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Publish the picture; ``shape`` is its width, height and rate, ``options`` is what the SDK takes."""
        self._call("publishPicture", picture=self.picture, source=source, shape=shape or {}, options=options or {})

    def unpublish(self, source: str) -> None:
        """Send what was published from that source no longer."""
        self._call("unpublish", source=source)

    def publish_microphone(self, **options: object) -> None:
        """Publish a fake microphone."""
        self._call("publishMicrophone", options=options)

    def publish_display(self) -> None:
        """Share a screen, as the browser captures it."""
        self._call("publishDisplay")

    def publish_flashes(self, **options: object) -> None:
        """Publish flashes and beeps of the same moments, and measure them as they go in."""
        self._call("publishFlashes", options=options)

    def measure_flashes(self, *, late_ms: int = 0) -> None:
        """Measure the flashes and beeps that come in; ``late_ms`` is how late the picture is to be played."""
        self._call("measureFlashes", late_ms=late_ms)

    def offsets(self) -> list[float]:
        """How much later than its flash each beep came so far, in ms."""
        offsets: list[float] = self._call("offsets")
        return offsets

    def state(self) -> Mapping[str, Any]:
        """What this participant has seen and heard so far; see participant.js."""
        state: Mapping[str, Any] = self._call("state")
        return state

    def sent(self, source: str) -> Mapping[str, Any]:
        """What this participant sends of that source: its ``encodings``, and which of them are ``wanted``."""
        sent: Mapping[str, Any] = self._call("sent", source=source)
        return sent

    def prefer(self, *, width: int, height: int) -> None:
        """Want the only picture in about that size."""
        self._call("prefer", width=width, height=height)

    def mark(self) -> None:
        """Note sizes and gaps of pictures anew from here on."""
        self._call("mark")

    def say(self, text: str) -> None:
        """Chat."""
        self._call("say", text=text)

    def begin_say(self, text: str) -> None:
        """Chat, and do not wait until the node has it."""
        self.page.evaluate("(text) => { window.participant.sayLater({ text }); }", text)

    def make_room(self, room: str) -> None:
        """Make a room that belongs to this participant; it has been in another before."""
        self._call("makeRoom", room=room)

    def kick(self, name: str, **options: object) -> str:
        """Put out whoever is called so; returns the code of a refusal, empty when it was done."""
        code: str = self._call("kick", name=name, options=options)
        return code

    def ask_mute(self, name: str, *, source: str) -> str:
        """Ask for what they send from that source to be muted; returns likewise."""
        code: str = self._call("askMute", name=name, source=source)
        return code

    def lock_room(self, *, locked: bool) -> str:
        """Let nobody more in, or let people in again; returns likewise."""
        code: str = self._call("lockRoom", locked=locked)
        return code

    def read_back(self, *, limit: int) -> list[list[Mapping[str, Any]]]:
        """All chat messages from the newest page to the oldest, each page oldest first."""
        pages: list[list[Mapping[str, Any]]] = self._call("readBack", limit=limit)
        return pages

    def send_data(self, label: str, texts: list[str], *, reliable: bool) -> None:
        """Send each of these texts over a data channel of that label."""
        self._call("sendData", label=label, reliable=reliable, texts=texts)

    def leave(self) -> None:
        """Give the seat back."""
        self._call("leave")

    def pass_time(self, seconds: float) -> None:
        """Let the page run."""
        self.page.wait_for_timeout(1000 * seconds)

    def wait_until(
        self, holds: Callable[[Mapping[str, Any]], bool], what: str, *, within_s: float = PATIENCE_S
    ) -> Mapping[str, Any]:
        """Wait for a state of this participant.

        Raises:
            AssertionError: It did not come in time; says what was there instead.
        """
        deadline = time.monotonic() + within_s
        while True:
            state = self.state()
            if holds(state):
                return state
            assert time.monotonic() < deadline, f"not within {within_s} s: {what}; instead: {state}"
            self.page.wait_for_timeout(LOOK_EVERY_MS)

    def _call(self, name: str, /, **options: object) -> Any:
        # A page waits for ever for what never comes; a test says what it waited for.
        return self.page.evaluate(CALL, [name, options, 1000 * PATIENCE_S])


def open_participant(
    browser: Browser, origin: str, *, picture: int | None = None, permission: bool = True, lacks: str | None = None
) -> BrowserParticipant:
    """Open a page of the node at ``origin``, ready to join; ``lacks`` is a codec that it does not play."""
    # The tests' own scripts come from nowhere that the page's policy allows.
    context = browser.new_context(bypass_csp=True)
    if permission:
        context.grant_permissions(["camera", "microphone"], origin=origin)
    page = context.new_page()
    if lacks is not None:
        page.add_init_script(LACK % lacks)
    page.goto(f"{origin}/healthz")
    return _prepared(page, picture=picture)


def _prepared(page: Page, *, picture: int | None) -> BrowserParticipant:
    for script in SCRIPTS:
        page.route(f"**/{script}", _serve)
    _make_ready(page)
    return BrowserParticipant(page=page, picture=picture)


def _make_ready(page: Page) -> None:
    page.evaluate("async () => { window.participant = await import('/participant.js'); }")


def _serve(route: Route) -> None:
    script = SCRIPTS[route.request.url.rpartition("/")[2]]
    route.fulfill(content_type="text/javascript", body=script.read_text())
