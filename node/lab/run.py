"""One run of one scenario, from an empty machine to the record of what was measured.

Network, store, nodes and people are made anew for every run, so that none begins with what another has left. People
wish to be in all at once; measuring begins on a whole second soon after everybody hears and sees everybody.
"""

from __future__ import annotations

import math
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
import trio

from lab import LabError, open_wan
from lab.experiment.flows import flows
from lab.experiment.records import FORMAT, Happening, Run
from lab.experiment.samples import NEWS, News, Part, read_samples
from lab.report.caveats import MACHINE
from node.lab.folders import open_folder
from node.lab.machine import read_cpu_times
from node.lab.metrics import read_metrics
from node.lab.nodes import HTTP_PORT, open_wan_nodes
from node.lab.round_trips import RoundTrips, ask_round_trips
from node.lab.steps import carry_out
from node.lab.traffic import Traffic, watch
from node.lab.ways import added_ms, ways

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from lab import Topology, Wan
    from lab.emulator import WanStatistics
    from lab.experiment.plan import Turn
    from lab.experiment.records import Flow
    from lab.experiment.settings import Settings
    from lab.scenarios import Scenario
    from node.lab.nodes import WanNodes

__all__ = ["Told", "run_once"]

ROOM: Final = "experiment"

TOGETHER_DEADLINE_S: Final = 90.0
"""Until everybody hears and sees everybody, links, browsers and all, over paths that lose packets, on busy cores."""

GOODBYE_S: Final = 5.0
"""For a browser to close."""

PLAYERS: Final = MappingProxyType({"synthetic": "lab.experiment.person", "browser": "lab.experiment.browser"})
"""Modules of the processes that play people."""

LINKED_DEADLINE_S: Final = 30.0
"""For links between all nodes, which are to be warm before people come; gossip over 300 ms needs some seconds."""

CALM_S: Final = 1.5
"""Between the last first picture and the measured time: what the beginning has queued has drained by then."""

SETTLE_S: Final = 3.0
"""After the measured time, while people go on: what was lost then is given up, or repaired."""

POLL_S: Final = 0.2

OK: Final = 200

NETWORK: Final = "network"
"""Beside the nodes' names, what the network carried between them."""

WARM_LINKS: Final = 8
"""What a node has by default, which that of the demo's settings has not."""

UNUSED_S: Final = 0.5
"""A silence is worth a line in the record of a run with steps if it is longer."""


class Told(Protocol):
    """Hears how far a run is, for people: what it does, and what share of the measured time is over."""

    def __call__(self, what: str, share: float, /) -> None:
        """Hear it."""
        ...


@dataclass(kw_only=True)
class _Person:
    name: str
    samples: Path
    news: list[News] = field(default_factory=list)
    whole: trio.Event = field(default_factory=trio.Event)

    def hear(self, line: str) -> None:
        if not line.startswith(NEWS):
            return
        self.news.append(msgspec.json.decode(line.removeprefix(NEWS), type=News))
        if self.news[-1].what == "whole":
            self.whole.set()

    def when(self, what: str) -> float | None:
        return next((one.at_s for one in self.news if one.what == what), None)


@dataclass(frozen=True, kw_only=True)
class _Surroundings:
    """What nodes and network know at one moment."""

    network: WanStatistics
    measured: RoundTrips
    figures: dict[str, dict[str, float]]


