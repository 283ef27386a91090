"""Nodes that die and come back one after the other, and how soon the others know."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import trio

from tests.cluster.sightings import ALIVE, GONE, LOOK_S, agent_ready_at_s, sightings, wait_seen

if TYPE_CHECKING:
    from node.lab.nodes import WanNodes
    from tests.cluster.sightings import Sighting

GIVE_UP_S: Final = 60.0
"""What a sighting counts that did not come."""


class Turnover:
    """Kills and starts nodes, and keeps the times, in seconds.

    Attributes:
        deaths_s: From SIGKILL until another node's view changed, one for each other node.
        joins_s: From when the newcomer's agent was up until another node's view changed.
        newcomers_s: From then until the newcomer's own view had all others.
        starts_s: From the start of the newcomer's process until all others saw it.
        unseen: Sightings that did not come within a minute, and count as one.
        left: Sightings of a killed node as one that had left.
    """

    def __init__(self, nodes: WanNodes) -> None:
        self._nodes = nodes
        self._gone: set[Sighting] = set()
        self._dead: list[tuple[str, float, float]] = []
        self.deaths_s: list[float] = []
        self.joins_s: list[float] = []
        self.newcomers_s: list[float] = []
        self.starts_s: list[float] = []
        self.unseen = self.left = 0

    async def replace(self, name: str) -> None:
        """Kill a node, wait until all others miss it, and start it as one that knows the seeds alone."""
        self._keep()
        killed_s = time.time()
        await self._nodes.kill(name)
        self.deaths_s += await self._seen(GONE, name, after_s=killed_s)
        self._keep()
        self.left += sum(one.member == name and one.at_s >= killed_s and one.state == "left" for one in self._gone)

        self._nodes.forget_peers(name)
        begun_s = time.time()
        await self._nodes.start(name)
        ready_s = agent_ready_at_s(self._nodes.nodes[name])
        self._dead.append((name, killed_s, ready_s))
        seen = await self._seen(ALIVE, name, after_s=ready_s)
        self.joins_s += seen
        self.starts_s.append(ready_s - begun_s + max(seen))
        self.newcomers_s.append(await self._sees_all(name) - ready_s)

    def false_deaths(self) -> list[str]:
        """Who held a living node for dead."""
        self._keep()
        return sorted(
            f"{one.by} held {one.member} for {one.state}"
            for one in self._gone
            if not any(one.member == name and begin <= one.at_s <= end for name, begin, end in self._dead)
        )

    def _keep(self) -> None:
        """Read what a node that is started anew would lose."""
        self._gone.update(one for one in sightings(self._nodes.nodes) if one.event == GONE)

    async def _seen(self, event: str, member: str, *, after_s: float) -> list[float]:
        others = self._nodes.nodes.keys() - {member}
        seen = await wait_seen(self._nodes.nodes, event, member, others, after_s=after_s, deadline_s=GIVE_UP_S)
        self.unseen += len(others) - len(seen)
        return [seen.get(other, after_s + GIVE_UP_S) - after_s for other in sorted(others)]

    async def _sees_all(self, name: str) -> float:
        """When a newcomer's view had everybody, in seconds since 1970."""
        others = self._nodes.nodes.keys() - {name}
        own = {name: self._nodes.nodes[name]}
        with trio.move_on_after(GIVE_UP_S):
            while True:
                first: dict[str, float] = {}
                for one in sightings(own):
                    if one.event == ALIVE:
                        first.setdefault(one.member, one.at_s)
                if first.keys() >= others:
                    return max(first.values())
                await trio.sleep(LOOK_S)
        self.unseen += 1
        return time.time()
