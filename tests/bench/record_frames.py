"""Record how Chromium sends 720p: `python -m tests.bench.record_frames`, which writes `frames_720p.json`.

One page sends a moving, grainy picture, 1280x720 at 30 a second in VP8, to a client of the load, whose transport-wide
feedback lets it ramp up to what Chromium gives such a picture. Then the arrival of each packet is kept: microseconds
since the packet before, payload bytes, 1 for the last of a picture. So the recording has the unequal sizes that
libwebrtc makes of a picture, and the bursts of its pacer.
"""

from __future__ import annotations

import json
import sys
from typing import Final

import trio
from playwright.sync_api import sync_playwright

from tests.bench.load import Load, build, open_load
from tests.bench.test_forward import RECORDING
from tests.browser.chromium import open_chromium

RAMP_S: Final = 20.0
RECORD_S: Final = 8.0

SEND: Final = """
async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1280, height: 720 });
  const context = canvas.getContext("2d");
  const grain = Object.assign(document.createElement("canvas"), { width: 320, height: 180 });
  const pixels = new ImageData(320, 180);
  for (let at = 0; at < pixels.data.length; at++) pixels.data[at] = at % 4 === 3 ? 255 : 60 + Math.random() * 120;
  grain.getContext("2d").putImageData(pixels, 0, 0);
  setInterval(() => {
    const turn = performance.now() / 1000;
    const [left, top] = [160 * Math.sin(turn / 3), 90 * Math.cos(turn / 4)];
    context.drawImage(grain, left - 160, top - 90, 1600, 900);
    context.fillStyle = "peachpuff";
    context.beginPath();
    context.ellipse(640 + 200 * Math.sin(turn), 360 + 40 * Math.cos(2 * turn), 150, 210, 0, 0, 7);
    context.fill();
  }, 33);
  const track = canvas.captureStream(30).getVideoTracks()[0];
  window.connection = new RTCPeerConnection();
  const sender = window.connection.addTrack(track);
  const parameters = sender.getParameters();
  parameters.degradationPreference = "maintain-resolution";
  await sender.setParameters(parameters);
  await window.connection.setLocalDescription();
  return window.connection.localDescription.sdp;
}
"""
TAKE: Final = "(sdp) => window.connection.setRemoteDescription({ type: 'answer', sdp })"
SIZE: Final = """
() => window.connection.getSenders()[0].getStats().then(all => [...all.values()]
  .filter(one => one.type === "outbound-rtp").map(one => [one.frameWidth, one.frameHeight, one.framesPerSecond]))
"""


async def record() -> list[tuple[int, int, int]]:
    """Return one entry a packet."""
    async with open_load(build(), "clients") as load:
        return await _record(load)


async def _record(load: Load) -> list[tuple[int, int, int]]:
    portal = trio.lowlevel.current_trio_token()

    def drive() -> None:
        with sync_playwright() as playwright, open_chromium(playwright) as browser:
            page = browser.new_page()
            # A page of localhost may use the camera; nobody need serve it.
            page.route("**/*", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
            page.goto("http://localhost/")
            offer = page.evaluate(SEND)
            answer = trio.from_thread.run(_accept, load, offer, trio_token=portal)
            page.evaluate(TAKE, answer)
            trio.from_thread.run(trio.sleep, RAMP_S, trio_token=portal)
            trio.from_thread.run(load.record, "page", trio_token=portal)
            trio.from_thread.run(trio.sleep, RECORD_S, trio_token=portal)
            print("sent:", page.evaluate(SIZE))

    await trio.to_thread.run_sync(drive)
    arrivals = (await load.report()).clients["page"].arrivals
    return [(gap, size, int(last)) for gap, size, last in arrivals]


async def _accept(load: Load, offer: str) -> str:
    return await load.accept("page", offer)


def main() -> int:
    """Record and write."""
    packets = trio.run(record)
    ends = [index for index, (_, _, last) in enumerate(packets) if last]
    whole = packets[ends[0] + 1 : ends[-1] + 1]
    lines = ",\n".join(json.dumps(packet, separators=(",", ":")) for packet in whole)
    RECORDING.write_text(f"[\n{lines}\n]\n", encoding="ascii")
    seconds = sum(gap for gap, _, _ in whole) / 1e6
    megabits = sum(size for _, size, _ in whole) * 8 / 1e6
    print(f"{len(whole)} packets in {seconds:.1f} s, {megabits / seconds:.2f} Mbit/s, {len(ends) - 1} pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
