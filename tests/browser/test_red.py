"""Sound sent twice (RED): from browser to browser as it is, and unwrapped for a client that never heard of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import STAGES
from node.demo.cluster import open_cluster
from signalling.ids import RoomId
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant
from tests.browser.seen import sounds
from tests.cluster.foreign import open_foreign_participant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.demo.cluster import Cluster
    from tests.browser.participant import BrowserParticipant
    from tests.cluster.foreign import ForeignParticipant

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = RoomId("twice")

ENOUGH_PACKETS: Final = 120
"""More than two seconds of sound; the fake microphone beeps several times meanwhile."""

MAX_CONCEALED: Final = 0.05
"""Of the samples: what a busy box delivers too late, and no more. Sound that is not understood is concealed whole."""

TWICE: Final = 1.5
"""The second copy of a packet of beeps; RED's own header is 5 bytes (RFC 2198, section 3)."""

ENOUGH_FRAMES: Final = 100
"""Two seconds of sound."""

MAX_LOUD: Final = 0.5
"""Of the sound: the fake microphone beeps now and then; whoever decodes what is no Opus hears noise all the time."""


async def test_a_browser_gets_both_copies_and_a_foreign_client_one() -> None:
    """RED on the wire from end to end, whole and continuous; to aiortc comes plain Opus, which it decodes."""
    async with open_cluster(STAGES[:1]) as cluster, open_foreign_participant(cluster.nodes[0].url, ROOM) as foreign:
        twice, once = await trio.to_thread.run_sync(_speak, cluster, foreign)
    # Statistics call both "opus"; only their sizes tell them apart.
    assert twice["bytes"] / twice["packets"] >= TWICE * once["bytes"] / once["packets"], (twice, once)
    assert twice["samples"] > 0
    assert twice["concealed"] <= MAX_CONCEALED * twice["samples"], twice


def _speak(cluster: Cluster, foreign: ForeignParticipant) -> tuple[Mapping[str, int], Mapping[str, int]]:
    url = cluster.nodes[0].url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        speaker, listener = open_participant(browser, url, picture=1), open_participant(browser, url)
        listener.join(ROOM, node=url)
        speaker.join(ROOM, node=url)
        speaker.publish_microphone()
        listener.wait_until(sounds, "the sound comes")
        twice = _listen(listener)
        trio.from_thread.run(
            foreign.wait_until,
            lambda got: got.frames["audio"] >= ENOUGH_FRAMES and 0 < got.loud <= MAX_LOUD * got.frames["audio"],
            "aiortc hears beeps and the silence between them",
        )
        # What the same sound takes when it is sent once.
        speaker.leave()
        listener.wait_until(lambda state: not state["sounds"], "the speaker is gone")
        plain = open_participant(browser, url, picture=1)
        plain.join(ROOM, node=url)
        plain.publish_microphone(red=False)
        listener.wait_until(sounds, "the sound comes once")
        return twice, _listen(listener)


def _listen(listener: BrowserParticipant) -> Mapping[str, int]:
    """Counters of the only sound, from now on; a line that is used again goes on counting."""
    before = _heard(listener)
    listener.wait_until(
        lambda _state: _heard(listener)["packets"] >= before["packets"] + ENOUGH_PACKETS, "the sound goes on"
    )
    after = _heard(listener)
    return {key: after[key] - before[key] for key in before}


def _heard(listener: BrowserParticipant) -> Mapping[str, int]:
    (heard,) = listener.state()["sounds"].values()
    return {key: heard[key] for key in ("packets", "bytes", "samples", "concealed")}
