"""Which nodes there are, and which of them a client should take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from membership import ClientPlace, LoadClass, Position, Reason, RoomPlace, may_hold, rank, refusals, rtt_matrix
from node.http.candidates import (
    CandidateReason,
    LeftOut,
    NodeCandidate,
    PlacementExplained,
    PositionShown,
    SessionPlace,
    Way,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from membership import Candidate, ClusterView, Placement, RttMatrix
    from node.conductor.stage import Stage
    from node.geoip import GeoDatabase
    from node.http.candidates import CandidateQuery
    from signalling.ids import NodeId, SessionId

MAX_WAYS: Final = 256
"""Pairs that an explanation lists: 16 candidates by the 16 nodes of a room that count are more than anybody reads."""

OWN_STANDING: Final = frozenset({"draining", "ineligible"})
"""What a node knows of itself before its own tag says so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Placed:
    """An answer with what it was made of."""

    view: ClusterView
    rtts: RttMatrix
    position: PositionShown | None
    room: RoomPlace
    placement: Placement


class Directory:
    """Answers about nodes.

    Args:
        view: The cluster as this node sees it now; alone, it sees itself.
        rtts: How far its nodes are from each other; by default what their positions say.
        map_of_addresses: Where clients are by their IP addresses, if the operator has such a database.
    """

    def __init__(
        self,
        *,
        view: Callable[[], ClusterView],
        rtts: Callable[[], RttMatrix] | None = None,
        map_of_addresses: GeoDatabase | None = None,
    ) -> None:
        self.view = view
        self.rtts = rtts or (lambda: rtt_matrix(view()))
        self._map = map_of_addresses

    def candidates(self, query: CandidateQuery, stage: Stage) -> tuple[NodeCandidate, ...]:
        """Nodes that would take the client, best first."""
        placed = self._place(query, stage)
        return tuple(_shown(one, placed.view) for one in placed.placement.candidates)

    def better(self, query: CandidateQuery, stage: Stage, *, leaving: SessionId | None = None) -> NodeCandidate | None:
        """The node that is clearly better for this client than this one, if it is known how far it is.

        Args:
            query: What is known of the client.
            stage: Where rooms live.
            leaving: Its session here; whoever sits alone is not held by the room that they would take along.
        """
        return self._clearly_better(self._place(query, stage, node=self.view().own_id, leaving=leaving))

    def session_place(
        self,
        query: CandidateQuery,
        stage: Stage,
        *,
        closed: tuple[str, str] | None = None,
        is_known_here: Callable[[], bool] = lambda: False,
        may_go: bool = True,
    ) -> SessionPlace:
        """Where somebody who asks this node for a session is to have it.

        Args:
            query: What is known of the client.
            stage: Where rooms live.
            closed: Why this node takes nobody new, code and text; its tag says so, and no longer so, a little later.
            is_known_here: Whether they have a seat here, and may stay whatever is said of new ones.
            may_go: Whether they can be sent on; without that nodes are ranked only for who has to go.
        """
        own = self.view().own_id
        code, text = closed or self._own_refusal(query, stage)
        stays = not code or is_known_here()
        if stays and not may_go:
            return SessionPlace()
        placed = self._place(query, stage, node=own)
        if stays:
            return SessionPlace(better=self._clearly_better(placed))
        others = [one for one in placed.placement.candidates if one.node_id != own]
        free = next((one for one in others if one.load is not LoadClass.FULL), None)
        return SessionPlace(
            better=None if free is None else _shown(free, placed.view),
            left_out=LeftOut(node=own, code=code, text=text),
            nodes=tuple(_shown(one, placed.view) for one in others),
        )

    def _own_refusal(self, query: CandidateQuery, stage: Stage) -> tuple[str, str]:
        """Why this node may not take the room's people, apart from its standing; empty if it may."""
        view = self.view()
        if view.own_id not in view.members:
            return "", ""
        found = refusals(view, self._room_place(query, stage), (view.own_id,)).get(view.own_id)
        return ("", "") if found is None or found.code in OWN_STANDING else (found.code, found.text)

    def explain(self, query: CandidateQuery, stage: Stage) -> PlacementExplained:
        """Why the client is sent where it is."""
        placed = self._place(query, stage)
        nodes = tuple(_shown(one, placed.view) for one in placed.placement.candidates)
        left_out = tuple(LeftOut(node=one.node_id, code=one.code, text=one.text) for one in placed.placement.excluded)
        pairs = [(one.node, other) for one in nodes for other in sorted(placed.room.nodes) if one.node != other]
        return PlacementExplained(
            asked=placed.view.own_id,
            position=placed.position,
            measured=query.rtts_ms,
            room=query.room,
            room_nodes=tuple(sorted(placed.room.nodes)),
            residency=query.residency,
            allowed=query.allowed,
            verdict=_verdict(nodes),
            nodes=nodes,
            left_out=left_out,
            ways=tuple(_way(placed.rtts, a, b) for a, b in pairs[:MAX_WAYS]),
        )

    def may_live_here(self, allowed: tuple[str, ...]) -> bool:
        """Whether this node is of one of these regions or residency tags; true for none."""
        view = self.view()
        own = view.members.get(view.own_id)
        return not allowed or (own is not None and may_hold(own.tags, allowed))

    def has_home(self, allowed: tuple[str, ...]) -> bool:
        """Whether any node that lives is of one of these regions or residency tags; true for none."""
        return not allowed or any(may_hold(member.tags, allowed) for member in self.view().alive())

    def url_of(self, node: NodeId) -> str:
        """Where clients reach a living member; empty where there is none of that name."""
        member = self.view().members.get(node)
        return "" if member is None else member.tags.public_url

    def member_urls(self) -> tuple[str, ...]:
        """Public URLs of the living members."""
        return tuple(member.tags.public_url for member in self.view().alive())

    def _place(
        self, query: CandidateQuery, stage: Stage, *, node: NodeId | None = None, leaving: SessionId | None = None
    ) -> _Placed:
        view, rtts, position = self.view(), self.rtts(), self._position(query)
        room = self._room_place(query, stage, leaving=leaving)
        client = ClientPlace(
            rtts_ms=query.rtts_ms,
            position=None if position is None else Position(latitude=position.latitude, longitude=position.longitude),
            node=node,
            spread_key=query.spread_key,
        )
        placement = _with_gathered(rank(view, rtts, client, room), query.gathered)
        return _Placed(view=view, rtts=rtts, position=position, room=room, placement=placement)

    def _room_place(self, query: CandidateQuery, stage: Stage, *, leaving: SessionId | None = None) -> RoomPlace:
        view = self.view()
        nodes = set(stage.nodes_of(query.room)) if query.room is not None else set()
        if query.room is not None and any(one != leaving for one in stage.rooms.sessions_in(query.room)):
            nodes.add(view.own_id)
        here_ms = None if query.room is None else stage.people.farthest_ms(query.room, leaving=leaving)
        return RoomPlace(
            nodes=frozenset(nodes),
            people_ms={} if here_ms is None else {view.own_id: here_ms},
            residency=query.residency,
            allowed=query.allowed,
        )

    @staticmethod
    def _clearly_better(placed: _Placed) -> NodeCandidate | None:
        best = next(iter(placed.placement.candidates), None)
        if best is None or best.node_id == placed.view.own_id:
            return None
        is_sure = best.first_hop is not None or any(reason.code == "gathered" for reason in best.reasons)
        return None if not is_sure or best.load is LoadClass.FULL else _shown(best, placed.view)

    def _position(self, query: CandidateQuery) -> PositionShown | None:
        """Where the client says it is, else where its address is."""
        if query.latitude is not None and query.longitude is not None:
            return PositionShown(latitude=query.latitude, longitude=query.longitude, source="client")
        found = None if self._map is None else self._map.position_of(query.address)
        if found is None:
            return None
        return PositionShown(latitude=found.latitude, longitude=found.longitude, source="geoip")


