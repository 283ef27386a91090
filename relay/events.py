"""What the relay tells the rest of the node, and what it shows of itself."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from signalling.client.messages import ParticipantInfo
    from signalling.ids import NodeId, RoomId, SessionId, TrackId
    from signalling.mesh.link import PlanWord, ReachRow, RoomChat, RoomOrder, TraceStep

__all__ = [
    "ClockTold",
    "HolderAsked",
    "HolderTold",
    "LegOpen",
    "LinkLost",
    "LinkRenewed",
    "LinkState",
    "LinkStatus",
    "LinkUp",
    "ReachAsked",
    "ReachTold",
    "RelayEvent",
    "RelayStatistics",
    "RemoteChat",
    "RemoteChatBefore",
    "RemoteOrder",
    "RemotePlan",
    "RemoteRoom",
    "TraceAsked",
    "TraceTold",
    "WayStatus",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteRoom:
    """Who of the room is on that node now: all of them, replacing what was said before.

    Empty `participants` say that the room no longer lives there, or, with `is_lost`, that the node is
    dead: its link is, and gossip agrees or no new link came about in time.
    """

    node: NodeId
    room: RoomId
    participants: tuple[ParticipantInfo, ...]
    is_lost: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteChat:
    """Somebody on that node said something to a room."""

    node: NodeId
    chat: RoomChat


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteChatBefore:
    """This was said to a room on that node before it could tell us."""

    node: NodeId
    room: RoomId
    chats: tuple[RoomChat, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkUp:
    """The link carries; `setup_ms` is the time from the want (or the offer that came) until now."""

    node: NodeId
    setup_ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkLost:
    """The link that was up is gone, for this reason (a stable code). What it told still stands."""

    node: NodeId
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkRenewed:
    """A new link took the place of the one that was up, without a gap. What it told still stands, and is told again."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeReached:
    """There is no link with the node, and what is said goes to it by a neighbour from now on."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class LegOpen:
    """The track was asked for from that node; its packets go to subscribers as they arrive."""

    node: NodeId
    track: TrackId


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteRestriction:
    """Somebody on that node plays none but these codecs of a track of ours; an empty list takes it back."""

    node: NodeId
    track: TrackId
    codecs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class HolderAsked:
    """That node asks whether a session of ours is there, whose seat in the room somebody wants."""

    node: NodeId
    session: SessionId
    room: RoomId


@dataclass(frozen=True, kw_only=True, slots=True)
class HolderTold:
    """That node says whether a session of its own is there for its seat in the room, after we asked."""

    node: NodeId
    session: SessionId
    room: RoomId
    is_there: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteOrder:
    """Somebody on that node decided something about a room that it shares with us."""

    node: NodeId
    order: RoomOrder


@dataclass(frozen=True, kw_only=True, slots=True)
class RemotePlan:
    """That node says where people of a room that it shares with us are to be, or how far its own are from nodes."""

    node: NodeId
    word: PlanWord


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceAsked:
    """That node asks how a track that we send it comes to us."""

    node: NodeId
    trace: str
    track: TrackId
    within_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceTold:
    """That node says how a track that it sends us comes to it, after we asked."""

    node: NodeId
    trace: str
    track: TrackId
    steps: tuple[TraceStep, ...]
    missing: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReachAsked:
    """That node asks how we reach all the others."""

    node: NodeId
    trace: str
    within_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReachTold:
    """That node says how it reaches the others, after we asked."""

    node: NodeId
    trace: str
    rows: tuple[ReachRow, ...]
    code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockTold:
    """That node says what time it is there, seconds since 1970, after we asked."""

    node: NodeId
    trace: str
    at_s: float


RelayEvent: TypeAlias = (
    RemoteRoom
    | ReachAsked
    | ReachTold
    | ClockTold
    | TraceAsked
    | TraceTold
    | RemoteChat
    | RemoteChatBefore
    | RemoteRestriction
    | HolderAsked
    | HolderTold
    | LinkUp
    | LinkLost
    | LinkRenewed
    | NodeReached
    | LegOpen
    | RemoteOrder
    | RemotePlan
)


class LinkState(enum.StrEnum):
    """How far a link with a node is."""

    WAITING = "waiting"
    """Wanted, but the node is absent, draining, or failed us a moment ago."""
    OPENING = "opening"
    """The engine makes our end."""
    OFFERED = "offered"
    """Our offer is out."""
    CONNECTING = "connecting"
    """Both ends know each other; ICE and DTLS run."""
    UP = "up"
    SUSPECT = "suspect"
    """Keepalives are missing; media may still flow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkStatus:
    """One link as it is now.

    Attributes:
        node: The far end.
        state: How far it is.
        role: Whether this end offered; None while there is no end.
        age_s: Seconds in this state.
        setup_ms: Milliseconds from want to up; None before that.
        rtt_ms: Round trip by keepalives, milliseconds; None before the first second.
        jitter_ms: Its variation, milliseconds.
        loss: Share of keepalives lost, 0-1.
        failures: Attempts that failed since the last time it was up.
        reason: Code of the last failure, empty when there was none.
    """

    node: NodeId
    state: LinkState
    role: Literal["offerer", "answerer"] | None
    age_s: float
    setup_ms: float | None
    rtt_ms: float | None
    jitter_ms: float | None
    loss: float | None
    failures: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WayStatus:
    """One way that tracks of an origin could take to here.

    Attributes:
        path: Nodes from the origin to this one, both included, as it is expected to be.
        cost_ms: What it costs, see `relay.paths.cost`.
        taken: It is the one that is taken.
        reason: Why it was taken (`first`, `better`, `broken`, `refused`); empty for one that is not.
    """

    path: tuple[NodeId, ...]
    cost_ms: float
    taken: bool
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RelayStatistics:
    """Counters since start, and gauges of now.

    Attributes:
        links_up: Links that carry now, suspect ones included.
        links_wanted: Nodes that a link is wanted with now.
        links_renewed: Links that were made anew beside the one there was, and took its place.
        renewals_failed: Those that did not come up, by reason; the link stayed.
        legs_in: Remote tracks that flow or will flow to here over a link now.
        legs_out: Tracks sent over a link now, once for each far node.
        legs_passed: Those of them that are other nodes': they came over a link, too.
        words_passed: Words passed on between two nodes that have no link with each other.
        paths: Nodes that tracks are wanted from, by how these come: `direct`, `via` others, or by `none`.
        path_changes: Ways that were taken, by reason: `first`, `better`, `broken`, `refused`.
        events_sent: Negotiation messages handed to gossip.
        events_unsent: Negotiation messages that gossip did not take.
        heard: Negotiation messages by what became of them (`accepted`, or why not).
        oddities: Named things that should be rare.
    """

    links_up: int
    links_wanted: int
    links_renewed: int
    renewals_failed: dict[str, int]
    legs_in: int
    legs_out: int
    legs_passed: int
    words_passed: int
    paths: dict[str, int]
    path_changes: dict[str, int]
    events_sent: int
    events_unsent: int
    heard: dict[str, int]
    oddities: dict[str, int]
