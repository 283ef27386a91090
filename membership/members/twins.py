"""Two living processes with one node id and one node key: a node's folder or settings were copied.

By the rule that the newest boot alone speaks for a node, the newer of the two does, and the other is cut off: its
signed messages are stale to everybody. So it says so and takes nobody; and when the newer one is gone, it needs a boot
above that one's, since a dead name with a newer boot still comes before its own. The newer one, and all others, show
the older one as soon as it is no mere remnant: the agent of a node that was killed and came back elsewhere lives on
for some seconds in gossip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from membership.members.snapshot import MemberState, UnusableMember, ViewMember

if TYPE_CHECKING:
    from collections.abc import Iterable

    from membership.members.standing import Speakers
    from signalling.ids import NodeId

__all__ = ["REMNANT_S", "Doubled", "Twins"]

REMNANT_S: Final = 20.0
"""How long an older name of a node may live before it counts as another process. A death is noticed in 5 to 8 s; where
nobody confirms it, in up to 43 s with 60 members (memberlist, profile lan): a warning then comes and goes by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubled:
    """What the members say about nodes of which there are two.

    Attributes:
        own: the member that stands for this node in its view, where the newest of its id is a dead twin.
        twins: living members that do not speak for their nodes.
        above: the agent boot above which this node has to start again to speak for itself; None if it does.
    """

    own: ViewMember | None
    twins: tuple[UnusableMember, ...]
    above: int | None


class Twins:
    """Finds them; times are seconds of any monotonic clock.

    Args:
        node_id: the own stable id.
    """

    def __init__(self, node_id: NodeId) -> None:
        self._node_id = node_id
        self._waiting: dict[str, float] = {}
        self._proven: set[str] = set()
        self._mine: set[str] = set()
        self._name = ""

    def next_deadline(self) -> float:
        """When to ask `due`; infinity if never."""
        return min(self._waiting.values(), default=math.inf)

    def start(self, name: str) -> None:
        """An agent of this node is there under this Serf name."""
        self._name = name
        self._mine.add(name)

    def stop(self) -> None:
        """There is no agent: nobody's life is seen."""
        self._waiting.clear()

    def due(self, now: float) -> bool:
        """Whether a name has lived for too long to be a remnant, so that members are to be judged anew."""
        old = [name for name, at in self._waiting.items() if at <= now]
        for name in old:
            del self._waiting[name]
            self._proven.add(name)
        return bool(old)

    def listed(self, usable: Iterable[ViewMember], speakers: Speakers, now: float) -> Doubled:
        """What the agent lists now: members that count by themselves, and who of them speaks."""
        refused = {member.serf_name for member in speakers.refused}
        mine = None
        older: dict[str, UnusableMember] = {}
        for member in usable:
            if member.serf_name == self._name:
                mine = member
            elif member.serf_name not in refused and member.serf_name not in self._mine:
                speaker = speakers.by_node.get(member.node_id)
                if speaker is not None and _is_twin(member, speaker):
                    older[member.serf_name] = _shown(member, speaker)
        self._proven &= older.keys()
        self._waiting = {name: self._waiting.get(name, now + REMNANT_S) for name in older if name not in self._proven}
        twins = [shown for name, shown in older.items() if name in self._proven]
        speaker = speakers.by_node.get(self._node_id)
        if mine is None or speaker is None or speaker.tags.agent_boot <= mine.tags.agent_boot:
            return Doubled(own=None, twins=tuple(twins), above=None)
        if speaker.state is MemberState.ALIVE:
            return Doubled(own=None, twins=(*twins, _shown(mine, speaker)), above=None)
        return Doubled(own=mine, twins=tuple(twins), above=speaker.tags.agent_boot)


def _is_twin(member: ViewMember, speaker: ViewMember) -> bool:
    both_live = member.state is speaker.state is MemberState.ALIVE
    # At one address there is one agent: the other name is what is left of its predecessor.
    return both_live and (member.address, member.port) != (speaker.address, speaker.port)


def _shown(member: ViewMember, speaker: ViewMember) -> UnusableMember:
    return UnusableMember(
        serf_name=member.serf_name,
        address=member.address,
        port=member.port,
        state=member.state,
        code="node_twin",
        message=(
            f"a newer process with the id {member.node_id} and the same node key lives at "
            f"{speaker.address}:{speaker.port} and speaks for the node: stop one of them, and give each machine its "
            "own node.id and its own node-key.pem (remove a copied one, and the node makes another)"
        ),
    )
