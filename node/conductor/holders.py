"""Whether somebody who keeps a seat from another device is really there.

A room with the policy `reject` refuses a second device while the first one is there. Before it does, the first one's
node pings its client; that node is this one, or it is asked over the link between the two. Who does not answer is
silent: its seat goes into grace, and the other device gets it. If that one gives up, whoever was silent may come
back: a pong or a request on the same socket ends the grace. A node that cannot be reached says nothing about its
people, so their seats stand until their lease ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from session import HolderState
from session.joining import HOLDER_SLACK_S

if TYPE_CHECKING:
    from node.conductor.ports import OtherNodes
    from node.conductor.stage import Stage
    from relay import HolderAsked, HolderTold
    from session import AskHolder, Sessions
    from signalling.ids import NodeId, RoomId, SessionId

MAX_ASKED: Final = 256
"""Clients pinged at once because other nodes ask: as many as one node has joins on their way. More are not answered."""


class _Awaited:
    """A word from another node that somebody waits for."""

    def __init__(self) -> None:
        self.came = trio.Event()
        self.is_there = True


class HolderDesk:
    """Asks people whether they are there, for joins on this node and on others.

    Args:
        sessions: Is told what was found out.
        stage: Has the sockets.
        relay: The way to other nodes; None on a node without a mesh.
    """

    def __init__(self, *, sessions: Sessions, stage: Stage, relay: OtherNodes | None) -> None:
        self._sessions = sessions
        self._stage = stage
        self._relay = relay
        self._nursery: trio.Nursery | None = None
        self._awaited: dict[tuple[NodeId, SessionId, RoomId], _Awaited] = {}
        self._asked = 0
        self._silent: set[tuple[SessionId, RoomId]] = set()

    def start(self, nursery: trio.Nursery) -> None:
        """Ask and answer in tasks of this nursery."""
        self._nursery = nursery

    def find_out(self, question: AskHolder) -> None:
        """Find out whether a holder is there; the sessions hear of it behind the caller's back."""
        assert self._nursery is not None, "started with the conductor"
        self._nursery.start_soon(self._find_out, question)

    def answer(self, asked: HolderAsked) -> None:
        """Another node asks for one of ours."""
        assert self._nursery is not None, "started with the conductor"
        if self._asked < MAX_ASKED:
            self._asked += 1
            self._nursery.start_soon(self._answer, asked)

    def told(self, word: HolderTold) -> None:
        """Another node says whether one of its own is there; nobody is believed about another's people."""
        awaited = self._awaited.get((word.node, word.session, word.room))
        if awaited is not None:
            awaited.is_there = word.is_there
            awaited.came.set()

    def heard(self, session: SessionId) -> None:
        """A session says something, whatever it is: it is there."""
        silent = {key for key in self._silent if key[0] == session}
        if silent:
            self._silent -= silent
            self._sessions.holder_heard(session)

    async def _find_out(self, question: AskHolder) -> None:
        if self._sessions.record(question.holder) is None:
            self._sessions.holder_answered(question.holder, question.room, await self._ask_node(question))
        elif await self._is_there(question.holder, question.room):
            self._sessions.holder_answered(question.holder, question.room, HolderState.ALIVE)
        else:
            self._fell_silent(question.holder, question.room)

    async def _ask_node(self, question: AskHolder) -> HolderState:
        if self._relay is None:
            return HolderState.UNREACHABLE
        key = (question.node, question.holder, question.room)
        awaited = self._awaited[key] = _Awaited()
        try:
            self._relay.ask_holder(question.node, question.holder, question.room)
            with trio.move_on_after(self._sessions.holder_ping_s + HOLDER_SLACK_S):
                await awaited.came.wait()
        finally:
            if self._awaited.get(key) is awaited:
                del self._awaited[key]
        if not awaited.came.is_set():
            return HolderState.UNREACHABLE
        return HolderState.ALIVE if awaited.is_there else HolderState.SILENT

    async def _answer(self, asked: HolderAsked) -> None:
        try:
            is_there = await self._is_there(asked.session, asked.room)
        finally:
            self._asked -= 1
        if not is_there:
            # Of its seat in that room. Any linked node may ask for any room: who has no seat there loses nothing.
            self._fell_silent(asked.session, asked.room)
        if self._relay is not None:
            self._relay.tell_holder(asked.node, asked.session, asked.room, is_there=is_there)

    async def _is_there(self, session: SessionId, room: RoomId) -> bool:
        """Whether somebody keeps others out of their seat in a room; False where they have none."""
        if not self._sessions.keeps_others_out(session, room):
            await trio.lowlevel.checkpoint()
            return False
        return await self._stage.is_there(session, self._sessions.holder_ping_s)

    def _fell_silent(self, session: SessionId, room: RoomId) -> None:
        self._sessions.holder_answered(session, room, HolderState.SILENT)
        if (session, room) not in self._silent and self._waits_in_vain(session, room):
            assert self._nursery is not None, "started with the conductor"
            self._silent.add((session, room))
            self._nursery.start_soon(self._ask_on, session, room)

    async def _ask_on(self, session: SessionId, room: RoomId) -> None:
        """Ping a silent one until it is heard, or nothing is left for it to come back to."""
        while (session, room) in self._silent and self._waits_in_vain(session, room):
            if await self._stage.is_there(session, self._sessions.holder_ping_s):
                self.heard(session)
        self._silent.discard((session, room))

    def _waits_in_vain(self, session: SessionId, room: RoomId) -> bool:
        """Whether a seat is in grace although its session has a socket."""
        seat = self._sessions.seat(session, room)
        return seat is not None and seat.in_grace and self._stage.is_attached(session)
