"""What the owner of the relay takes in, and where what takes time goes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from membership import Change
from relay.legs import TracksWanted
from relay.negotiation.events import EndFailed, EndOpened, NegotiationEvent
from relay.rooms import RoomShared
from sfu.protocol import LinkMeasured, LinkMessage, PeerState

if TYPE_CHECKING:
    from collections.abc import Callable

    from relay.end import LinkEnd
    from relay.events import RelayEvent
    from signalling.ids import NodeId
    from signalling.mesh import link as words

__all__ = ["AllTried", "ChatSaid", "GossipHeard", "Item", "Outlets", "Said"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GossipHeard:
    """Gossip brought this payload."""

    payload: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatSaid:
    """Somebody here said something that these nodes shall hear."""

    chat: words.RoomChat
    nodes: frozenset[NodeId]


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """That node shall hear this, once."""

    node: NodeId
    word: (
        words.RestrictCodecs
        | words.HolderQuestion
        | words.HolderWord
        | words.ChatBefore
        | words.RoomOrder
        | words.PlanWord
        | words.TraceQuestion
        | words.TraceWord
        | words.ReachQuestion
        | words.ReachWord
        | words.ClockQuestion
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class AllTried:
    """A link with every living node is wanted until then, monotonic seconds, to see whether there can be one."""

    until: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlets:
    """Where things go that take time. None of them waits.

    Attributes:
        start_end: Run this end, controlling or not.
        gossip: Send this payload to all nodes.
        reread_members: Look at the members again soon.
        emit: Tell the node.
        report: Take this item later, from an end.
    """

    start_end: Callable[[LinkEnd, bool], None]
    gossip: Callable[[bytes], None]
    reread_members: Callable[[], None]
    emit: Callable[[RelayEvent], None]
    report: Callable[[EndOpened | EndFailed], None]


Item: TypeAlias = (
    NegotiationEvent
    | RoomShared
    | TracksWanted
    | PeerState
    | LinkMessage
    | LinkMeasured
    | Change
    | GossipHeard
    | ChatSaid
    | Said
    | AllTried
)
"""What the owner takes in."""
