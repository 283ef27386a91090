"""One person of an experiment in Chromium, as a process on its host: ``python -m lab.experiment.browser PART``.

What it writes is what :mod:`lab.experiment.person` writes, as far as a browser knows it: delays are those of pictures,
from the moment when one was drawn to when it was shown, so the browser's own buffers are in them; sound has none.
Jitter is the browser's own figure, smoothed as RFC 3550 has it. Freezes are those that the browser counts.
"""

from __future__ import annotations

import math
import signal
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec
from playwright.sync_api import sync_playwright

from lab.experiment.chromium import FLAGS, LOCAL_NETWORK_CHECKS, MDNS, find_chromium
from lab.experiment.person import tell
from lab.experiment.samples import MediaSample, Part, Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Page, Route

PAGE: Final = Path(__file__).with_name("page")

WIDTH: Final = 640
HEIGHT: Final = 360
"""Two browsers that draw, encode, decode and read 360 lines are what two cores carry."""

CALL_DEADLINE_MS: Final = 60_000
"""To join and publish: round trips over a network as wide as the world, with two browsers starting at once."""


class _Totals:
    """What has to be summed up here, as the page only knows its last second or a smoothed value."""

    def __init__(self) -> None:
        self.delay_sum_ms = 0.0
        self.jitter_sum_ms = 0.0
        self.packets = 0


class BrowserPerson:
    """The person while it plays."""

    def __init__(self, part: Part, page: Page) -> None:
        self._part = part
        self._page = page
        self._totals: dict[tuple[str, str], _Totals] = {}
        self._whole = False
        # Both clocks of one machine; whoever sets the wall clock during an experiment spoils it.
        self._monotonic_s = time.monotonic() - time.time()

    def join(self) -> None:
        """Take the seat, with media."""
        tell("wishes")
        part = self._part
        options = {
            "name": part.name,
            "room": part.room,
            "node": part.nodes[0],
            "stamp": part.stamp,
            "width": WIDTH,
            "height": HEIGHT,
            "rate": part.frames_per_s,
            "bits": part.bits_per_s,
        }
        joined = self._page.evaluate("(options) => window.person.join(options)", options)
        tell("seated", joined["node"])
        tell("is", joined["participant"])

    def sample(self, file: IO[bytes]) -> None:
        """Write a line every second, for ever."""
        while True:
            now = time.monotonic()
            # Playwright's own loop goes on meanwhile.
            self._page.wait_for_timeout((math.floor(now) + 1 - now) * 1000)
            said = self._page.evaluate("() => window.person.sample()")
            at_s = time.monotonic()
            for news in said["news"]:
                tell(news["what"], news["detail"], at_s=news["at_ms"] / 1000 + self._monotonic_s)
            received = tuple(self._received(one) for one in said["received"] if one["sender"] in self._part.people)
            sent = {kind: int(packets) for kind, packets in said["sent"].items()}
            file.write(msgspec.json.encode(Sample(at_s=at_s, sent=sent, received=received)) + b"\n")
            file.flush()
            whole = [one for one in received if one.first_frame_at_s is not None]
            if not self._whole and len(whole) == 2 * (len(self._part.people) - 1):
                self._whole = True
                tell("whole")

    def _received(self, one: Mapping[str, Any]) -> MediaSample:
        totals = self._totals.setdefault((one["sender"], one["kind"]), _Totals())
        packets = int(one["packetsReceived"])
        fresh, totals.packets = packets - totals.packets, packets
        delays = Counter(round(delay_ms * 1000) for delay_ms in one["delays_ms"])
        totals.delay_sum_ms += sum(one["delays_ms"])
        totals.jitter_sum_ms += one["jitter_ms"] * fresh
        first = one["first_frame_ms"]
        return MediaSample(
            stamp=self._part.people.index(one["sender"]),
            kind=one["kind"],
            packets=packets,
            bytes=int(one["bytesReceived"]),
            lost=int(one["packetsLost"]),
            missing=0,
            delay_sum_ms=totals.delay_sum_ms,
            jitter_sum_ms=totals.jitter_sum_ms,
            gap_ms=one["gap_ms"],
            freezes=int(one["freezeCount"]),
            frozen_ms=one["totalFreezesDuration"] * 1000,
            first_frame_at_s=None if first is None else first / 1000 + self._monotonic_s,
            delays_us=tuple(sorted(delays.items())),
            jitters_us=((round(one["jitter_ms"] * 1000), fresh),) if fresh > 0 else (),
        )


@contextmanager
def open_page(part: Part) -> Iterator[Page]:
    """A Chromium with a page of the person's node, ready to join."""
    flags = [*FLAGS, f"--disable-features={','.join((*LOCAL_NETWORK_CHECKS, MDNS))}", "--use-fake-ui-for-media-stream"]
    # A microphone wants TLS, which nodes of an experiment do not have.
    flags.append(f"--unsafely-treat-insecure-origin-as-secure={','.join(part.nodes)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        try:
            # The experiment's own scripts come from nowhere that the page's policy allows.
            page = browser.new_context(bypass_csp=True).new_page()
            page.set_default_timeout(CALL_DEADLINE_MS)
            page.goto(f"{part.nodes[0]}/healthz")
            for script in PAGE.glob("*.js"):
                page.route(f"**/{script.name}", _serve)
            page.evaluate("async () => { window.person = await import('/person.js'); }")
            yield page
        finally:
            browser.close()


def _serve(route: Route) -> None:
    script = PAGE / route.request.url.rpartition("/")[2]
    route.fulfill(content_type="text/javascript", body=script.read_text())


def main() -> None:
    """Be the person that the first argument describes, until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    part = msgspec.json.decode(sys.argv[1], type=Part)
    with open_page(part) as page, Path(part.samples).open("ab") as file:
        person = BrowserPerson(part, page)
        person.join()
        person.sample(file)


if __name__ == "__main__":
    main()