async def run_once(topology: Topology, turn: Turn, settings: Settings, told: Told) -> Run:
    """Run a scenario once.

    Args:
        topology: The network, which has the scenario.
        turn: Which scenario, and which repeat: it gives the dice of the network their seed.
        settings: How long, and what people send.
        told: Hears how far it is.

    Raises:
        LabError: Something of it failed; the message says what.
    """
    scenario = topology.scenarios[turn.scenario]
    duration_s = settings.duration_s
    nodes_at = scenario.all_nodes()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    told("network and nodes", 0.0)
    with open_folder() as folder:
        async with (
            open_wan(topology, seed=topology.seed + turn.repeat) as wan,
            open_wan_nodes(
                wan,
                folder,
                hosts=nodes_at,
                redis_host=nodes_at[0],
                settings={"mesh": {"warm_links": WARM_LINKS}},
            ) as nodes,
        ):
            await _wait_until_linked(nodes)
            told("people come in", 0.0)
            async with _open_people(wan, scenario, settings, folder) as people:
                await _wait_until_together(people, nodes)
                began_s = float(math.ceil(time.monotonic() + CALM_S))
                happened: list[Happening] = []
                await trio.sleep(began_s - time.monotonic())
                before, cpu_before = await wan.statistics(), read_cpu_times()
                traffic = Traffic(nodes=nodes_at, began_s=began_s)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(watch, wan, traffic)
                    nursery.start_soon(_tell_time, told, began_s, duration_s)
                    await carry_out(scenario.steps, wan, nodes, happened, began_s=began_s, duration_s=duration_s)
                    await trio.sleep(began_s + duration_s - time.monotonic())
                    nursery.cancel_scope.cancel()
                idle = read_cpu_times().idle_since(cpu_before)
                at_end = await _look_around(wan, nodes, people)
                told("the last packets", 1.0)
                await trio.sleep(max(0.0, began_s + duration_s + SETTLE_S - time.monotonic()))
            made = _flows(people, began_s, duration_s)
            happened += _news(people, began_s, duration_s)
            if scenario.steps:
                happened += _silences(made)
            happened += traffic.changes
            hops = ways(scenario, topology, traffic, at_end.measured, before, at_end.network)
            return Run(
                format=FORMAT,
                scenario=turn.scenario,
                repeat=turn.repeat,
                topology=topology.name,
                started=started,
                duration_s=duration_s,
                participants=settings.participants,
                places=scenario.places,
                flows=made,
                paths=hops,
                happenings=tuple(sorted(happened, key=lambda one: one.at_s)),
                # What lies between changes with steps, and so does the way: then it means nothing.
                hop_added_ms={} if scenario.steps else added_ms(hops, made),
                figures={
                    **at_end.figures,
                    NETWORK: _between(traffic),
                    MACHINE: {
                        "idle": round(idle, 4),
                        "late_ms": round(traffic.late_ms, 3),
                        "crowded_out": float(at_end.network.crowded_out - before.crowded_out),
                    },
                },
            )


@asynccontextmanager
async def _open_people(
    wan: Wan, scenario: Scenario, settings: Settings, folder: Path
) -> AsyncIterator[tuple[_Person, ...]]:
    people = tuple(_Person(name=name, samples=folder / f"{name}.samples") for name in scenario.places)
    async with trio.open_nursery() as nursery:
        for stamp, person in enumerate(people):
            wanted = scenario.places[person.name]
            others = _others(wan, scenario, person.name)
            part = Part(
                name=person.name,
                address=wan.address(person.name),
                stamp=stamp,
                people=tuple(one.name for one in people),
                room=ROOM,
                nodes=tuple(f"http://{wan.address(node)}:{HTTP_PORT}" for node in (wanted, *others)),
                frames_per_s=settings.video.frames_per_s,
                bits_per_s=settings.video.bits_per_s,
                samples=str(person.samples),
            )
            nursery.start_soon(_play, wan, person, part, PLAYERS[settings.participants])
        yield people
        nursery.cancel_scope.cancel()


def _others(wan: Wan, scenario: Scenario, person: str) -> list[str]:
    """Nodes that a person turns to when its own dies, nearest first."""
    others = [node for node in scenario.all_nodes() if node != scenario.places[person]]
    return sorted(others, key=lambda node: wan.conditions(person, node).rtt_ms)


async def _play(wan: Wan, person: _Person, part: Part, player: str) -> None:
    command = [sys.executable, "-m", player, msgspec.json.encode(part).decode()]
    async with wan.run_in(person.name, command, close_grace_s=GOODBYE_S, on_line=person.hear) as process:
        code = await process.wait()
        raise LabError("person_failed", f"{person.name} ended with {code}: {process.output_tail()[-2000:]}")


