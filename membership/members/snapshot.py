"""The cluster as a node sees it: immutable snapshots, and what changed between two of them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from membership.members.tags import NodeState, NodeTags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalling.ids import NodeId

__all__ = [
    "Change",
    "ClusterView",
    "MemberRefused",
    "MemberState",
    "NodeAppeared",
    "NodeChanged",
    "NodeGone",
    "UnusableMember",
    "ViewMember",
    "ViewReset",
    "changes_between",
]


class MemberState(enum.StrEnum):
    """What gossip says of a node."""

    ALIVE = "alive"
    FAILED = "failed"
    LEFT = "left"


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewMember:
    """One node, as its newest boot says.

    Attributes:
        serf_name: its agent's name in gossip, fresh per agent start.
        address: IP address of its gossip, as text.
        port: port of its gossip.
        state: what gossip says of it.
        tags: what it says of itself.
    """

    serf_name: str
    address: str
    port: int
    state: MemberState
    tags: NodeTags

    @property
    def node_id(self) -> NodeId:
        """The stable id."""
        return self.tags.node_id

    @property
    def is_serving(self) -> bool:
        """Alive and not draining."""
        return self.state is MemberState.ALIVE and self.tags.state is NodeState.SERVING

    @property
    def takes_clients(self) -> bool:
        """Serving, and its operator lets new clients come."""
        return self.is_serving and self.tags.eligible


@dataclass(frozen=True, kw_only=True, slots=True)
class UnusableMember:
    """A member that is shown, never obeyed.

    Attributes:
        serf_name: its name in gossip.
        address: IP address of its gossip.
        port: port of its gossip.
        state: what gossip says of it.
        code: `tags_missing`, `tags_malformed`, `tags_too_large`, `name_mismatch`, `foreign_cluster`,
            `uncertified`, `key_revoked`, `key_changed` (its node lives under another key), `key_shared` (another
            living node has its key), `node_twin` (a newer process has its node's id and key and speaks for it),
            `name_moved` (its agent was seen at another address first).
        message: the reason for a human.
    """

    serf_name: str
    address: str
    port: int
    state: MemberState
    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterView:
    """Immutable snapshot of the cluster.

    Attributes:
        number: grows by one with every snapshot.
        own_id: the node that looks.
        members: every usable node by its stable id, the own one included, whatever its state.
        unusable: members that are refused, with reasons.
        own_refusal: that one of them which is this node itself: it takes part in the gossip, and counts for nobody.
        is_fresh: whether an agent is there and its members were read since it (re)appeared.
    """

    number: int = 0
    own_id: NodeId
    members: Mapping[NodeId, ViewMember] = field(default_factory=lambda: MappingProxyType({}))
    unusable: tuple[UnusableMember, ...] = ()
    own_refusal: UnusableMember | None = None
    is_fresh: bool = False

    def alive(self) -> tuple[ViewMember, ...]:
        """The nodes that gossip holds alive, in the order of their ids."""
        return tuple(m for _, m in sorted(self.members.items()) if m.state is MemberState.ALIVE)


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeAppeared:
    """A node became alive: new, or back after it had failed or left."""

    member: ViewMember


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeChanged:
    """A living node's tags, boot or address changed; a greater `tags.boot` means that the process is a new one."""

    before: ViewMember
    after: ViewMember


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeGone:
    """A node that was alive has failed or left, as `member.state` says; FAILED also when it was forgotten.

    Attributes:
        member: what it was.
        is_refused: it is there, and is no node of this cluster any more: nothing of it is to be kept.
    """

    member: ViewMember
    is_refused: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberRefused:
    """A member appeared that cannot be used, or its reason changed."""

    member: UnusableMember


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewReset:
    """Start over from this snapshot: the first item of a subscription, and the next one after it fell behind."""

    view: ClusterView


Change = NodeAppeared | NodeChanged | NodeGone | MemberRefused | ViewReset


def changes_between(old: ClusterView, new: ClusterView) -> tuple[Change, ...]:
    """What one who knew `old` has to be told, in the order of node ids."""
    changes: list[Change] = []
    for node_id in sorted(old.members.keys() | new.members.keys()):
        before, after = old.members.get(node_id), new.members.get(node_id)
        was_alive = before is not None and before.state is MemberState.ALIVE
        if after is not None and after.state is MemberState.ALIVE:
            if before is None or not was_alive:
                changes.append(NodeAppeared(member=after))
            elif before != after:
                changes.append(NodeChanged(before=before, after=after))
        elif before is not None and was_alive:
            is_refused = after is None and before.serf_name in {member.serf_name for member in new.unusable}
            changes.append(NodeGone(member=after or replace(before, state=MemberState.FAILED), is_refused=is_refused))
    known = {(member.serf_name, member.code) for member in old.unusable}
    changes.extend(MemberRefused(member=m) for m in new.unusable if (m.serf_name, m.code) not in known)
    return tuple(changes)
