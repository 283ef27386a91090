"""Which node a client should take: a pure function from what is known to candidates, each with its reasons.

Theory of operation.  The cost of a node is a time in milliseconds: the longest way that anything said in the room
would go, there and back - from the client to the node, over a link to the farthest node where the room lives, to
that node's people - plus a penalty for load.  Without a room it is the first hop alone.

Every part of it may be off, and is known to be off by how much.  Costs that may be the same *are* the same here:
the candidates are cut into tiers, each holding whoever may be as good as its best, and within a tier what does not
shake decides: load, whether the room lives there, the map, and a hash that spreads equal nodes over clients.  So
noise within the error bars moves nobody, a longer way never makes a node better, and the order of the input says
nothing.  A client that is on a node stays there until another is better by a ratio *and* by an absolute margin.

Who cannot take the client is left out, with the reason: draining, ineligible, not alive, another protocol, the
wrong place for the room's data.  A full node comes after all others: its tag may be a minute old, and it refuses by
itself.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from membership.distance.estimate import RttEstimate, RttSource, measured_rtt, rtt_floor_ms, rtt_from_positions
from membership.members.snapshot import MemberState
from membership.members.tags import LoadClass, NodeState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from membership.distance.estimate import Position, RttFigures
    from membership.distance.rtt_matrix import RttMatrix
    from membership.members.snapshot import ClusterView, ViewMember
    from membership.members.tags import NodeTags
    from signalling.ids import NodeId

__all__ = [
    "MAX_ROOM_NODES",
    "Candidate",
    "ClientPlace",
    "Excluded",
    "Placement",
    "Reason",
    "RoomPlace",
    "may_hold",
    "rank",
    "refusals",
]

CLIENT_ROLE = "media"

LOAD_PENALTY_MS = {LoadClass.LOW: 0.0, LoadClass.BUSY: 15.0, LoadClass.HIGH: 60.0, LoadClass.FULL: 60.0}
"""What a longer way is worth to spare a loaded node: BUSY loses only within a metropolitan area, HIGH only
within a continent (its networks span 30-60 ms)."""

HOP_MS = 10.0
"""Forwarding over one more node costs a jitter buffer's slack and two more hops through a kernel."""

CLIENT_ERROR_MS = 4.0
CLIENT_ERROR_RATIO = 0.03
"""How far the best of three pings of a browser is off: its timers and Wi-Fi shake by some milliseconds, which is also
what the SDK takes for a tie (8 ms between two nodes)."""

UNKNOWN_LINK_MS = 150.0
UNKNOWN_LINK: RttFigures = (UNKNOWN_LINK_MS, UNKNOWN_LINK_MS, RttSource.POSITIONS)
"""A link that nothing is known of: the middle between regions of different continents; off by as much again."""

MOVE_MARGIN_MS = 25.0
MOVE_RATIO = 0.8
"""A move builds two peer connections anew and asks every publisher for a keyframe.  It has to win what people can
notice: 25 ms there and back and a fifth of the way (delays above 150 ms one way disturb a talk: ITU-T G.114)."""

