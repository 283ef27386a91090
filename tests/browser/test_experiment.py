"""An experiment whose people are browsers: what they see is later than the network, and not by much."""

from __future__ import annotations

from typing import Final

import pytest

from lab import LabError, load_preset
from lab.experiment.plan import Turn
from lab.experiment.settings import BROWSER, settings_of
from lab.namespaces import check_permission
from node.lab.run import run_once

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

SECONDS: Final = 8

BUFFERS_MS: Final = 1000.0
"""Of two browsers on a machine that does a lot beside; some 80 ms where it does not."""


@pytest.fixture(autouse=True)
def permitted() -> None:
    try:
        check_permission()
    except LabError as error:
        pytest.skip(str(error))


async def test_two_browsers_see_each_other_across_the_world() -> None:
    topology = load_preset("europe-vietnam")
    settings = settings_of(topology, SECONDS, "browser", BROWSER)
    run = await run_once(topology, Turn("relay", 1), settings, lambda _what, _share: None)
    assert run.participants == "browser"
    assert {(flow.sender, flow.kind) for flow in run.flows} == {
        (sender, kind) for sender in ("eu-peer", "vn-peer") for kind in ("audio", "video")
    }
    for flow in run.flows:
        assert flow.sent > 0
        assert 0 < flow.first_frame_ms < 60_000
        assert sum(second.packets for second in flow.seconds) > 0
        if flow.kind == "video":
            floor_ms = sum(hop.emulated_rtt_ms for hop in run.paths[f"{flow.sender}>{flow.receiver}"]) / 2
            assert floor_ms < flow.delay_p50_ms < floor_ms + BUFFERS_MS
        else:
            assert flow.delays_ms == (), "of sound no browser knows it"
