"""Who notices a death, and when: the links of the other nodes, and the other nodes' serf agents by themselves.

A node holds another one for dead when its link and gossip agree, and asks it by itself meanwhile; so the agents are
listened to, and not the nodes, for what Serf alone knows.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import trio

from tests.cluster.processes import arguments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from node.admin import LinkReport
    from node.lab.nodes import WanNodes

__all__ = ["Detected", "LinkEnding", "Listener", "failed_member", "listen", "ratio", "since_s", "watch_link"]

LOOK_S: Final = 0.05

CERTAIN: Final = frozenset({"up"})
STANDING: Final = frozenset({"up", "suspect"})
"""States of a link that is not lost."""

FAILED: Final = "EventMemberFailed: "
"""What an agent logs when it gives a member up (serf/serf.go, handleNodeLeave)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Detected:
    """One death as one other node noticed it, seconds from SIGKILL.

    Attributes:
        by: The node.
        victim: The dead one.
        link_s: When its link was in doubt: from then on tracks go by other ways, and the node is asked by gossip.
        serf_s: When its serf agent gave the member up.
        lost_s: When its link was given up (`relay.LinkLost`).
    """

    by: str
    victim: str
    link_s: float
    serf_s: float
    lost_s: float


def ratio(found: Iterable[Detected]) -> float:
    """The median of how soon a link is in doubt, in the time that Serf takes for the same death.

    Raises:
        ValueError: Nobody noticed anything.
    """
    ratios = [one.link_s / one.serf_s if math.isfinite(one.serf_s) else math.inf for one in found]
    if not ratios:
        raise ValueError("nobody noticed anything")
    return median(ratios)


def failed_member(line: str) -> str | None:
    """Name of the node that an agent gives up in a line of its log; None if it does not."""
    _, found, rest = line.partition(FAILED)
    if not found:
        return None
    name = rest.split()[0] if rest.split() else ""
    # A member is named after its node and the agent's boot.
    return name.rpartition("-")[0] or None


def since_s(links: Iterable[LinkReport], node: str, now_s: float, while_in: frozenset[str] = CERTAIN) -> float | None:
    """Since when the link with a node is in none of these states; None while it is in one."""
    for link in links:
        if link.node == node:
            return None if link.state in while_in else now_s - link.age_s
    return now_s


@dataclass(kw_only=True)
class LinkEnding:
    """When a link came into doubt, and when it was given up: monotonic seconds, endless until it is seen."""

    doubt_s: float = math.inf
    lost_s: float = math.inf

    def see(self, links: Iterable[LinkReport], node: str, now_s: float) -> bool:
        """Take the links of one moment, `node` being the far end; gives whether nothing is left to be seen.

        A doubt that goes away leaves nothing.
        """
        held = tuple(links)
        doubt_s, lost_s = since_s(held, node, now_s), since_s(held, node, now_s, STANDING)
        if doubt_s is None:
            self.doubt_s = math.inf
        else:
            self.doubt_s = min(self.doubt_s, doubt_s)
        if lost_s is not None:
            self.lost_s = lost_s
        return lost_s is not None


async def watch_link(nodes: WanNodes, by: str, victim: str, *, deadline_s: float) -> LinkEnding:
    """Wait until a node has given up its link with another one; what did not happen in time stays endless."""
    ending = LinkEnding()
    with trio.move_on_after(deadline_s):
        while not ending.see((await nodes.links(by)).links, victim, time.monotonic()):
            await trio.sleep(LOOK_S)
    return ending


@dataclass(kw_only=True)
class Listener:
    """What the serf agents of all nodes say: (who, whom it gave up, when in monotonic seconds)."""

    heard: list[tuple[str, str, float]] = field(default_factory=list)

    def hear(self, by: str, line: str) -> None:
        """Take a line of a log."""
        member = failed_member(line)
        if member is not None:
            self.heard.append((by, member, time.monotonic()))

    async def wait_failed(self, by: str, victim: str, *, after_s: float, deadline_s: float) -> float:
        """Wait until an agent has given a member up; returns when. Endless if it did not in time."""
        with trio.move_on_after(deadline_s):
            while True:
                for who, whom, at_s in self.heard:
                    if (who, whom) == (by, victim) and at_s >= after_s:
                        return at_s
                await trio.sleep(LOOK_S)
        return math.inf


@asynccontextmanager
async def listen(nodes: WanNodes, at: Iterable[str]) -> AsyncIterator[Listener]:
    """Listen to the serf agents of these nodes, which must run, for the length of the block.

    Raises:
        LookupError: One of them has no agent.
    """
    listener = Listener()
    async with trio.open_nursery() as nursery:
        for name in at:
            nursery.start_soon(_monitor, nodes, name, _agent_settings(nodes, name), listener)
        yield listener
        nursery.cancel_scope.cancel()


def _agent_settings(nodes: WanNodes, name: str) -> Mapping[str, str]:
    words = arguments(nodes.agent_pid(name))
    config = Path(words[words.index("-config-file") + 1])
    settings: Mapping[str, str] = json.loads(config.read_text(encoding="utf-8"))
    return settings


async def _monitor(nodes: WanNodes, name: str, agent: Mapping[str, str], listener: Listener) -> None:
    command = ["serf", "monitor", f"-rpc-addr={agent['rpc_addr']}", f"-rpc-auth={agent['rpc_auth']}"]

    def hear(line: str) -> None:
        listener.hear(name, line)

    async with nodes.wan.run_in(nodes.nodes[name].host, command, close_grace_s=0.2, on_line=hear) as process:
        await process.wait()
        await trio.sleep_forever()
