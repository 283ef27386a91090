"""What nodes have seen of each other, by their own logs: each line has the time when its view changed.

Nobody is asked for it, so looking often costs the nodes nothing. All of them run on one machine and read one clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec
import trio

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from node.lab.nodes import WanNode

ALIVE: Final = "member alive"
GONE: Final = "member gone"
AGENT_READY: Final = "gossip agent ready"

LOOK_S: Final = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """One change of one node's view.

    Attributes:
        at_s: When, in seconds since 1970.
        by: The node that looks.
        event: `ALIVE` or `GONE`.
        member: Whom it sees.
        state: Of whom is gone, `failed` or `left`; else empty.
    """

    at_s: float
    by: str
    event: str
    member: str
    state: str = ""


class _Line(msgspec.Struct):
    timestamp: datetime
    event: str
    member: str = ""
    state: str = ""


def sightings(nodes: Mapping[str, WanNode], *, after_s: float = 0.0) -> Iterator[Sighting]:
    """All that nodes have seen of others after a time, and since they were started last."""
    for name, node in nodes.items():
        for line in _lines(node.lines, (ALIVE, GONE)):
            at_s = line.timestamp.timestamp()
            if at_s >= after_s and line.member != name:
                yield Sighting(at_s=at_s, by=name, event=line.event, member=line.member, state=line.state)


def agent_ready_at_s(node: WanNode) -> float:
    """When the node's newest agent was up, from which it joins the others, in seconds since 1970.

    Raises:
        LookupError: It has said nothing of that.
    """
    found = [line.timestamp.timestamp() for line in _lines(node.lines, (AGENT_READY,))]
    if not found:
        raise LookupError("its log does not say that its agent is up")
    return found[-1]


async def wait_seen(
    nodes: Mapping[str, WanNode], event: str, member: str, by: Iterable[str], *, after_s: float, deadline_s: float
) -> dict[str, float]:
    """Wait until each of these nodes has seen this of a member; returns when each saw it first.

    After the deadline those that have not are missing from the answer.
    """
    wanted = set(by)
    seen: dict[str, float] = {}
    with trio.move_on_after(deadline_s):
        while seen.keys() != wanted:
            await trio.sleep(LOOK_S)
            for one in sightings({name: nodes[name] for name in wanted - seen.keys()}, after_s=after_s):
                if (one.event, one.member) == (event, member):
                    seen.setdefault(one.by, one.at_s)
    return seen


def _lines(lines: Iterable[str], events: tuple[str, ...]) -> Iterator[_Line]:
    for text in lines:
        # Few lines are of interest, and only those are worth reading.
        if text.startswith("{") and any(f'"{event}"' in text for event in events):
            line = msgspec.json.decode(text, type=_Line)
            if line.event in events:
                yield line
