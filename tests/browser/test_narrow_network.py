"""A picture over a network that becomes narrow and wide again: its size follows, and it never stands still for long."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
import trio
from playwright.sync_api import sync_playwright

from node.demo.cast import STAGES
from node.demo.cluster import open_cluster
from node.demo.ports import LOOPBACK, find_free_ports
from tests.browser.chromium import open_chromium
from tests.browser.participant import open_participant
from tests.browser.seen import shows
from tests.network.pipe import Limits
from tests.network.shaper import open_shaper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from node.demo.cluster import Cluster
    from tests.network.shaper import Shaper

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

ROOM: Final = "narrows"
PICTURE: Final = 23
SHAPE: Final = {"width": 640, "height": 360, "rate": 15, "grains": 400}
"""Chromium sends it in two sizes, 320 and 640 wide, and this box can bear it."""
SMALL, LARGE = 320, 640

RAMP_S: Final = 25.0
"""For the sender's own estimate to allow both sizes, on a busy box."""

FRONT: Final = "127.0.0.2"
NARROW: Final = Limits(rate_bps=450_000, delay_s=0.02, queue_s=0.5)
"""Less than the large size of a moving picture takes, enough for the small one."""
WIDE: Final = Limits(delay_s=0.02)
FALL_S: Final = 15.0
STALL_MS: Final = 6000.0
"""What lay in the full queue has to pass first; a picture that stops for good is never back so soon."""
RISE_S: Final = 30.0
"""After a drop the estimate grows by some percent a second, and probes every five."""


def width(state: Mapping[str, Any]) -> int:
    """How wide the only picture came out of the decoder last; 0 before the first."""
    sizes: list[int] = [size["width"] for seen in state["pictures"].values() for size in seen["sizes"][-1:]]
    return sizes[0] if sizes else 0


def is_wide(wanted: int) -> Callable[[Mapping[str, Any]], bool]:
    """Whether the only picture is so wide."""
    return lambda state: width(state) == wanted


async def test_a_narrow_network_gets_the_small_size_until_it_is_wide_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The bandwidth drops on a live call: the size follows, nothing stands still for long, and it comes back."""
    (port,) = find_free_ports(1)
    settings = {"media": {"address": LOOPBACK, "port": port, "advertised": [FRONT], "workers": 1}}
    async with (
        open_shaper(listen=(FRONT, port), node=(LOOPBACK, port)) as shaper,
        open_cluster(STAGES[:1], settings=settings) as cluster,
    ):
        shaper.limit(up=WIDE, down=WIDE)
        took_s = await trio.to_thread.run_sync(_squeeze, cluster, shaper)
    with capsys.disabled():
        print(f"\n  drop and recovery: {took_s}")  # noqa: T201 - figures of a run are for its reader


def _squeeze(cluster: Cluster, shaper: Shaper) -> Mapping[str, float]:
    here = cluster.nodes[0].url
    with sync_playwright() as playwright, open_chromium(playwright) as browser:
        sender, watcher = open_participant(browser, here, picture=PICTURE), open_participant(browser, here)
        watcher.join(ROOM, node=here)
        sender.join(ROOM, node=here)
        sender.publish_picture(shape=SHAPE)
        watcher.wait_until(lambda state: width(state) == LARGE, "the large picture comes", within_s=RAMP_S)
        took: dict[str, float] = {}
        for name, limits, wanted, within_s in (
            ("down_s", NARROW, SMALL, FALL_S),
            ("up_s", WIDE, LARGE, RISE_S),
        ):
            watcher.mark()
            trio.from_thread.run_sync(partial(shaper.limit, up=WIDE, down=limits))
            state = watcher.wait_until(is_wide(wanted), f"{name}: {wanted} wide", within_s=within_s)
            (seen,) = state["pictures"].values()
            took[name] = round(seen["sizes"][-1]["at_ms"] / 1000, 1)
            took[f"{name}_gap_ms"] = round(seen["longest_gap_ms"])
            assert seen["longest_gap_ms"] < STALL_MS, seen
        watcher.wait_until(shows(PICTURE), "the picture is still the right one")
        return took
