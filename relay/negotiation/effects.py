"""What the negotiation asks for, one class a fact. Ends are named by id; answers come back as events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from signalling.ids import NodeId, PeerId
    from signalling.mesh.negotiation import Envelope, LinkParameters


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenEnd:
    """Make an end of a link, beside the one in use if that is named. Answered by `EndOpened` or `EndFailed`."""

    end: PeerId
    node: NodeId
    controlling: bool
    lane: int = 0
    beside: PeerId | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectEnd:
    """Tell an end about the other one. `EndUp`, `EndClosed` or `EndFailed` follows, or a deadline does."""

    end: PeerId
    parameters: LinkParameters


@dataclass(frozen=True, kw_only=True, slots=True)
class CloseEnd:
    """End it; nothing more is heard of it."""

    end: PeerId


@dataclass(frozen=True, kw_only=True, slots=True)
class SendEnvelope:
    """Gossip this message; the expiry is yet to be stamped and the signature to be made."""

    envelope: Envelope


@dataclass(frozen=True, kw_only=True, slots=True)
class RereadMembers:
    """Somebody speaks whom the view does not know yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkRose:
    """The link carries. `boot` is the far node's incarnation."""

    node: NodeId
    end: PeerId
    boot: int
    setup_ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkFell:
    """The link that was up no longer is."""

    node: NodeId
    end: PeerId
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EndRenewed:
    """The link carries over another end from now on. What was under way on the former one may come yet."""

    node: NodeId
    end: PeerId
    former: PeerId
    boot: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EndRests:
    """A former end carries no leg any more; it stays for the words that wait on it since its path was dark."""

    node: NodeId
    end: PeerId


NegotiationEffect: TypeAlias = (
    OpenEnd | ConnectEnd | CloseEnd | SendEnvelope | RereadMembers | LinkRose | LinkFell | EndRenewed | EndRests
)
