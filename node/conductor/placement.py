"""Where a client is sent: questions about nodes, answered by all that is known of the room that they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import trio

if TYPE_CHECKING:
    from node.conductor.directory import Directory
    from node.conductor.stage import Stage
    from node.conductor.standing import Standing
    from node.http.candidates import CandidateQuery, NodeCandidate, PlacementExplained, SessionPlace
    from session import Sessions
    from signalling.client.admission import SessionRequest
    from signalling.ids import RoomId, SessionId

__all__ = ["PlacementDesk"]

DEFINITION_S: Final = 0.5
"""For the store to say what a room is like; without it, what was known of it counts."""


class PlacementDesk:
    """Answers where clients are to go.

    Args:
        directory: Ranks nodes.
        stage: Where rooms live.
        sessions: Know the rooms' definitions and who has a seat here.
        standing: Whether this node takes people.
    """

    def __init__(self, *, directory: Directory, stage: Stage, sessions: Sessions, standing: Standing) -> None:
        self._directory = directory
        self._stage = stage
        self._sessions = sessions
        self._standing = standing

    async def candidates(self, query: CandidateQuery) -> tuple[NodeCandidate, ...]:
        """Nodes for whoever asks, best first."""
        return self._directory.candidates(await self._as_known_to(query), self._stage)

    async def explain(self, query: CandidateQuery) -> PlacementExplained:
        """Why whoever asks is sent where they are."""
        known = await self._as_known_to(query)
        return msgspec.structs.replace(self._directory.explain(known, self._stage), room=query.room)

    async def session_place(self, query: CandidateQuery, wanted: SessionRequest) -> SessionPlace:
        """Where whoever asks for a session is to have it; a device with a seat here may always come again."""
        known = await self._as_known_to(query)
        returns = wanted.device is not None and any(seat.device == wanted.device for seat in self._sessions.seats())
        return self._directory.session_place(
            known, self._stage, closed=self._standing.left_out_as, is_known_here=returns
        )

    async def candidates_of(self, query: CandidateQuery) -> tuple[NodeCandidate, ...]:
        """As :meth:`candidates`, for a question of this node itself."""
        if query.room is not None:
            await self._read(query.room)
        return self._directory.candidates(self._within(query), self._stage)

    def better(self, query: CandidateQuery, session: SessionId) -> NodeCandidate | None:
        """The node that is clearly better for somebody who sits here, if one is."""
        return self._directory.better(self._within(query), self._stage, leaving=session)

    async def _as_known_to(self, query: CandidateQuery) -> CandidateQuery:
        """The question with what the room's definition says, or without the room, where it is none of theirs."""
        if query.room is None:
            return query
        if not self._stage.rooms.sessions_in(query.room):
            await self._read(query.room)
        return self._within(query)

    async def _read(self, room: RoomId) -> None:
        """Ask the store about a room that nobody here sits in; one that is away says nothing."""
        with trio.move_on_after(DEFINITION_S):
            await self._sessions.definitions.peek(room)

    def _within(self, query: CandidateQuery) -> CandidateQuery:
        known = None if query.room is None else self._sessions.definitions.known(query.room)
        return query if known is None else msgspec.structs.replace(query, allowed=known.definition.residency)
