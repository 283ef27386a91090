"""What the world does to nodes in distant regions: crashes, hangs, new addresses, splits, and paths that lose."""

from __future__ import annotations

import os
import signal
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
import trio

from lab import Change, load_preset, open_wan
from node.lab.nodes import WanNodes, open_wan_nodes
from tests.cluster.sightings import ALIVE, GONE, agent_ready_at_s, sightings, wait_seen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.cluster

FOUR: Final = ("fra1", "iad1", "sin1", "syd1")

DEADLINE_S: Final = 100.0
"""For a whole test."""

MISSED_DEADLINE_S: Final = 40.0
"""Until a death is seen by all: 5-8 s on an idle machine."""

SEEN_DEADLINE_S: Final = 20.0
"""Until a newcomer is seen by all: 2 s on an idle machine. Serf ignores a known name on a new address for 30-60 s."""

REPLACED_DEADLINE_S: Final = 40.0
"""For a hung agent to be replaced: its node asks it every 5 s and waits 5 s for the answer."""

HEAL_DEADLINE_S: Final = 45.0
"""Seeds that are missing are joined every 30 s."""

LINGER_S: Final = 12.0
"""How long the old name of a node that was restarted at once still lives in gossip, and some."""

SPLIT_S: Final = 60.0
LOSSY_S: Final = 60.0


@asynccontextmanager
async def four_nodes(folder: Path, *, seeds: Sequence[str] | None = None) -> AsyncIterator[WanNodes]:
    """Nodes in four regions that have met, for a bounded time."""
    with trio.fail_after(DEADLINE_S):
        async with (
            open_wan(load_preset("six-regions")) as wan,
            open_wan_nodes(wan, folder, hosts=FOUR, seeds=seeds) as nodes,
        ):
            yield nodes


def others(name: str) -> frozenset[str]:
    return frozenset(FOUR) - {name}


def deaths(nodes: WanNodes, *, after_s: float = 0.0) -> set[tuple[str, str]]:
    """Who has held whom for dead."""
    return {(one.by, one.member) for one in sightings(nodes.nodes, after_s=after_s) if one.event == GONE}


async def wait_all_see(nodes: WanNodes, event: str, member: str, *, after_s: float, deadline_s: float) -> None:
    seen = await wait_seen(nodes.nodes, event, member, others(member), after_s=after_s, deadline_s=deadline_s)
    late = sorted(f"{at_s - after_s:.1f}" for at_s in seen.values())
    print(f"{member}: {event} after {', '.join(late)} s")  # noqa: T201 - for `pytest -s`
    assert seen.keys() == others(member)


async def test_a_killed_node_is_missed_and_comes_back_on_another_address(tmp_path: Path) -> None:
    async with four_nodes(tmp_path) as nodes:
        killed_s = time.time()
        await nodes.kill("sin1")
        await wait_all_see(nodes, GONE, "sin1", after_s=killed_s, deadline_s=MISSED_DEADLINE_S)

        nodes.move("sin1", "sin2")
        await nodes.start("sin1")
        ready_s = agent_ready_at_s(nodes.nodes["sin1"])
        await wait_all_see(nodes, ALIVE, "sin1", after_s=ready_s, deadline_s=SEEN_DEADLINE_S)
        for name in FOUR:
            [seen] = [one for one in (await nodes.members(name)).members if one.node == "sin1"]
            assert seen.address.startswith(f"{nodes.wan.address('sin2')}:")
        assert deaths(nodes) == {(name, "sin1") for name in others("sin1")}


async def test_a_node_that_is_back_on_another_address_before_it_is_missed_is_not_held_for_dead(tmp_path: Path) -> None:
    async with four_nodes(tmp_path) as nodes:
        await nodes.kill("sin1")
        nodes.move("sin1", "sin2")
        await nodes.start("sin1")
        ready_s = agent_ready_at_s(nodes.nodes["sin1"])
        moved = f"{nodes.wan.address('sin2')}:"
        with trio.fail_after(SEEN_DEADLINE_S):
            for name in FOUR:
                while not await sees_at(nodes, name, "sin1", moved):
                    await trio.sleep(0.2)
        seen_s = time.time()
        # Its old name dies now, and is the same node's.
        await trio.sleep(max(0.0, LINGER_S - (seen_s - ready_s)))
        assert deaths(nodes, after_s=seen_s) == set()
        await nodes.wait_until_met()


