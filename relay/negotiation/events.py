"""What the negotiation is told, one class a fact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from relay.envelope import Opened
    from signalling.ids import NodeId, PeerId
    from signalling.mesh.negotiation import LinkParameters


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """What the negotiation must know of another node, as its newest boot says.

    Attributes:
        node: Its stable id.
        boot: The incarnation that its messages must carry.
        public_key: Of its node key, 32 raw bytes, certified where the cluster has keys.
        is_draining: It makes no new links and takes none.
    """

    node: NodeId
    boot: int
    public_key: bytes
    is_draining: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberSeen:
    """Gossip holds the node alive, with these facts; said again when they change."""

    member: Member


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberLost:
    """Gossip holds the node failed or gone, which ends no link that works; one that is refused has none to keep."""

    node: NodeId
    is_refused: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LinksWanted:
    """The whole set of nodes that a link is needed with."""

    nodes: frozenset[NodeId]


@dataclass(frozen=True, kw_only=True, slots=True)
class Draining:
    """Whether this node drains."""

    draining: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EventsQueued:
    """So many events wait in the own agent to be gossiped."""

    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvelopeHeard:
    """Gossip brought a well-formed message; `late_s` is how long ago it expired by our clock (negative: it has not)."""

    opened: Opened
    late_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class EndOpened:
    """The engine made this end; these are its parameters."""

    end: PeerId
    parameters: LinkParameters


@dataclass(frozen=True, kw_only=True, slots=True)
class EndFailed:
    """The engine did not do what was asked for this end."""

    end: PeerId
    code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EndUp:
    """Both ends found each other, or the keepalives came back."""

    end: PeerId


@dataclass(frozen=True, kw_only=True, slots=True)
class EndHeard:
    """The far node has said its first word on this end."""

    end: PeerId


@dataclass(frozen=True, kw_only=True, slots=True)
class EndSuspect:
    """Three keepalives are missing."""

    end: PeerId


@dataclass(frozen=True, kw_only=True, slots=True)
class EndClosed:
    """The engine's last word about this end."""

    end: PeerId
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RenewalAsked:
    """The link with that node is to be made anew beside the one there is, which serves until then."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineRestarted:
    """The engine is a new one and knows no end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadlinePassed:
    """The time that `next_deadline` gave has come."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShuttingDown:
    """Say goodbye everywhere; nothing follows."""


NegotiationEvent: TypeAlias = (
    MemberSeen
    | MemberLost
    | LinksWanted
    | Draining
    | EventsQueued
    | EnvelopeHeard
    | EndOpened
    | EndFailed
    | EndUp
    | EndHeard
    | RenewalAsked
    | EndSuspect
    | EndClosed
    | EngineRestarted
    | DeadlinePassed
    | ShuttingDown
)