def _with_gathered(placement: Placement, node: NodeId | None) -> Placement:
    """Put the node first where the room gathers, if it takes anybody."""
    found = next((one for one in placement.candidates if one.node_id == node), None)
    if found is None or found.load is LoadClass.FULL:
        return placement
    reason = Reason(code="gathered", text="the room gathers here: all its people on one node")
    first = replace(found, reasons=(reason, *(one for one in found.reasons if one.code != "stay")))
    return replace(placement, candidates=(first, *(one for one in placement.candidates if one is not found)))


def _shown(one: Candidate, view: ClusterView) -> NodeCandidate:
    tags, hop = view.members[one.node_id].tags, one.first_hop
    return NodeCandidate(
        node=one.node_id,
        url=one.public_url,
        region=one.region,
        latitude=tags.latitude,
        longitude=tags.longitude,
        load=one.load.name.lower(),
        rtt_ms=None if hop is None else round(hop.rtt_ms, 1),
        rtt_source=None if hop is None else hop.source.value,
        confidence=None if hop is None else round(hop.confidence, 2),
        cost_ms=None if hop is None else round(one.cost_ms, 1),
        error_ms=round(one.error_ms, 1),
        reasons=tuple(
            CandidateReason(
                code=reason.code,
                text=reason.text,
                cost_ms=None if reason.cost_ms is None else round(reason.cost_ms, 1),
            )
            for reason in one.reasons
        ),
        why=tuple(reason.text for reason in one.reasons),
    )


def _verdict(nodes: tuple[NodeCandidate, ...]) -> str:
    if not nodes:
        return "No node takes this client: see left_out."
    first, *rest = nodes
    said = f"{first.node}, because {'; '.join(first.why)}"
    if not rest:
        return f"{said}. There is no other candidate."
    second = rest[0]
    if first.cost_ms is None:
        return f"{said}. How far any node is from the client is unknown: load, the room and chance decided."
    if second.cost_ms is None:
        return f"{said}. How far {second.node} is from the client is unknown."
    if second.cost_ms - second.error_ms <= first.cost_ms + first.error_ms:
        return f"{said}. {second.node} may be as near: load, the room and the map decided."
    return f"{said}. Next is {second.node}, at {second.cost_ms - first.cost_ms:.0f} ms more."


def _way(rtts: RttMatrix, a: NodeId, b: NodeId) -> Way:
    known = rtts.between(a, b)
    if known is None:
        return Way(a=a, b=b, rtt_ms=None, error_ms=None, source=None, confidence=None)
    return Way(
        a=a,
        b=b,
        rtt_ms=round(known.rtt_ms, 1),
        error_ms=round(known.error_ms, 1),
        source=known.source.value,
        confidence=round(known.confidence, 2),
    )
