"""The network between namespaces, measured by real sockets in them."""

from __future__ import annotations

import itertools
import os
import signal
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trio

from lab import Change, LabError, load_preset, open_wan
from lab.namespaces import NAMESPACES
from lab.topology import parse_topology
from tests.cluster.lab.traffic import exchange, round_trips_ms
from tests.cluster.processes import alive, descendants, wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.cluster

TRIANGLE = parse_topology(
    b"""
    name = "triangle"
    regions = {left = {latitude = 0, longitude = 0}, right = {latitude = 0, longitude = 9}}
    hosts = [{name = "a", region = "left"}, {name = "b", region = "left"}, {name = "c", region = "right"}]
    paths = [{between = ["left", "right"], rtt_ms = 40}]
    """
)


LATE_MS = 10.0
"""Of half of all packets, when the emulator, their senders and their receivers share two cores with others."""


def namespaces_of(pid: int) -> set[str]:
    return {path.name for path in NAMESPACES.glob(f"starling-{pid}-*")}


async def test_a_round_trip_takes_as_long_as_was_said() -> None:
    async with open_wan(TRIANGLE) as wan:
        far = await round_trips_ms(wan, "a", "c", 20)
        near = await round_trips_ms(wan, "a", "b", 20)
        await wan.set("left", "right", Change(rtt_ms=90), both=False)
        skewed = await round_trips_ms(wan, "c", "b", 20)
    assert 40 <= min(far) <= 45
    assert 0.6 <= min(near) <= 5
    assert 65 <= min(skewed) <= 70  # 45 ms there, 20 ms back


async def test_twelve_hosts_at_500_packets_a_second_are_on_time() -> None:
    topology = load_preset("six-regions")
    names = [host.name for host in topology.hosts]
    # A ring, so that every host sends to one and hears one, most of them in other regions.
    pairs = list(zip(names, names[5:] + names[:5], strict=True))
    async with open_wan(topology) as wan:
        await wan.set("*", "*", Change(jitter_ms=0))
        arrivals = await exchange(wan, pairs, 1500)
        seen = await wan.statistics()
    for pair, came in arrivals.items():
        wanted_ms = topology.conditions[pair].rtt_ms / 2
        late_ms = [delay_ms - wanted_ms for delay_ms in came.delays_ms]
        assert len(late_ms) == 1500, pair
        assert min(late_ms) >= 0, pair
        cuts = statistics.quantiles(late_ms, n=100)
        assert cuts[49] <= LATE_MS, (pair, cuts[49])
        figures = f"median +{cuts[49]:.2f} ms, 90 % +{cuts[89]:.2f} ms, 99 % +{cuts[98]:.2f} ms"
        print(pair, figures)  # noqa: T201 - for `pytest -s`
    cost_us = seen.cpu_s / (12 * 1500) * 1e6
    print(f"emulator: {cost_us:.1f} us a packet, at most {seen.max_late_us} us late")  # noqa: T201 - the same
    assert seen.crowded_out == seen.unroutable == 0


async def test_losses_have_the_share_and_the_bursts_that_were_asked_for() -> None:
    async with open_wan(TRIANGLE, seed=3) as wan:
        await wan.set("a", "c", Change(loss=0.1, burst=4, rtt_ms=2), both=False)
        arrivals = await exchange(wan, [("a", "c"), ("c", "b")], 8000, pause_s=0.0005)
        counted = (await wan.statistics()).path("a", "c")
    came = arrivals["a", "c"].numbers
    gaps = [later - earlier - 1 for earlier, later in itertools.pairwise(came) if later - earlier > 1]
    assert 0.07 <= 1 - len(came) / 8000 <= 0.13
    assert 3 <= statistics.mean(gaps) <= 5
    assert (counted.sent, counted.lost, counted.delivered) == (8000, 8000 - len(came), len(came))
    assert len(arrivals["c", "b"].numbers) == 8000


async def test_the_same_seed_loses_the_same_packets() -> None:
    async def lost(seed: int) -> list[int]:
        async with open_wan(TRIANGLE, seed=seed) as wan:
            await wan.set("a", "c", Change(loss=0.2, rtt_ms=1))
            return (await exchange(wan, [("a", "c")], 500, pause_s=0.0005))["a", "c"].numbers

    assert await lost(5) == await lost(5) != await lost(6)


async def test_a_bottleneck_lets_its_rate_through_and_queues_no_longer_than_said() -> None:
    async with open_wan(TRIANGLE) as wan:
        await wan.set("a", "c", Change(rate_mbit_s=2, queue_ms=100))
        # 1250 bytes a millisecond are 10 Mbit/s: five times too much.
        came = (await exchange(wan, [("a", "c")], 1000, size=1250, pause_s=0.001))["a", "c"]
        counted = (await wan.statistics()).path("a", "c")
    # For the second that it was sent, and the tenth that was queued.
    assert 2e6 * 0.9 <= len(came.numbers) * 1250 * 8 <= 2e6 * 2
    # Nearly all stand in a full queue; a sender that stands still for a moment lets it run empty.
    assert 20 + 100 - 10 <= statistics.quantiles(came.delays_ms, n=4)[2] <= 20 + 100 + 10
    assert counted.overflowed == 1000 - len(came.numbers)


