"""What happened to the members lately, with times for people: a bounded list, and who flaps.

A flap is a node that came back as the same boot that was gone: it never died, the gossip thought so. One now and then
is a network; many are a machine without CPU to spare, or a path that loses too much.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from membership.members.snapshot import MemberRefused, NodeAppeared, NodeChanged, NodeGone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from membership.members.snapshot import Change, ViewMember
    from signalling.ids import NodeId

__all__ = ["ChangeHistory", "HistoryEntry"]

MAX_ENTRIES: Final = 1000
"""Some 200 kB: weeks of a quiet cluster, an hour of one that flaps once in four seconds."""

MAX_NODES: Final = 4096
"""Nodes whose boots and flaps are remembered; the one that was quiet for longest is forgotten first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryEntry:
    """One change.

    Attributes:
        number: grows by one with each entry since the node started.
        at_ms: wall clock of this node, milliseconds since 1970.
        kind: `appeared`, `back` (as the same boot: a flap), `changed`, `failed`, `left` or `refused`.
        node: the stable id; of a refused member its Serf name.
        serf_name: the name in gossip.
        detail: what changed or why, for people.
    """

    number: int
    at_ms: int
    kind: str
    node: str
    serf_name: str
    detail: str


class ChangeHistory:
    """Keeps the last changes."""

    def __init__(self) -> None:
        self._entries: deque[HistoryEntry] = deque(maxlen=MAX_ENTRIES)
        self._number = 0
        self._gone: dict[NodeId, int] = {}
        self._flaps: dict[NodeId, int] = {}
        self.flaps = 0
        """Times that a node came back as the boot that had been gone, since start."""
        self.refusals: Counter[str] = Counter()
        """Members that were refused since start, by code."""

    def add(self, changes: Iterable[Change], *, at_ms: int) -> None:
        """Note what changed at this time."""
        for change in changes:
            match change:
                case NodeAppeared(member=member):
                    is_back = self._gone.pop(member.node_id, None) == member.tags.boot
                    if is_back:
                        self._count_flap(member.node_id)
                    self._note("back" if is_back else "appeared", member, _where(member), at_ms)
                case NodeChanged(before=before, after=after):
                    self._note("changed", after, _difference(before, after), at_ms)
                case NodeGone(member=member, is_refused=is_refused):
                    _remember(self._gone, member.node_id, member.tags.boot)
                    self._note(member.state.value, member, "refused" if is_refused else "", at_ms)
                case MemberRefused(member=refused):
                    self.refusals[refused.code] += 1
                    reason = f"{refused.code}: {refused.message}"
                    self._append("refused", refused.serf_name, refused.serf_name, reason, at_ms)
                case _:
                    pass  # a subscriber's own new start

    def entries(self, *, after: int = 0) -> tuple[HistoryEntry, ...]:
        """Those with a number above `after`, the oldest first."""
        return tuple(entry for entry in self._entries if entry.number > after)

    def flaps_of(self, node_id: NodeId) -> int:
        """How often this node flapped since start."""
        return self._flaps.get(node_id, 0)

    def _count_flap(self, node_id: NodeId) -> None:
        self.flaps += 1
        _remember(self._flaps, node_id, self._flaps.get(node_id, 0) + 1)

    def _note(self, kind: str, member: ViewMember, detail: str, at_ms: int) -> None:
        self._append(kind, member.node_id, member.serf_name, detail, at_ms)

    def _append(self, kind: str, node: str, serf_name: str, detail: str, at_ms: int) -> None:
        self._number += 1
        self._entries.append(
            HistoryEntry(number=self._number, at_ms=at_ms, kind=kind, node=node, serf_name=serf_name, detail=detail)
        )


def _remember(known: dict[NodeId, int], node_id: NodeId, number: int) -> None:
    known.pop(node_id, None)
    known[node_id] = number
    if len(known) > MAX_NODES:
        del known[next(iter(known))]


def _where(member: ViewMember) -> str:
    return f"{member.tags.region} {member.address}:{member.port} boot {member.tags.boot}"


def _difference(before: ViewMember, after: ViewMember) -> str:
    """Name what a person would look for; the rest is `tags`."""
    told = {
        "boot": (before.tags.boot, after.tags.boot),
        "agent boot": (before.tags.agent_boot, after.tags.agent_boot),
        "address": (f"{before.address}:{before.port}", f"{after.address}:{after.port}"),
        "state": (before.tags.state.name.lower(), after.tags.state.name.lower()),
        "load": (before.tags.load.name.lower(), after.tags.load.name.lower()),
    }
    words = [f"{what} {old} -> {new}" for what, (old, new) in told.items() if old != new]
    return ", ".join(words) or "tags"