MAX_ROOM_NODES = 16
"""Nodes of a room that are looked at: each costs an estimate a candidate, some 10 us, on the thread that everybody
shares; and the farthest of 16 is far."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientPlace:
    """What is known of where a client is.

    Attributes:
        rtts_ms: what it measured itself, by node; a node that it could not reach is not in it.
        position: where it is on the map, if that is known.
        node: the node that it is on, and stays on if no other is clearly better.
        spread_key: something stable about it (never logged); breaks ties between equal nodes.
    """

    rtts_ms: Mapping[NodeId, float] = field(default_factory=lambda: MappingProxyType({}))
    position: Position | None = None
    node: NodeId | None = None
    spread_key: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomPlace:
    """What is known of the client's room.

    Attributes:
        nodes: where it lives now.
        people_ms: round trip from such a node to the farthest of its people, as far as it is known.
        residency: tag that a node must carry to take the room's people; None when any will do.
        allowed: regions or residency tags of which a node must have one; empty when any will do.
    """

    nodes: frozenset[NodeId] = frozenset()
    people_ms: Mapping[NodeId, float] = field(default_factory=lambda: MappingProxyType({}))
    residency: str | None = None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One part of why a candidate stands where it does.

    Attributes:
        code: `measured`, `position`, `distance_unknown`, `room_here`, `room_path`, `room_path_unknown`, `load`,
            `full`, `stay`; `gathered` is the node's, where the room gathers.
        text: for a human.
        cost_ms: what it adds to the cost; None for a way of which nothing is known.
    """

    code: str
    text: str
    cost_ms: float | None = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A node that would take the client.

    Attributes:
        node_id: its stable id.
        public_url: where the client reaches it.
        region: the place it serves.
        load: its coarse load.
        first_hop: from the client to it; None when nothing is known.
        farthest: the room's node that makes the worst path; None without one.
        cost_ms: sum of the reasons, as far as they are known: of a node without a first hop it says nothing of where
            it stands among those that have one, and it comes after them.
        error_ms: how far that may be off, either way.
        reasons: why it stands there, never empty.
    """

    node_id: NodeId
    public_url: str
    region: str
    load: LoadClass
    first_hop: RttEstimate | None
    farthest: NodeId | None
    cost_ms: float
    error_ms: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Excluded:
    """A node that is no candidate.

    Attributes:
        node_id: its stable id.
        code: `not_alive`, `other_role`, `draining`, `ineligible`, `protocol`, `residency`.
        text: for a human.
    """

    node_id: NodeId
    code: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """The answer: candidates, best first, and who is none."""

    candidates: tuple[Candidate, ...]
    excluded: tuple[Excluded, ...]


def rank(view: ClusterView, rtts: RttMatrix, client: ClientPlace, room: RoomPlace | None = None) -> Placement:
    """Order the nodes for one client, best first.

    Args:
        view: the cluster as this node sees it.
        rtts: how far its nodes are from each other.
        client: where the client is.
        room: the room it wants to join, if any.
    """
    asked = _living_room(view, room or RoomPlace())
    ranges = _protocols(view, asked.nodes | {view.own_id})
    lives = sorted(asked.nodes)
    candidates: list[Candidate] = []
    excluded: list[Excluded] = []
    for _, member in sorted(view.members.items()):
        refusal = _refusal(member, asked, ranges)
        if refusal is None:
            candidates.append(_candidate(member, rtts, client, asked, lives))
        else:
            excluded.append(refusal)
    tie = _Tie(rtts=rtts, client=client, room=asked)
    ordered = [one for group in _groups(candidates) for one in _tiers(group, tie)]
    return Placement(candidates=_stay(ordered, client.node), excluded=tuple(excluded))


def _living_room(view: ClusterView, room: RoomPlace) -> RoomPlace:
    """The room's nodes that are alive, and no more of them than can be looked at."""
    alive = {member.node_id for member in view.alive()}
    return replace(room, nodes=frozenset(sorted(room.nodes & alive)[:MAX_ROOM_NODES]))


def _refusal(member: ViewMember, room: RoomPlace, ranges: Iterable[tuple[int, int]]) -> Excluded | None:
    """Why a node is no candidate; None for one that is."""
    found = _why_not(member, room, ranges)
    return None if found is None else Excluded(node_id=member.node_id, code=found[0], text=found[1])


def _why_not(member: ViewMember, room: RoomPlace, ranges: Iterable[tuple[int, int]]) -> tuple[str, str] | None:
    tags = member.tags
    if member.state is not MemberState.ALIVE:
        return "not_alive", f"it has {member.state.value}"
    if tags.role != CLIENT_ROLE:
        return "other_role", f"it takes no clients: its role is {tags.role}"
    if tags.state is NodeState.DRAINING:
        return "draining", "it is being emptied and takes nobody new"
    if not tags.eligible:
        return "ineligible", "its operator lets nobody new come"
    if any(tags.protocol_max < lowest or highest < tags.protocol_min for lowest, highest in ranges):
        return "protocol", "it speaks no protocol in common with the nodes that it would have to talk to"
    if room.residency is not None and tags.residency != room.residency:
        where = "nothing about itself" if tags.residency is None else tags.residency
        return "residency", f"the room must stay in {room.residency}, and the node says {where}"
    if not may_hold(tags, room.allowed):
        return "residency", f"the room may live in {', '.join(room.allowed)} alone, and the node is in {tags.region}"
    return None


