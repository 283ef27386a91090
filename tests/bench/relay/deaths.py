"""kill -9 of nodes: how soon links and Serf know, and how long people of other nodes miss those who have to move.

Three nodes 40 ms apart, two people on each, all in one room, each a process as in experiments. Again and again the node
with most people is killed with its agent and its engine; its people find another node by themselves. When everything
has been noticed, it is started again.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from lab import LabError, open_wan
from lab.experiment.samples import NEWS, News, read_samples
from lab.experiment.samples import Part as Role
from lab.topology import parse_topology
from node.lab.folders import open_folder
from node.lab.nodes import open_wan_nodes
from tests.bench.relay.detection import Detected, listen, ratio, watch_link
from tests.bench.relay.gaps import gaps
from tests.bench.relay.part import Outcome, Part
from tests.bench.relay.people import MANY
from tests.bench.relay.quantiles import quantile
from tests.bench.report import at_most

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from node.lab.nodes import WanNodes
    from tests.bench.relay.detection import LinkEnding, Listener
    from tests.bench.relay.gaps import Gap
    from tests.bench.relay.part import Say
    from tests.bench.rounds import Rounds

__all__ = ["DEATHS", "described"]

NODES: Final = ("node-1", "node-2", "node-3")
PEOPLE: Final = tuple(f"{node}-{letter}" for node in NODES for letter in "ab")

NETWORK: Final = "\n".join(
    (
        'name = "three"',
        "[within]\nrtt_ms = 40",
        "[regions.here]\nlatitude = 50.1\nlongitude = 8.7",
        *(f'[[hosts]]\nname = "{name}"\nregion = "here"' for name in NODES),
    )
).encode()

KILLS: Final = int(os.environ.get("STARLING_BENCH_KILLS", "3"))
"""In a round."""

GOAL_DETECTION: Final = 0.15
GOAL_P50_S: Final = 1.0
GOAL_P99_S: Final = 3.0

ROOM: Final = "room"
FRAMES_PER_S: Final = 25
BITS_PER_S: Final = 200_000

TOGETHER_S: Final = 60.0
"""Until everybody hears and sees everybody, on busy cores."""

NOTICED_S: Final = 30.0
"""Until a death counts as never noticed: Serf takes 5 to 9 s."""

BACK_S: Final = 10.0
"""Until whoever has not come back counts as never."""

CALM_S: Final = 2.0
"""After links are up, before the next death, and after samples are due."""

POLL_S: Final = 0.2


@dataclass(kw_only=True)
class Person:
    """A person's process, as it tells of itself.

    Attributes:
        name: Begins with the host that it is on.
        samples: The file that it writes.
        node: Where its seat is.
        whole: It heard and saw everybody.
    """

    name: str
    samples: Path
    node: str = ""
    whole: trio.Event = field(default_factory=trio.Event)

    @property
    def host(self) -> str:
        """Where it runs, whichever node it is on."""
        return self.name.rpartition("-")[0]

    def hear(self, line: str) -> None:
        """Take a line that it printed."""
        if not line.startswith(NEWS):
            return
        news = msgspec.json.decode(line.removeprefix(NEWS), type=News)
        if news.what == "seated":
            self.node = news.detail
        elif news.what == "whole":
            self.whole.set()


def next_victim(seats: Mapping[str, str]) -> str:
    """The node with most people, of those that leave others somebody who misses them; ties by name.

    Args:
        seats: The node of each person.

    Raises:
        ValueError: All people are on one node.
    """
    counts = Counter(seats.values())
    if len(counts) < 2:
        raise ValueError("all people are on one node: nobody is left to miss them")
    return min(counts, key=lambda node: (-counts[node], node))


async def measure(rounds: Rounds, say: Say) -> Outcome:
    """Kill nodes, in one life of the cluster."""
    detected: list[list[Detected]] = []
    missed: list[list[Gap]] = []
    say(f"starting {len(NODES)} nodes and {len(PEOPLE)} people")
    with open_folder() as folder:
        people = [Person(name=name, samples=folder / f"{name}.samples") for name in PEOPLE]
        async with AsyncExitStack() as stack:
            wan = await stack.enter_async_context(open_wan(parse_topology(NETWORK)))
            settings = {"mesh": {"warm_links": len(NODES)}, "http": MANY}
            nodes = await stack.enter_async_context(open_wan_nodes(wan, folder, settings=settings))
            nursery = await stack.enter_async_context(trio.open_nursery())
            stack.callback(nursery.cancel_scope.cancel)
            await _wait_until_linked(nodes)
            for stamp, person in enumerate(people):
                nursery.start_soon(_play, nodes, person, stamp)
            with trio.fail_after(TOGETHER_S):
                for person in people:
                    await person.whole.wait()
            for number in range(rounds.count):
                detected.append([])
                missed.append([])
                for death in range(KILLS):
                    await trio.sleep(CALM_S)
                    found, missing = await _let_die(nodes, people)
                    detected[-1] += found
                    missed[-1] += missing
                    say(f"{number + 1}/{rounds.count}, death {death + 1}/{KILLS}: {described(found, missing)}")
                    if (number, death) != (rounds.count - 1, KILLS - 1):
                        await nodes.start(found[0].victim)
                        await nodes.wait_until_met()
                        await _wait_until_linked(nodes)
    silences = [[gap.silent_s if gap.is_over else math.inf for gap in one] for one in missed]
    return Outcome(
        goals=[
            at_most("a dead link in doubt / known to Serf by itself", GOAL_DETECTION, [ratio(one) for one in detected]),
            at_most("s without media after kill -9, p50", GOAL_P50_S, [quantile(one, 0.5) for one in silences]),
            at_most("s without media after kill -9, p99", GOAL_P99_S, [quantile(one, 0.99) for one in silences]),
        ],
        raw={
            "detected": [[asdict(each) for each in one] for one in detected],
            "gaps": [[asdict(each) for each in one] for one in missed],
        },
    )


async def _let_die(nodes: WanNodes, people: Sequence[Person]) -> tuple[list[Detected], list[Gap]]:
    """Kill the node with most people, and wait until everything has been noticed."""
    seats = {person.name: person.node for person in people}
    victim = next_victim(seats)
    died_s, found = await _kill(nodes, victim)
    await trio.sleep(max(0.0, died_s + BACK_S + CALM_S - time.monotonic()))
    missing = gaps(
        {person.name: tuple(read_samples(person.samples)) for person in people},
        PEOPLE,
        [name for name, node in seats.items() if node == victim],
        [name for name, node in seats.items() if node != victim],
        died_s=died_s,
        until_s=died_s + BACK_S,
    )
    return found, missing


async def _kill(nodes: WanNodes, victim: str) -> tuple[float, list[Detected]]:
    """Kill a node and wait until all others know; returns when it died, and how soon they knew."""
    others = [name for name in nodes.nodes if name != victim]
    links: dict[str, LinkEnding] = {}
    agents: dict[str, float] = {}
    async with listen(nodes, others) as listener:
        await trio.sleep(CALM_S)  # until it listens
        died_s = time.monotonic()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(nodes.kill, victim)
            for by in others:
                nursery.start_soon(_note_link, nodes, by, victim, links)
                nursery.start_soon(_note_agent, listener, by, victim, died_s, agents)
    return died_s, [
        Detected(
            by=by,
            victim=victim,
            link_s=links[by].doubt_s - died_s,
            lost_s=links[by].lost_s - died_s,
            serf_s=agents[by] - died_s,
        )
        for by in others
    ]


async def _note_link(nodes: WanNodes, by: str, victim: str, links: dict[str, LinkEnding]) -> None:
    links[by] = await watch_link(nodes, by, victim, deadline_s=NOTICED_S)


async def _note_agent(listener: Listener, by: str, victim: str, died_s: float, agents: dict[str, float]) -> None:
    agents[by] = await listener.wait_failed(by, victim, after_s=died_s, deadline_s=NOTICED_S)


async def _play(nodes: WanNodes, person: Person, stamp: int) -> None:
    first = nodes.nodes[person.host].url
    role = Role(
        name=person.name,
        address=nodes.wan.address(person.host),
        stamp=stamp,
        people=PEOPLE,
        room=ROOM,
        nodes=(first, *(node.url for node in nodes.nodes.values() if node.url != first)),
        frames_per_s=FRAMES_PER_S,
        bits_per_s=BITS_PER_S,
        samples=str(person.samples),
    )
    command = [sys.executable, "-m", "lab.experiment.person", msgspec.json.encode(role).decode()]
    async with nodes.wan.run_in(person.host, command, close_grace_s=1.0, on_line=person.hear) as process:
        code = await process.wait()
        raise LabError("person_failed", f"{person.name} ended with {code}: {process.output_tail()[-2000:]}")


async def _wait_until_linked(nodes: WanNodes) -> None:
    with trio.fail_after(TOGETHER_S):
        for host in nodes.nodes:
            while sum(link.state == "up" for link in (await nodes.links(host)).links) < len(nodes.nodes) - 1:
                await trio.sleep(POLL_S)


def described(found: Sequence[Detected], missing: Sequence[Gap]) -> str:
    """A death in a line, seconds from SIGKILL: since when each link was in doubt and lost, and what was missed."""
    known = ", ".join(f"{one.by} {one.link_s:.2f} s (lost {one.lost_s:.2f}, Serf {one.serf_s:.1f})" for one in found)
    silences = [gap.silent_s for gap in missing]
    never = sum(not gap.is_over for gap in missing)
    return (
        f"link in doubt for {known}; {len(silences)} gaps, median {quantile(silences, 0.5):.2f}, "
        f"longest {max(silences):.2f} s, {never} not over"
    )


DEATHS: Final = Part(
    name="deaths",
    about="kill -9 of nodes: who knows when, and how long media is missed",
    seconds=lambda rounds: 30 + rounds.count * KILLS * 20,
    needs_lab=True,
    measure=measure,
)