async def test_jitter_reorders_only_when_asked() -> None:
    async with open_wan(TRIANGLE) as wan:
        await wan.set("a", "c", Change(jitter_ms=10))
        in_order = (await exchange(wan, [("a", "c")], 400))["a", "c"].numbers
        await wan.set("a", "c", Change(reorder=True))
        mixed = (await exchange(wan, [("a", "c")], 400))["a", "c"].numbers
    assert in_order == sorted(mixed) == list(range(400))
    assert mixed != in_order


async def test_a_partition_cuts_both_ways_and_heals() -> None:
    async def through(pair: tuple[str, str]) -> bool:
        return len((await exchange(wan, [pair], 5))[pair].numbers) == 5

    async with open_wan(TRIANGLE) as wan:
        await wan.partition(["left"])
        assert [await through(pair) for pair in (("a", "c"), ("c", "a"), ("a", "b"))] == [False, False, True]
        await wan.partition(["a"], ["b", "c"])
        assert [await through(pair) for pair in (("a", "c"), ("b", "c"), ("a", "b"))] == [False, True, False]
        await wan.heal()
        await wan.cut("a", "c", both=False)
        await wan.cut("b", "c", both=False)
        assert [await through(pair) for pair in (("a", "c"), ("c", "a"), ("b", "c"))] == [False, True, False]
        await wan.heal()
        assert await through(("a", "c"))


async def test_a_refused_change_changes_nothing() -> None:
    async with open_wan(TRIANGLE) as wan:
        with pytest.raises(LabError, match="loss is 2; it must be 0 to 1"):
            await wan.set("a", "c", Change(loss=2, rtt_ms=1))
        assert wan.conditions("a", "c").rtt_ms == 40
        assert min(await round_trips_ms(wan, "a", "c", 3)) >= 40
        with pytest.raises(LabError, match="there are a, b, c, left, right"):
            await wan.set("a", "d", Change(loss=0.1))


async def test_programs_run_on_their_host_and_end_with_the_block() -> None:
    async with open_wan(TRIANGLE) as wan:
        said: list[str] = []
        async with wan.run_in("c", ["ip", "-brief", "address"], on_line=said.append) as program:
            assert await program.wait() == 0
        assert "10.77.2.3/32" in "\n".join(said)
        async with wan.run_in("a", ["sleep", "600"]) as program:
            with trio.fail_after(30):
                while not (found := descendants(program.pid)):
                    await trio.sleep(0.01)
            assert len(found) == 1
        assert alive(found) == set()


async def test_nothing_is_left_behind() -> None:
    before = namespaces_of(os.getpid())
    async with open_wan(TRIANGLE) as wan:
        assert len(namespaces_of(os.getpid()) - before) == 3
        assert (NAMESPACES / wan.namespace("a")).exists()
        emulator = wan.emulator_pid
    assert namespaces_of(os.getpid()) == before
    assert alive({emulator}) == set()
    with trio.CancelScope() as scope:
        async with open_wan(TRIANGLE):
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert namespaces_of(os.getpid()) == before


async def test_a_dead_emulator_ends_the_block() -> None:
    async def kill() -> None:
        async with open_wan(TRIANGLE) as wan:
            os.kill(wan.emulator_pid, signal.SIGKILL)
            await trio.sleep(10)

    with pytest.raises(ExceptionGroup) as caught:
        await kill()
    assert caught.group_contains(LabError, match="has ended")


KILLED = """
import sys, trio
from lab import open_wan
from tests.cluster.lab.test_wan import TRIANGLE

async def main():
    async with open_wan(TRIANGLE) as wan, wan.run_in("a", ["sleep", "601"]):
        print(wan.emulator_pid, flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


@pytest.fixture
def killed(root: Path) -> int:
    """Process id of a run that was killed with a network and a program in it."""
    process = subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, cwd=root)
    with process:
        assert process.stdout is not None
        emulator = int(process.stdout.readline())
        assert len(namespaces_of(process.pid)) == 3
        children = descendants(process.pid)
        assert emulator in children
        process.kill()
    wait_for(lambda: not alive(children), within_s=30)
    return process.pid


async def test_what_a_killed_run_left_is_removed_by_the_next(killed: int) -> None:
    assert len(namespaces_of(killed)) == 3
    async with open_wan(TRIANGLE):
        assert namespaces_of(killed) == set()
