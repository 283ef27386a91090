"""Which nodes there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from membership import Position, rank_candidates
from node.http.backend import NodeCandidate

if TYPE_CHECKING:
    from collections.abc import Callable

    from membership import ClusterView
    from node.conductor.stage import Stage
    from node.http.backend import CandidateQuery
    from signalling.ids import NodeId


class Directory:
    """Answers about nodes.

    Args:
        view: The cluster as this node sees it now; alone, it sees itself.
    """

    def __init__(self, *, view: Callable[[], ClusterView]) -> None:
        self._view = view

    def candidates(self, query: CandidateQuery, stage: Stage) -> tuple[NodeCandidate, ...]:
        """Nodes that would take the client, best first."""
        view = self._view()
        position = (
            Position(latitude=query.latitude, longitude=query.longitude)
            if query.latitude is not None and query.longitude is not None
            else None
        )
        room_nodes = set(stage.nodes_of(query.room)) if query.room is not None else set()
        if query.room is not None and stage.rooms.snapshot(query.room):
            room_nodes.add(view.own_id)
        ranked = rank_candidates(view, position=position, room_nodes=room_nodes, spread_key=query.spread_key)
        return tuple(
            NodeCandidate(
                node=one.node_id,
                url=one.public_url,
                region=one.region,
                latitude=view.members[one.node_id].tags.latitude,
                longitude=view.members[one.node_id].tags.longitude,
                load=one.load.name.lower(),
                rtt_ms=None if one.rtt_floor_ms is None else round(one.rtt_floor_ms, 1),
                why=tuple(reason.text for reason in one.reasons),
            )
            for one in ranked
        )

    def url_of(self, node: NodeId) -> str:
        """Where clients reach a living member; empty where there is none of that name."""
        member = self._view().members.get(node)
        return "" if member is None else member.tags.public_url

    def member_urls(self) -> tuple[str, ...]:
        """Public URLs of the living members."""
        return tuple(member.tags.public_url for member in self._view().alive())
