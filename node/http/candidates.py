"""What is asked and answered about which node a client should take."""

from __future__ import annotations

from typing import Literal

import msgspec

from signalling.client.rooms import PlacementPolicy
from signalling.errors import ErrorCode, Refused
from signalling.ids import NodeId, RoomId


class CandidateQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which node should I take?

    Attributes:
        latitude: The client's position in degrees, when it says one.
        longitude: Likewise.
        room: The room it wants to join, when it says one.
        residency: Tag that a node must carry, when the room may not live anywhere.
        allowed: Regions or residency tags of nodes on which the room may live, as it is defined; empty for any.
        gathered: Where the room gathers, if it does.
        rtts_ms: Round trips that the client measured, by node.
        address: Its IP address, or the network of it, to be looked up on the map; never logged.
        spread_key: Something stable about the client, to spread ties; never logged.
        session_token: Whose question it is, when they say so: of a room that is not open it is told to its people
            alone; never logged.
    """

    latitude: float | None = None
    longitude: float | None = None
    room: RoomId | None = None
    residency: str | None = None
    allowed: tuple[str, ...] = ()
    gathered: NodeId | None = None
    rtts_ms: dict[NodeId, float] = msgspec.field(default_factory=dict)
    address: str = ""
    spread_key: bytes = b""
    session_token: str | None = None

    def __repr__(self) -> str:
        """Leave out who asks and from where: requests end up in tracebacks."""
        return f"CandidateQuery(room={self.room!r}, measured={len(self.rtts_ms)})"


class CandidateReason(msgspec.Struct, frozen=True, kw_only=True):
    """One part of why a node stands where it does, and what it adds to the cost; None where nobody knows."""

    code: str
    text: str
    cost_ms: float | None


class NodeCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """A node that would take the client.

    Attributes:
        node: Its name.
        url: Where the client reaches it.
        region: The place that it serves.
        latitude: Where it is, degrees; None when its operator does not say.
        longitude: Likewise.
        load: ``low``, ``busy``, ``high`` or ``full``.
        rtt_ms: From the client to it, as well as it is known; None when it is not.
        rtt_source: Where that comes from: ``measured`` or ``positions``.
        confidence: How much to trust it, 0-1.
        cost_ms: What it costs in all: the worst way to anybody in the room, there and back, and load; None when it is
            not known how far the client is from it, and then it comes after those of which it is.
        error_ms: How far that may be off; nodes whose costs may be the same are ordered by what does not shake.
        reasons: What the cost is made of.
        why: The reasons' sentences.
    """

    node: NodeId
    url: str
    region: str
    latitude: float | None
    longitude: float | None
    load: str
    rtt_ms: float | None
    rtt_source: str | None = None
    confidence: float | None = None
    cost_ms: float | None = None
    error_ms: float = 0.0
    reasons: tuple[CandidateReason, ...] = ()
    why: tuple[str, ...]


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A node that is no candidate, and why; ``code`` is stable."""

    node: NodeId
    code: str
    text: str


class SessionPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where somebody who asks this node for a session is to have it.

    Attributes:
        better: The node to go to in place of this one; None to stay, or where no other takes them.
        left_out: Why this node takes nobody new, or not for that room; None where it does.
        nodes: Those that do, best first, for whoever cannot be sent on.
    """

    better: NodeCandidate | None = None
    left_out: LeftOut | None = None
    nodes: tuple[NodeCandidate, ...] = ()


class TakenElsewhere(Refused):
    """This node does not take them; others do.

    Attributes:
        nodes: The others, best first.
    """

    def __init__(self, code: ErrorCode, message: str, nodes: tuple[NodeCandidate, ...]) -> None:
        super().__init__(code, message)
        self.nodes = nodes


class PositionShown(msgspec.Struct, frozen=True, kw_only=True):
    """Where the client is taken to be, and who says so."""

    latitude: float
    longitude: float
    source: Literal["client", "geoip"]


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How far two nodes are, as this node knows it.

    ``source`` is ``link``, ``coordinates`` or ``positions``, or None with the rest where nothing is known.
    """

    a: NodeId
    b: NodeId
    rtt_ms: float | None
    error_ms: float | None
    source: str | None
    confidence: float | None


class WeighedShown(msgspec.Struct, frozen=True, kw_only=True):
    """What one way to place a room's people costs.

    Attributes:
        node: Where all of them would be; None where each is at the near node and the nodes relay.
        mean_ms: Mean of the ways between any two people, one way, milliseconds.
        longest_ms: The longest of them.
    """

    node: NodeId | None
    mean_ms: float
    longest_ms: float


class PlanShown(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the people of a room gather on one node, and why.

    Attributes:
        policy: What the room, or else the node asked, is set to: `relay`, `gather` or `auto`.
        decided_by: The node that decides for the room; its policy and figures count.
        node: Where people are led; None where each is at the near node and the nodes relay.
        reason: Why: `policy`, `better_for_everyone`, `closer_node`, `no_better_any_more`, `node_gave_up` or
            `not_advised`.
        code: With `node_gave_up`, what is against that node.
        for_s: Seconds that it has been so; None where nothing was ever decided.
        advice: What is best just now, without regard to what was: `better_for_everyone`, `not_better`,
            `worse_for_somebody`, `together`, `alone`, `no_node`.
        advised: Where all would be as it is just now; None to relay.
        people: How many are in the room.
        measured: Of how many it is known how far they are from their near node; it is guessed for the others.
        weighed: What relaying costs, then what each node that may take all would, the best first.
        refused: Nodes that may not take them, with the code.
    """

    policy: PlacementPolicy
    decided_by: NodeId
    node: NodeId | None
    reason: str
    code: str
    for_s: float | None
    advice: str
    advised: NodeId | None
    people: int
    measured: int
    weighed: tuple[WeighedShown, ...]
    refused: dict[NodeId, str]


class PlacementExplained(msgspec.Struct, frozen=True, kw_only=True):
    """Why a client is sent where it is sent: what went in, what came out, and what else there was.

    Attributes:
        asked: The node that answers, and whose view this is.
        position: Where the client is taken to be; None when nobody knows.
        measured: What the client says that it measured, milliseconds by node.
        room: The room it asked for.
        room_nodes: Where that room lives, as far as this node knows.
        residency: The tag that a node must carry, as the question says.
        allowed: Regions or residency tags of which a node must have one, as the room is defined.
        verdict: The outcome in a sentence.
        nodes: The candidates, best first, each with its costs.
        left_out: The nodes that are none.
        ways: From each candidate to each of the room's nodes.
        plan: Whether the room gathers on one node; None where nobody of it sits at the node asked.
    """

    asked: NodeId
    position: PositionShown | None
    measured: dict[NodeId, float]
    room: RoomId | None
    room_nodes: tuple[NodeId, ...]
    residency: str | None
    allowed: tuple[str, ...] = ()
    verdict: str
    nodes: tuple[NodeCandidate, ...]
    left_out: tuple[LeftOut, ...]
    ways: tuple[Way, ...]
    plan: PlanShown | None = None