def refusals(view: ClusterView, room: RoomPlace, nodes: Iterable[NodeId]) -> Mapping[NodeId, Excluded]:
    """Why these members may not take the room's people; those that may are not in it."""
    asked = _living_room(view, room)
    ranges = _protocols(view, asked.nodes)
    found = (_refusal(view.members[node], asked, ranges) for node in nodes)
    return {one.node_id: one for one in found if one is not None}


def _protocols(view: ClusterView, nodes: Iterable[NodeId]) -> set[tuple[int, int]]:
    tags = (view.members[node].tags for node in nodes if node in view.members)
    return {(one.protocol_min, one.protocol_max) for one in tags}


def may_hold(tags: NodeTags, allowed: tuple[str, ...]) -> bool:
    """Whether a room that may live in these regions, or on nodes with these residency tags, may live on this node."""
    return not allowed or tags.region in allowed or (tags.residency is not None and tags.residency in allowed)


def _candidate(
    member: ViewMember, rtts: RttMatrix, client: ClientPlace, room: RoomPlace, lives: Sequence[NodeId]
) -> Candidate:
    tags = member.tags
    hop = _first_hop(member, client, rtts)
    reasons = [_hop_reason(hop, client)]
    errors_ms = [0.0 if hop is None else hop.error_ms]
    farthest: NodeId | None = None
    if lives:
        farthest, path_ms, path, is_known = _worst_path(member.node_id, rtts, room, lives)
        reasons.append(_path_reason(member.node_id, farthest, path_ms, is_known=is_known))
        errors_ms.append(path.error_ms)
    penalty_ms = LOAD_PENALTY_MS[tags.load]
    if penalty_ms:
        reasons.append(Reason(code="load", text=f"load is {tags.load.name.lower()}", cost_ms=penalty_ms))
    if tags.load is LoadClass.FULL:
        reasons.append(Reason(code="full", text="it says that it is full: only if no other will do"))
    return Candidate(
        node_id=member.node_id,
        public_url=tags.public_url,
        region=tags.region,
        load=tags.load,
        first_hop=hop,
        farthest=farthest,
        cost_ms=sum(reason.cost_ms or 0.0 for reason in reasons),
        error_ms=math.hypot(*errors_ms),
        reasons=tuple(reasons),
    )


def _first_hop(member: ViewMember, client: ClientPlace, rtts: RttMatrix) -> RttEstimate | None:
    """From the client to a node: what it measured, else the map."""
    measured_ms = client.rtts_ms.get(member.node_id)
    if measured_ms is not None:
        return measured_rtt(measured_ms, error_ms=CLIENT_ERROR_MS, error_ratio=CLIENT_ERROR_RATIO)
    position = rtts.positions.get(member.node_id)
    return None if client.position is None or position is None else rtt_from_positions(client.position, position)


def _hop_reason(hop: RttEstimate | None, client: ClientPlace) -> Reason:
    if hop is None:
        whose = "the client" if client.position is None else "the node"
        return Reason(
            code="distance_unknown", text=f"not measured, and the position of {whose} is unknown", cost_ms=None
        )
    if hop.source is RttSource.MEASURED:
        return Reason(code="measured", text=f"{hop.rtt_ms:.0f} ms away, as the client measured", cost_ms=hop.rtt_ms)
    return Reason(code="position", text=f"about {hop.rtt_ms:.0f} ms away, by the map", cost_ms=hop.rtt_ms)


