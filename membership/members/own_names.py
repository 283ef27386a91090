"""Which of this node's former names to have forgotten, and when: a pure core.

Each start of an agent has a name of its own, and Serf keeps a dead name for days. Only the node itself may end that:
it knows that the agents of these names are gone. Two traps are in the way.

- An agent that starts once its predecessor is held for dead never lists it, as Serf tells newcomers nothing of the
  dead. So names come from the node's own notes, too (agent/former_names.py).
- An agent that hears of the pruning of a name that it still holds alive stands still for 5 s and more, with all its
  gossip (measured; it sleeps under the lock of its members). So a name is pruned only when it must be dead to all.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from membership.members.forgetting import GONE_STATES
from membership.members.snapshot import MemberState
from membership.members.tags import AgentKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from membership.members.snapshot import ViewMember
    from membership.rpc.records import SerfMember
    from signalling.ids import NodeId

__all__ = ["FORGET_AFTER_S", "SETTLE_S", "OwnNames"]

SETTLE_S = 10.0
"""From seeing a name dead here until it is dead to all others: the news takes less than a second in 30 nodes."""

FORGET_AFTER_S = 60.0
"""From the start of an agent until a name that it does not list is dead to all. Who suspects a member waits for others
to confirm it, at most 6 x 4 s x log10 of the members (memberlist, profile lan): 43 s with 60 of them."""


class OwnNames:
    """Says which names to prune now; times are seconds of any monotonic clock.

    Args:
        node_id: the own stable id.
    """

    def __init__(self, node_id: NodeId) -> None:
        self._node_id = node_id
        self._agent_boot = 0
        self._due: dict[str, float] = {}
        self._seen_dead: set[str] = set()
        self._living: frozenset[str] = frozenset()

    def next_deadline(self) -> float:
        """When to ask `due`; infinity if never."""
        return min(self._due.values(), default=math.inf)

    def start(self, agent_boot: int, former: Iterable[str], now: float) -> None:
        """An agent is there; these names had others before it."""
        self.stop()
        self._agent_boot = agent_boot
        self._due = dict.fromkeys(former, now + FORGET_AFTER_S)

    def stop(self) -> None:
        """There is no agent."""
        self._due.clear()
        self._seen_dead.clear()
        self._living = frozenset()

    def listed(self, members: Iterable[SerfMember], usable: Iterable[ViewMember], now: float) -> None:
        """What the agent lists now: all of it, and what of it counts."""
        self._living = frozenset(member.name for member in members if member.status not in GONE_STATES)
        for member in usable:
            if (
                member.node_id == self._node_id
                and member.tags.agent is AgentKind.OWN  # others' agents are theirs to end
                and member.tags.agent_boot < self._agent_boot
                and member.state is not MemberState.ALIVE
                and member.serf_name not in self._seen_dead
            ):
                self._seen_dead.add(member.serf_name)
                self._due[member.serf_name] = now + SETTLE_S

    def again(self, name: str, now: float) -> None:
        """It was not pruned: ask again later."""
        self._due[name] = now + FORGET_AFTER_S

    def due(self, now: float, *, is_alone: bool) -> tuple[str, ...]:
        """The names to prune.

        Args:
            now: the time.
            is_alone: nobody is there who could forget them; ask again later.
        """
        names = []
        for name in sorted(name for name, at in self._due.items() if at <= now):
            if is_alone or name in self._living:
                self._due[name] = now + FORGET_AFTER_S
            else:
                del self._due[name]
                names.append(name)
        return tuple(names)
