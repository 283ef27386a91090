"""Which rooms and which nodes there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from membership import Position, rank_candidates
from node.http.backend import NodeCandidate, RoomSummary
from session import RoomMedia
from session.store import RoomPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from membership import ClusterView
    from node.conductor.stage import Stage
    from node.http.backend import CandidateQuery, RoomCreation
    from session import Sessions
    from session.directory import RoomDefinition


class Directory:
    """Answers about rooms and nodes.

    Args:
        sessions: Keeps the definitions of rooms.
        view: The cluster as this node sees it now; alone, it sees itself.
        policy: What happens in a room whose creator named no policy.
        media: What is forwarded in a room whose creator named no limits.
    """

    def __init__(
        self, *, sessions: Sessions, view: Callable[[], ClusterView], policy: RoomPolicy, media: RoomMedia
    ) -> None:
        self._sessions = sessions
        self._view = view
        self._policy = policy
        self._media = media

    async def create_room(self, request: RoomCreation, stage: Stage) -> RoomSummary:
        """Make a room.

        Raises:
            Refused: ``room_exists``, ``room_invalid``, ``store_unavailable``.
        """
        definition = await self._sessions.create_room(
            request.room,
            max_participants=request.max_participants,
            policy=self._policy if request.on_join is None else RoomPolicy(request.on_join),
            media=msgspec.structs.replace(self._media, **_named_limits(request)),
        )
        return _summary(definition, stage)

    async def list_rooms(self, stage: Stage) -> tuple[RoomSummary, ...]:
        """The rooms that are defined, by name."""
        return tuple(_summary(definition, stage) for definition in await self._sessions.rooms())

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

    def member_urls(self) -> tuple[str, ...]:
        """Public URLs of the living members."""
        return tuple(member.tags.public_url for member in self._view().alive())


def _named_limits(request: RoomCreation) -> dict[str, object]:
    named = {name: getattr(request, name) for name in RoomMedia.__struct_fields__}
    return {name: value for name, value in named.items() if value is not None}


def _summary(definition: RoomDefinition, stage: Stage) -> RoomSummary:
    present = stage.rooms.snapshot(definition.room)
    return RoomSummary(
        room=definition.room,
        participants=len(present),
        nodes=tuple(sorted({one.node for one in present})),
        on_join=definition.policy.value,
        max_participants=definition.max_participants,
        **msgspec.structs.asdict(definition.media),
    )
