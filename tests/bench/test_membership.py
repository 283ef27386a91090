"""How soon all nodes know of one that came or died, and whether they know how far they are.

Twelve whole nodes in six regions over the emulated network, with real serf agents. In each round they start anew, are
left alone for three minutes and say how far they think they are; then ten of them, one after the other, are killed
(SIGKILL), missed by the other eleven, and started again, knowing nobody but the seeds. Times are those of the nodes'
own logs, at the moment when their view changes: a death counts from the signal, a join from when the newcomer's agent
is up and begins to join.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
import trio

from lab import LabError, load_preset, open_wan
from lab.namespaces import check_permission
from node.lab.nodes import open_wan_nodes
from tests.bench.neighbourhoods import Neighbourhood, cities_sent_astray, median_error, read_neighbourhoods
from tests.bench.report import Machine, Report, at_most, publish, watch_machine
from tests.bench.rounds import Rounds
from tests.bench.turnover import Turnover

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.bench

DEATHS: Final = int(os.environ.get("STARLING_BENCH_DEATHS", "10"))
"""In a round; each is followed by a join."""

SETTLE_S: Final = float(os.environ.get("STARLING_BENCH_SETTLE_S", "180"))
"""Until estimates are read: each pair is measured every 11 s."""

PAUSE_S: Final = 3.0
"""Between a join and the next death, so that the gossip about it is over."""


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """Of times in seconds."""

    count: int
    p50: float
    p90: float
    p99: float
    maximum: float

    @classmethod
    def of(cls, times_s: Sequence[float]) -> Quantiles:
        """Sum up two times or more."""
        cuts = statistics.quantiles(times_s, n=100, method="inclusive")
        return cls(count=len(times_s), p50=cuts[49], p90=cuts[89], p99=cuts[98], maximum=max(times_s))

    def __str__(self) -> str:
        """Say it in a line."""
        return f"median {self.p50:.2f}, 90 % {self.p90:.2f}, 99 % {self.p99:.2f}, last {self.maximum:.2f} s"


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What one life of the cluster showed; for the times see `Turnover`.

    Attributes:
        neighbourhoods: What each node knew of the others after three minutes.
        false_deaths: Who held a living node for dead.
        load_before: Programs that wanted to run in the minute before, by the machine's load average.
        emulator_late_ms: The latest that the emulated network handed a packet over after it was due.
        crowded_out: Packets that it dropped for want of room; anything but 0 spoils the round.
        machine: Its idle share during the round.
    """

    deaths_s: list[float]
    joins_s: list[float]
    newcomers_s: list[float]
    starts_s: list[float]
    unseen: int
    left: int
    neighbourhoods: tuple[Neighbourhood, ...]
    false_deaths: list[str]
    load_before: float
    emulator_late_ms: float
    crowded_out: int
    machine: Machine

    @property
    def misjudged(self) -> list[str]:
        """Nodes whose estimates rank a wrong region first."""
        return [one.node for one in self.neighbourhoods if one.estimated != one.nearest]

    @property
    def misplaced(self) -> list[str]:
        """Nodes with whose estimates placement prefers a wrong region."""
        return [one.node for one in self.neighbourhoods if one.placed != one.nearest]


async def measure_round(rounds: Rounds, number: int) -> Round:
    """Let a cluster live once."""
    topology = load_preset("six-regions")
    hosts = [host.name for host in topology.hosts if rounds.wants(host.name)]
    victims = random.Random(number)
    order = [name for _ in range(DEATHS // len(hosts) + 1) for name in victims.sample(hosts, len(hosts))]
    load_before, described = os.getloadavg()[0], watch_machine()
    with tempfile.TemporaryDirectory(prefix="starling-bench-") as folder:
        async with open_wan(topology) as wan, open_wan_nodes(wan, Path(folder), hosts=hosts) as nodes:
            turnover = Turnover(nodes)
            await trio.sleep(SETTLE_S)
            neighbourhoods = await read_neighbourhoods(nodes)
            for name in order[:DEATHS]:
                await turnover.replace(name)
                await trio.sleep(PAUSE_S)
            network = await wan.statistics()
            return Round(
                deaths_s=turnover.deaths_s,
                joins_s=turnover.joins_s,
                newcomers_s=turnover.newcomers_s,
                starts_s=turnover.starts_s,
                unseen=turnover.unseen,
                left=turnover.left,
                neighbourhoods=neighbourhoods,
                false_deaths=turnover.false_deaths(),
                load_before=load_before,
                emulator_late_ms=network.max_late_us / 1000,
                crowded_out=network.crowded_out,
                machine=described(),
            )


def say(number: int, found: Round) -> None:
    """Print a round."""
    print(f"round {number}: {found.machine.idle_percent} % idle, load before it {found.load_before:.1f}")
    print(f"  network: latest packet {found.emulator_late_ms:.1f} ms late, {found.crowded_out} crowded out")
    print(f"  a join, seen by all others: {Quantiles.of(found.joins_s)}")
    print(f"  a newcomer sees all others: {Quantiles.of(found.newcomers_s)}")
    print(f"  from its start to being seen by all: {Quantiles.of(found.starts_s)}")
    print(f"  a death, seen by all others: {Quantiles.of(found.deaths_s)}")
    print(f"  unseen {found.unseen}, seen as left {found.left}, living held for dead: {found.false_deaths or 'none'}")
    print(f"  estimates between regions are wrong by a median of {median_error(found.neighbourhoods):.1%}")
    print(f"  wrong region first by estimates: {found.misjudged or 'none'}, placed: {found.misplaced or 'none'}")
    print(flush=True)


def test_membership() -> None:
    try:
        check_permission()
    except LabError as error:
        pytest.skip(str(error))
    described, rounds = watch_machine(), Rounds.from_environment()
    found = []
    for number in range(1, rounds.count + 1):
        found.append(trio.run(measure_round, rounds, number))
        say(number, found[-1])
    astray = cities_sent_astray()
    goals = (
        at_most("s, a join seen by every other node, p99", 2, [Quantiles.of(one.joins_s).p99 for one in found]),
        at_most("s, a kill -9 seen by every other node, p99", 10, [Quantiles.of(one.deaths_s).p99 for one in found]),
        at_most("nodes whose estimates rank a wrong region first", 0, [len(one.misjudged) for one in found]),
        at_most("nodes whose people placement sends to a wrong region", 0, [len(one.misplaced) for one in found]),
        at_most("cities of 20 sent to a wrong region by what they measure", 0, [len(astray)]),
        at_most("living nodes held for dead", 0, [len(one.false_deaths) for one in found]),
    )
    raw = {
        "rounds": msgspec.to_builtins(found),
        "joins": msgspec.to_builtins([Quantiles.of(one.joins_s) for one in found]),
        "deaths": msgspec.to_builtins([Quantiles.of(one.deaths_s) for one in found]),
        "cities_astray": list(astray),
    }
    publish(Report(name="membership", goals=goals, raw=raw, machine=described()))
