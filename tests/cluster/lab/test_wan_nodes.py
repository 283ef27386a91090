"""Twelve nodes in six regions find each other over an emulated world, and learn how far they are."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final

import pytest
import trio

from lab import load_preset, open_wan
from node.lab.nodes import WanNodes, open_wan_nodes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.cluster

LEARN_DEADLINE_S: Final = 120.0
"""Serf pings one member a second, so each pair is measured every 11 s; coordinates settle after some of these."""

FAIL_DEADLINE_S: Final = 40.0
"""A death is noticed within 5-8 s on an idle machine."""

HEAL_DEADLINE_S: Final = 90.0
"""Serf tries a failed member again every 10 s, the watchdog its seeds every 30 s."""

GOOD_ENOUGH: Final = 0.25
"""Median error of the estimate, as a share of the truth: below what sets two neighbouring regions apart."""

FAR_MS: Final = 20.0
"""What lies below is within a region, where the error of a coordinate's height outweighs the distance."""


async def errors(nodes: WanNodes) -> list[float]:
    """How wrong each node is about each node in another region, as a share of the truth."""
    found = []
    for host in nodes.nodes:
        for one in (await nodes.members(host)).members:
            if one.node == host or one.rtt_ms is None:
                continue
            truth_ms = nodes.wan.conditions(host, one.node).rtt_ms
            if truth_ms >= FAR_MS:
                found.append(abs(one.rtt_ms - truth_ms) / truth_ms)
    return found


async def test_twelve_nodes_in_six_regions_find_each_other_and_their_distances(tmp_path: Path) -> None:
    async with open_wan(load_preset("six-regions")) as wan, open_wan_nodes(wan, tmp_path, redis_host="fra1") as nodes:
        names = {host.name for host in wan.topology.hosts}
        for host in nodes.nodes:
            seen = (await nodes.members(host)).members
            assert {one.node for one in seen if one.state == "alive"} == names
            assert {one.region for one in seen} == set(wan.topology.regions)
        # The command's own start is what costs; it prints the same record.
        shown = await nodes.members_by_command("syd2")
        assert {one["node"] for one in shown if one["state"] == "alive"} == names
        start = trio.current_time()
        with trio.move_on_after(LEARN_DEADLINE_S):
            # Each node has heard each other one, or there is nothing to be wrong about.
            while len(found := await errors(nodes)) < 12 * 10 or statistics.median(found) > GOOD_ENOUGH:
                await trio.sleep(1)
        taken_s = trio.current_time() - start
        found = await errors(nodes)
        figures = f"{statistics.median(found):.1%}, 90 % below {statistics.quantiles(found, n=10)[8]:.1%}"
        print(f"after {taken_s:.0f} s estimates are wrong by a median of {figures}")  # noqa: T201 - for `pytest -s`
        assert len(found) == 12 * 10
        assert statistics.median(found) <= GOOD_ENOUGH
        assert (await wan.statistics()).crowded_out == 0


async def test_nodes_die_come_back_and_are_cut_off(tmp_path: Path) -> None:
    hosts = ["fra1", "sin1", "syd1"]
    async with open_wan(load_preset("six-regions")) as wan, open_wan_nodes(wan, tmp_path, hosts=hosts) as nodes:
        await nodes.kill("syd1")
        await nodes.wait_until_met(["fra1", "sin1"], deadline_s=FAIL_DEADLINE_S)
        await nodes.start("syd1")
        await nodes.wait_until_met()

        await wan.partition(["sydney"])
        await nodes.wait_until_met(["fra1", "sin1"], deadline_s=FAIL_DEADLINE_S)
        await nodes.wait_until_met(["syd1"], deadline_s=FAIL_DEADLINE_S)
        await wan.heal()
        await nodes.wait_until_met(deadline_s=HEAL_DEADLINE_S)

        assert await nodes.stop("sin1") == 0, nodes.last_words("sin1")
        await nodes.wait_until_met(["fra1", "syd1"])