async def _wait_until_linked(nodes: WanNodes) -> None:
    """Wait until every two nodes have a link: a run over another path would count for what it is not.

    Raises:
        LabError: `links_missing`.
    """
    up, host = 0, ""
    with trio.move_on_after(LINKED_DEADLINE_S):
        for host in nodes.nodes:
            up = -1
            while up < len(nodes.nodes) - 1:
                await trio.sleep(POLL_S)
                up = sum(link.state == "up" for link in (await nodes.links(host)).links)
        return
    raise LabError(
        "links_missing",
        f"After {LINKED_DEADLINE_S:g} s {host} has links with {max(up, 0)} of {len(nodes.nodes) - 1} other nodes, and "
        f"nothing was measured: see that the topology lets them reach each other.\n{nodes.last_words(host)}",
    )


async def _wait_until_together(people: Sequence[_Person], nodes: WanNodes) -> None:
    with trio.move_on_after(TOGETHER_DEADLINE_S):
        for person in people:
            await person.whole.wait()
        return
    told = {person.name: [f"{one.what} {one.detail}".strip() for one in person.news] for person in people}
    words = "\n".join(nodes.last_words(host) for host in nodes.nodes)
    raise LabError("person_failed", f"After {TOGETHER_DEADLINE_S} s not all see all: {told}.\n{words}")


async def _tell_time(told: Told, began_s: float, duration_s: float) -> None:
    while True:
        told("measuring", min(1.0, (time.monotonic() - began_s) / duration_s))
        await trio.sleep(POLL_S)


async def _look_around(wan: Wan, nodes: WanNodes, people: Sequence[_Person]) -> _Surroundings:
    network = await wan.statistics()
    hosts = {one.detail: person.name for person in people for one in person.news if one.what == "is"}
    measured: RoundTrips = {}
    figures: dict[str, dict[str, float]] = {}
    for host in nodes.nodes:
        try:
            measured |= await ask_round_trips(nodes, host, hosts)
            status, body = await nodes.get(host, "/metrics")
        except (OSError, trio.TooSlowError, msgspec.DecodeError):
            continue  # killed or cut off, as the scenario wants it
        if status == OK:
            figures[host] = read_metrics(body.decode())
    return _Surroundings(network=network, measured=measured, figures=figures)


def _flows(people: Sequence[_Person], began_s: float, duration_s: float) -> tuple[Flow, ...]:
    samples = {person.name: tuple(read_samples(person.samples)) for person in people}
    wished_s = {person.name: person.when("wishes") or began_s for person in people}
    names = [person.name for person in people]
    return flows(samples, names, wished_s, began_s=began_s, duration_s=duration_s)


def _between(traffic: Traffic) -> dict[str, float]:
    return {f"mbit_s {one}>{other}": round(rate, 4) for (one, other), rate in traffic.rates.items()}


def _news(people: Sequence[_Person], began_s: float, duration_s: float) -> list[Happening]:
    """What befell people in the measured time."""
    return [
        Happening(at_s=round(one.at_s - began_s, 3), what=f"{person.name} {one.what} {one.detail}".strip())
        for person in people
        for one in person.news
        if 0 <= one.at_s - began_s <= duration_s and one.what != "is"
    ]


def _silences(flows: Sequence[Flow]) -> list[Happening]:
    """The longest silence of each flow, if it is worth a line, at the end of the second that saw its end."""
    found = []
    for flow in flows:
        worst = max(flow.seconds, key=lambda second: second.longest_gap_ms)
        if worst.longest_gap_ms > UNUSED_S * 1000:
            what = f"{flow.kind} from {flow.sender} to {flow.receiver}: back after {worst.longest_gap_ms / 1000:.2f} s"
            found.append(Happening(at_s=worst.at_s, what=what))
    return found
