"""Which node a client should take: a pure function from what is known to candidates, each with its reasons.

The cost of a node is a time in milliseconds: the round trip that physics asks for at least, plus a penalty
for load, minus a bonus where the room already lives (a relay hop saved).  Nodes that are not alive, drain or
are full are no candidates.  Without a position the order comes from load and room alone, and ties are
spread over clients by rendezvous hashing, so that not everybody takes the first name in the alphabet.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from membership.distance import Position, rtt_floor_ms
from membership.tags import LoadClass

if TYPE_CHECKING:
    from collections.abc import Collection

    from membership.snapshot import ClusterView, ViewMember
    from signalling.ids import NodeId

__all__ = ["Candidate", "Reason", "rank_candidates"]

CLIENT_ROLE = "media"

LOAD_PENALTY_MS = {LoadClass.LOW: 0.0, LoadClass.BUSY: 15.0, LoadClass.HIGH: 60.0}
"""What a longer way is worth to spare a loaded node: BUSY loses only within a metropolitan area, HIGH only
within a continent (its networks span 30-60 ms).  A FULL node is no candidate."""

ROOM_BONUS_MS = 10.0
"""Forwarding over one more node costs a jitter buffer's slack and two more hops through a kernel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One part of a candidate's cost.

    Attributes:
        code: `distance`, `distance_unknown`, `load`, `room_here`.
        text: for a human.
        cost_ms: what it adds to the cost; negative is a bonus.
    """

    code: str
    text: str
    cost_ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A node that would take the client.

    Attributes:
        node_id: its stable id.
        public_url: where the client reaches it.
        region: the place it serves.
        load: its coarse load.
        rtt_floor_ms: round trip that physics asks for at least; None when a position is unknown.
        cost_ms: sum of the reasons; the order of the candidates.
        reasons: why it stands there, never empty.
    """

    node_id: NodeId
    public_url: str
    region: str
    load: LoadClass
    rtt_floor_ms: float | None
    cost_ms: float
    reasons: tuple[Reason, ...]


def rank_candidates(
    view: ClusterView,
    *,
    position: Position | None = None,
    room_nodes: Collection[NodeId] = (),
    spread_key: bytes = b"",
) -> tuple[Candidate, ...]:
    """Order the nodes for one client, best first.

    Args:
        view: the cluster as this node sees it.
        position: where the client is, if known.
        room_nodes: nodes where the client's room already lives.
        spread_key: something stable about the client (never logged); breaks ties between equal nodes.
    """
    candidates = (
        _candidate(member, position, room_nodes)
        for member in view.alive()
        if member.is_serving and member.tags.role == CLIENT_ROLE and member.tags.load is not LoadClass.FULL
    )
    return tuple(
        sorted(candidates, key=lambda c: (c.rtt_floor_ms is None, c.cost_ms, _spread(spread_key, c.node_id)))
        if position is not None
        else sorted(candidates, key=lambda c: (c.cost_ms, _spread(spread_key, c.node_id)))
    )


def _candidate(member: ViewMember, position: Position | None, room_nodes: Collection[NodeId]) -> Candidate:
    tags = member.tags
    reasons: list[Reason] = []
    floor_ms: float | None = None
    if position is not None and tags.latitude is not None and tags.longitude is not None:
        floor_ms = rtt_floor_ms(position, Position(latitude=tags.latitude, longitude=tags.longitude))
        reasons.append(Reason(code="distance", text=f"at least {floor_ms:.0f} ms away", cost_ms=floor_ms))
    else:
        whose = "the client" if position is None else "the node"
        reasons.append(Reason(code="distance_unknown", text=f"position of {whose} is unknown", cost_ms=0.0))
    penalty_ms = LOAD_PENALTY_MS[tags.load]
    if penalty_ms:
        reasons.append(Reason(code="load", text=f"load is {tags.load.name.lower()}", cost_ms=penalty_ms))
    if member.node_id in room_nodes:
        reasons.append(Reason(code="room_here", text="the room already lives here", cost_ms=-ROOM_BONUS_MS))
    return Candidate(
        node_id=member.node_id,
        public_url=tags.public_url,
        region=tags.region,
        load=tags.load,
        rtt_floor_ms=floor_ms,
        cost_ms=sum(reason.cost_ms for reason in reasons),
        reasons=tuple(reasons),
    )


def _spread(key: bytes, node_id: NodeId) -> bytes:
    return hashlib.blake2b(node_id.encode(), key=hashlib.sha256(key).digest(), digest_size=8).digest()
