"""Where a client is sent: questions about nodes, answered as far as whoever asks may know of the room.

Where a room lives is its people's affair. A room that is open to everybody, and one whose asker could walk in, sits in
it or looks after it, is placed by all that is known of it. Of any other the answer is that of a room that nobody ever
made: the same fields, and the same question to the store, so that neither the words nor the time tell one from the
other. Whoever gets in is told later if another node suits the room better (moves.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import trio

from node.conductor.plan_views import show_plan
from session.access import Caller, may_enter_unasked
from signalling.ids import UserId

if TYPE_CHECKING:
    from node.conductor.accounts import AccountDesk
    from node.conductor.directory import Directory
    from node.conductor.gathering import GatherDesk
    from node.conductor.stage import Stage
    from node.conductor.standing import Standing
    from node.http.candidates import CandidateQuery, NodeCandidate, PlacementExplained, PlanShown, SessionPlace
    from session import Sessions
    from signalling.client.admission import SessionRequest
    from signalling.ids import RoomId, SessionId

__all__ = ["PlacementDesk"]

DEFINITION_S: Final = 0.5
"""For the store to say what a room is like; without it, what was known of it counts."""


NOBODY: Final = Caller(user=UserId(""), session=None)
"""Who says nothing of themselves: a guest, before they are one."""


class PlacementDesk:
    """Answers where clients are to go.

    Args:
        directory: Ranks nodes.
        stage: Where rooms live.
        sessions: Know the rooms' definitions and who has a seat here.
        accounts: Say whose tokens those are.
        standing: Whether this node takes people.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        stage: Stage,
        sessions: Sessions,
        accounts: AccountDesk,
        standing: Standing,
    ) -> None:
        self._directory = directory
        self._stage = stage
        self._sessions = sessions
        self._accounts = accounts
        self._standing = standing
        self._gathering: GatherDesk | None = None

    def heed(self, gathering: GatherDesk) -> None:
        """Heed where rooms gather."""
        self._gathering = gathering

    async def candidates(self, query: CandidateQuery) -> tuple[NodeCandidate, ...]:
        """Nodes for whoever asks, best first.

        Raises:
            Refused: The token that came with the question does not hold.
        """
        return self._directory.candidates(await self._as_known_to(query, await self._asker(query)), self._stage)

    async def explain(self, query: CandidateQuery) -> PlacementExplained:
        """Why whoever asks is sent where they are.

        Raises:
            Refused: As :meth:`candidates`.
        """
        known = await self._as_known_to(query, await self._asker(query))
        plan = None if known.room is None else self.plan(known.room)
        return msgspec.structs.replace(self._directory.explain(known, self._stage), room=query.room, plan=plan)

    def plan(self, room: RoomId) -> PlanShown | None:
        """Whether the people of a room gather on one node, and why; None where nobody of it sits here."""
        return None if self._gathering is None else show_plan(self._gathering, room, trio.current_time())

    async def session_place(self, query: CandidateQuery, wanted: SessionRequest, *, may_go: bool) -> SessionPlace:
        """Where whoever asks for a session is to have it; a device with a seat here may always come again.

        Raises:
            Refused: As :meth:`candidates`.
        """
        asker = await self._asker(query, user_token=wanted.token)
        known = await self._as_known_to(query, asker)

        def returns() -> bool:
            return wanted.device is not None and any(seat.device == wanted.device for seat in self._sessions.seats())

        return self._directory.session_place(
            known, self._stage, closed=self._standing.left_out_as, is_known_here=returns, may_go=may_go
        )

    async def candidates_of(self, query: CandidateQuery) -> tuple[NodeCandidate, ...]:
        """As :meth:`candidates`, for a question of this node itself."""
        if query.room is not None:
            await self._read(query.room)
            await self._measure(query.room)
            query = await self._gathered(query.room, query)
        return self._directory.candidates(self._within(query), self._stage)

    def better(self, query: CandidateQuery, session: SessionId) -> NodeCandidate | None:
        """The node that is clearly better for somebody who sits here, if one is."""
        return self._directory.better(self._within(query), self._stage, leaving=session)

    async def _asker(self, query: CandidateQuery, *, user_token: str | None = None) -> Caller | None:
        if query.room is None:
            await trio.lowlevel.checkpoint()
            return None
        if query.session_token is not None:
            return await self._accounts.caller(query.session_token)
        if user_token is not None:
            claims = await self._accounts.user(user_token)
            return Caller(user=claims.user, session=None, grants=claims.grants)
        await trio.lowlevel.checkpoint()
        return None

    async def _as_known_to(self, query: CandidateQuery, asker: Caller | None) -> CandidateQuery:
        """The question with what the room's definition says, or without the room, where it is none of theirs."""
        if query.room is None:
            return query
        # Only where the answer is told anyway may it come sooner than that of a room that nobody made.
        if not (self._stage.rooms.sessions_in(query.room) and self._may_know(query.room, asker)):
            await self._read(query.room)
        if self._may_know(query.room, asker):
            await self._measure(query.room)
            return self._within(await self._gathered(query.room, query))
        return msgspec.structs.replace(query, room=None)

    def _may_know(self, room: RoomId, asker: Caller | None) -> bool:
        known = self._sessions.definitions.known(room)
        if known is None:
            return False
        someone = asker or NOBODY
        if someone.session is not None and self._stage.rooms.room_of(someone.session) == room:
            return True
        return may_enter_unasked(known.definition, someone)

    async def _read(self, room: RoomId) -> None:
        """Ask the store about a room that nobody here sits in; one that is away says nothing."""
        with trio.move_on_after(DEFINITION_S):
            await self._sessions.definitions.peek(room)

    async def _measure(self, room: RoomId) -> None:
        if self._stage.rooms.sessions_in(room):
            await self._stage.people.refresh()

    async def _gathered(self, room: RoomId, query: CandidateQuery) -> CandidateQuery:
        """The question with where a room gathers that nobody here sits in; a store that is away says nothing."""
        if self._gathering is None or self._stage.rooms.sessions_in(room):
            return query
        gathered = None
        with trio.move_on_after(DEFINITION_S):
            gathered = await self._gathering.gathered_elsewhere(room, self._sessions.nodes_of)
        return msgspec.structs.replace(query, gathered=gathered)

    def _within(self, query: CandidateQuery) -> CandidateQuery:
        if query.room is None:
            return query
        known = self._sessions.definitions.known(query.room)
        here = None if self._gathering is None else self._gathering.gathered(query.room)
        allowed = query.allowed if known is None else known.definition.residency
        return msgspec.structs.replace(query, allowed=allowed, gathered=here or query.gathered)
