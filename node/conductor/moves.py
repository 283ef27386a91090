"""People who are told to go to another node, and those who went while their media still runs over this one.

Make before break: who was told takes the seat there first, which ends the one here. Until their new connection carries
media, the old one goes on: for the others here, and for nodes that hear of them from us, nothing has changed. They
close the old socket when they need it no longer, and only then the room takes them from where they are now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from node.http.candidates import CandidateQuery
from signalling.client.messages import MAX_MOVE_URLS, Move, Replaced
from signalling.client.messages import SeatLost as SeatLostEvent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from node.conductor.stage import Stage
    from node.http.candidates import NodeCandidate
    from session import SeatLost
    from signalling.ids import NodeId, RoomId, SessionId

__all__ = ["STAY_S", "MoveDesk"]

STAY_S: Final = 12.0
"""How long media of somebody who sits elsewhere goes on here at most: clients give up waiting for the new one after
10 s. A client that forgets its old socket must not hold what others hear of it."""


class MoveDesk:
    """Sends people elsewhere and sees them off.

    Args:
        stage: The rooms, and the ways to people.
        candidates: Ranks nodes for a client.
        own: This node, to which nobody is sent.
    """

    def __init__(
        self,
        stage: Stage,
        candidates: Callable[[CandidateQuery], Awaitable[tuple[NodeCandidate, ...]]],
        own: NodeId,
    ) -> None:
        self._stage = stage
        self._candidates = candidates
        self._own = own
        self._movable: set[SessionId] = set()
        self._asked: set[SessionId] = set()
        # Everybody may stay as long, so the first in order is the first to be due.
        self._staying: dict[SessionId, tuple[SeatLost, float]] = {}
        self._added = trio.Event()
        self._on_moved: Callable[[SessionId], None] = lambda _: None

    def report_moves(self, to: Callable[[SessionId], None]) -> None:
        """Call this with everybody whose seat is on another node from now on."""
        self._on_moved = to

    def joined(self, session: SessionId, *, moves: bool) -> None:
        """Somebody has a seat, and can be told to move or cannot."""
        if moves:
            self._movable.add(session)

    def closed(self, session: SessionId) -> None:
        """Their socket is gone."""
        self._movable.discard(session)
        self._asked.discard(session)
        staying = self._staying.pop(session, None)
        if staying is not None:
            self._see_off(staying[0])

    async def targets(self, room: RoomId) -> tuple[NodeCandidate, ...]:
        """Where the people of a room would go, best first: all of a room to the same, so that it stays together."""
        ranked = await self._candidates(CandidateQuery(room=room, spread_key=room.encode()))
        return tuple(one for one in ranked if one.node != self._own)

    async def send(self, session: SessionId, within_s: float) -> bool:
        """Tell somebody where to go, if they understand it; false when there is no other node."""
        room = self._stage.rooms.room_of(session)
        if room is None:
            return True
        targets = await self.targets(room)
        if targets and session in self._movable:
            self._asked.add(session)
            urls = tuple(one.url for one in targets[:MAX_MOVE_URLS])
            self._stage.tell(session, Move(urls=urls, reason="node_drained", within_s=within_s))
        return bool(targets)

    def seat_lost(self, event: SeatLost) -> None:
        """Somebody's seat ended: at once, or it went to another node as we had asked."""
        session = event.session
        if event.moved_to is not None:
            self._on_moved(session)
            if session in self._asked and self._stage.is_attached(session):
                self._staying[session] = event, trio.current_time() + STAY_S
                self._added.set()
                return
        self._see_off(event)
        self._stage.tell(session, Replaced() if event.reason == "replaced" else SeatLostEvent(reason=event.reason))

    async def keep_time(self) -> None:
        """See off those whose old socket stays open; runs until cancelled."""
        while True:
            first = next(iter(self._staying), None)
            if first is None:
                self._added = trio.Event()
                await self._added.wait()
                continue
            event, due = self._staying[first]
            await trio.sleep_until(due)
            if self._staying.get(first) == (event, due):
                del self._staying[first]
                self._see_off(event)

    def _see_off(self, event: SeatLost) -> None:
        stage, session = self._stage, event.session
        if event.moved_to is not None and (moved := stage.rooms.participant(session)) is not None:
            stage.resumption.await_tracks(event.room, moved.participant)
        effects = stage.rooms.remove(session, event.reason, successor=event.successor, moved_to=event.moved_to)
        stage.carry_out(effects)
        stage.forget(session)