def _worst_path(
    node: NodeId, rtts: RttMatrix, room: RoomPlace, lives: Sequence[NodeId]
) -> tuple[NodeId, float, RttEstimate, bool]:
    """From a node to the farthest people of the room: by which node, how long, the link's estimate, if it is known."""
    worst_ms, worst, figures = -1.0, node, UNKNOWN_LINK
    for other in lives:
        link = rtts.figures(node, other) or UNKNOWN_LINK
        path_ms = link[0] + (0.0 if other == node else HOP_MS) + room.people_ms.get(other, 0.0)
        if path_ms > worst_ms:
            worst_ms, worst, figures = path_ms, other, link
    link_ms, error_ms, source = figures
    estimate = RttEstimate(rtt_ms=link_ms, error_ms=error_ms, source=source)
    return worst, worst_ms, estimate, figures is not UNKNOWN_LINK


def _path_reason(node: NodeId, farthest: NodeId, path_ms: float, *, is_known: bool) -> Reason:
    if farthest == node:
        return Reason(
            code="room_here", text="the room lives here and its people are nearest from here", cost_ms=path_ms
        )
    if not is_known:
        text = f"how far the room's people on {farthest} are from here is unknown"
        return Reason(code="room_path_unknown", text=text, cost_ms=path_ms)
    text = f"{path_ms:.0f} ms on to the farthest of the room, on {farthest}"
    return Reason(code="room_path", text=text, cost_ms=path_ms)


def _groups(candidates: list[Candidate]) -> tuple[list[Candidate], ...]:
    """Who has room before who is full; of each, whose distance is known before those of whom it is not."""
    anything = any(one.first_hop is not None for one in candidates)
    groups: tuple[list[Candidate], ...] = ([], [], [], [])
    for one in candidates:
        is_blind = anything and one.first_hop is None
        groups[2 * (one.load is LoadClass.FULL) + is_blind].append(one)
    return groups


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tie:
    """What decides between nodes that may be equally good: nothing that shakes with a measurement."""

    rtts: RttMatrix
    client: ClientPlace
    room: RoomPlace

    def key(self, one: Candidate) -> tuple[bool, int, bool, float, bytes]:
        """Smaller is better."""
        position = self.rtts.positions.get(one.node_id)
        floor_ms = rtt_floor_ms(self.client.position, position) if self.client.position and position else math.inf
        # Whole milliseconds: nodes of one city stand at the same place.
        return (
            any(reason.code == "room_path_unknown" for reason in one.reasons),
            int(one.load.value),
            one.node_id not in self.room.nodes,
            floor_ms if math.isinf(floor_ms) else round(floor_ms),
            _spread(self.client.spread_key, one.node_id),
        )


def _tiers(candidates: list[Candidate], tie: _Tie) -> list[Candidate]:
    """Cut into tiers of whoever may be as good as the best that is left, and order each by what does not shake."""
    ordered: list[Candidate] = []
    rest = candidates
    while rest:
        bound_ms = min(one.cost_ms + one.error_ms for one in rest)
        ordered += sorted((one for one in rest if one.cost_ms - one.error_ms <= bound_ms), key=tie.key)
        rest = [one for one in rest if one.cost_ms - one.error_ms > bound_ms]
    return ordered


def _stay(ordered: list[Candidate], node: NodeId | None) -> tuple[Candidate, ...]:
    """Put the node that the client is on first, unless the best is clearly better."""
    current = next((one for one in ordered if one.node_id == node), None)
    if current is None or current is ordered[0] or current.load is LoadClass.FULL:
        return tuple(ordered)
    best = ordered[0]
    if (
        best.first_hop is not None
        and current.first_hop is not None
        and current.cost_ms - best.cost_ms >= MOVE_MARGIN_MS
        and best.cost_ms <= MOVE_RATIO * current.cost_ms
        and best.cost_ms + best.error_ms < current.cost_ms - current.error_ms
    ):
        return tuple(ordered)
    text = f"the client is here, and {best.node_id} is not better by enough to move"
    stays = replace(current, reasons=(*current.reasons, Reason(code="stay", text=text)))
    return (stays, *(one for one in ordered if one is not current))


def _spread(key: bytes, node_id: NodeId) -> bytes:
    return hashlib.blake2b(node_id.encode(), key=hashlib.sha256(key).digest(), digest_size=8).digest()