async def test_an_agent_that_hangs_is_replaced_and_its_node_loses_nobody(tmp_path: Path) -> None:
    async with four_nodes(tmp_path) as nodes:
        node, agent = nodes.pid("iad1"), nodes.agent_pid("iad1")
        stopped_s = time.time()
        os.kill(agent, signal.SIGSTOP)
        with trio.fail_after(REPLACED_DEADLINE_S):
            while agent_ready_at_s(nodes.nodes["iad1"]) < stopped_s:
                await trio.sleep(0.2)
        assert nodes.pid("iad1") == node
        assert nodes.agent_pid("iad1") != agent
        await nodes.wait_until_met()
        # To the others it may have been gone, as it was silent; itself it knows that its agent was new.
        assert deaths(nodes) <= {(name, "iad1") for name in others("iad1")}


async def test_halves_that_have_met_find_each_other_again(tmp_path: Path) -> None:
    west, east = ("fra1", "iad1"), ("sin1", "syd1")
    async with four_nodes(tmp_path, seeds=west) as nodes:
        await nodes.wan.partition(west, east)
        for half in (west, east):
            await nodes.wait_until_met(half, deadline_s=MISSED_DEADLINE_S)
        assert deaths(nodes) == {(one, other) for one in FOUR for other in FOUR if (one in west) != (other in west)}
        healed_s = time.time()
        await nodes.wan.heal()
        await nodes.wait_until_met(deadline_s=HEAL_DEADLINE_S)
        assert deaths(nodes, after_s=healed_s + 5) == set()


async def test_halves_that_never_met_find_each_other_once_they_can(tmp_path: Path) -> None:
    """Each half has reached a seed, its own: nobody who stops at that ever looks for the other half."""
    west, east = ("fra1", "iad1"), ("sin1", "syd1")
    with trio.fail_after(DEADLINE_S + HEAL_DEADLINE_S):
        async with open_wan(load_preset("six-regions")) as wan:
            await wan.partition(["frankfurt", "virginia"])
            cut_s = trio.current_time()
            async with open_wan_nodes(wan, tmp_path, hosts=FOUR, seeds=("fra1", "syd1"), begin=()) as nodes:
                async with trio.open_nursery() as nursery:
                    for name in FOUR:
                        nursery.start_soon(nodes.start, name)
                for half in (west, east):
                    await nodes.wait_until_met(half)
                await trio.sleep_until(cut_s + SPLIT_S)
                for half in (west, east):
                    await nodes.wait_until_met(half, deadline_s=1)
                await wan.heal()
                after = await nodes.wait_until_met(deadline_s=HEAL_DEADLINE_S)
                print(f"views equal {max(after.values()):.1f} s after the heal")  # noqa: T201 - for `pytest -s`
                assert deaths(nodes) == set()


async def test_a_path_that_loses_a_third_of_all_packets_kills_nobody(tmp_path: Path) -> None:
    async with four_nodes(tmp_path) as nodes:
        begun_s = time.time()
        await nodes.wan.set("fra1", "syd1", Change(loss=0.3))
        await trio.sleep(LOSSY_S)
        assert deaths(nodes, after_s=begun_s) == set()
        path = (await nodes.wan.statistics()).path("fra1", "syd1")
        assert path.lost > 0.1 * path.sent > 0
        await nodes.wait_until_met()


async def sees_at(nodes: WanNodes, name: str, member: str, address: str) -> bool:
    """Whether a node sees a member alive at an address."""
    found = (await nodes.members(name)).members
    return any(one.node == member and one.state == "alive" and one.address.startswith(address) for one in found)
