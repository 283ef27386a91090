"""People who are told to go to another node, and those who went while their media still runs over this one.

Make before break: who was told takes the seat there first, which ends the one here. Until their new connection carries
media, the old one goes on: for the others here, and for nodes that hear of them from us, nothing has changed. They
close the old socket when they need it no longer, and only then the room takes them from where they are now.

Three reasons to go: this node is emptied (node/drain), the room gathers on another (node/conductor/gathering.py), or a
client measured that another node is clearly nearer. The last is the node's to decide: it alone knows how the others are
loaded and where the room lives, and it must know of a move beforehand, to keep what the old connection carries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from node.http.candidates import CandidateQuery
from signalling.client.messages import MAX_MOVE_URLS, Move, Replaced
from signalling.client.messages import SeatLost as SeatLostEvent
from signalling.errors import ErrorCode, Refused
from signalling.keyed_pace import KeyedPace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from node.conductor.stage import Stage
    from node.http.candidates import NodeCandidate
    from session import SeatLost
    from signalling.ids import NodeId, RoomId, SessionId

__all__ = ["STAY_S", "MoveDesk"]

STAY_S: Final = 12.0
"""How long media of somebody who sits elsewhere goes on here at most: clients give up waiting for the new one after
10 s. A client that forgets its old socket must not hold what others hear of it."""

NEARER_WITHIN_S: Final = 30.0
"""Before somebody who was told of a nearer node is told again: there is no hurry, and they may have tried it."""

MEASURED_PER_S, MEASURED_BURST = 0.2, 3
"""What one session may report: the SDK does where the network changed and after it came back. Each costs a ranking."""


class MoveDesk:
    """Sends people elsewhere and sees them off.

    Args:
        stage: The rooms, and the ways to people.
        candidates: Ranks nodes for a client.
        better: The node that is clearly better than this one for somebody who sits here, if one is.
        own: This node, to which nobody is sent.
    """

    def __init__(
        self,
        stage: Stage,
        candidates: Callable[[CandidateQuery], Awaitable[tuple[NodeCandidate, ...]]],
        better: Callable[[CandidateQuery, SessionId], NodeCandidate | None],
        own: NodeId,
    ) -> None:
        self._stage = stage
        self._candidates = candidates
        self._better = better
        self._own = own
        self._pace = KeyedPace(rate_per_s=MEASURED_PER_S, burst=MEASURED_BURST)
        self._nearer_told: dict[SessionId, float] = {}
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
        self._nearer_told.pop(session, None)
        staying = self._staying.pop(session, None)
        if staying is not None:
            self._see_off(staying[0])

    async def targets(self, room: RoomId) -> tuple[NodeCandidate, ...]:
        """Where the people of a room would go, best first: all of a room to the same, so that it stays together."""
        ranked = await self._candidates(CandidateQuery(room=room, spread_key=room.encode()))
        return tuple(one for one in ranked if one.node != self._own)

    async def send(
        self, people: Iterable[SessionId], within_s: float, *, wanted: Callable[[], bool] = lambda: True
    ) -> tuple[SessionId, ...]:
        """Tell people where to go, those who understand it; returns those for whom there is no other node.

        Nodes are ranked once a room, which takes milliseconds in a large cluster: others run between two rooms. Once
        they are `wanted` to go no longer, nobody else is told.
        """
        rooms: dict[RoomId, list[SessionId]] = {}
        for session in people:
            if (room := self._stage.rooms.room_of(session)) is not None:
                rooms.setdefault(room, []).append(session)
        stranded: list[SessionId] = []
        for room, there in rooms.items():
            targets = await self.targets(room)
            await trio.lowlevel.checkpoint()
            if not wanted():
                break
            if not targets:
                stranded += there
                continue
            move = Move(
                urls=tuple(one.url for one in targets[:MAX_MOVE_URLS]), reason="node_drained", within_s=within_s
            )
            for session in there:
                if session in self._movable:
                    self._asked.add(session)
                    self._stage.tell(session, move)
        return tuple(stranded)

    def staying(self) -> int:
        """How many sit elsewhere whose media still goes over this node: their new connection does not carry it yet."""
        return len(self._staying)

    def understands(self, session: SessionId) -> bool:
        """Whether somebody knows what to do when told to move."""
        return session in self._movable

    def gather(self, session: SessionId, url: str, within_s: float) -> None:
        """Tell somebody to go where their room gathers, if they understand it."""
        if session in self._movable:
            self._asked.add(session)
            self._stage.tell(session, Move(urls=(url,), reason="gather", within_s=within_s))

    def measured(self, session: SessionId, rtts_ms: Mapping[NodeId, float]) -> None:
        """Somebody measured how far nodes are: tell them to go where it is clearly better, if they understand it.

        Raises:
            Refused: `rate_limited`.
        """
        now = trio.current_time()
        if not self._pace.take(session, now):
            raise Refused(ErrorCode.RATE_LIMITED, "The node was told of measurements too often; wait five seconds.")
        self.look_again(session, rtts_ms)

    def look_again(self, session: SessionId, rtts_ms: Mapping[NodeId, float]) -> None:
        """Tell somebody who measured this to go where it is clearly better by now."""
        now = trio.current_time()
        room = self._stage.rooms.room_of(session)
        if room is None or session not in self._movable:
            return
        told_at = self._nearer_told.get(session)
        if told_at is not None and now < told_at + NEARER_WITHIN_S:
            return
        query = CandidateQuery(room=room, rtts_ms=dict(rtts_ms), spread_key=session.encode())
        better = self._better(query, session)
        if better is not None:
            self._asked.add(session)
            self._nearer_told[session] = now
            self._stage.tell(session, Move(urls=(better.url,), reason="nearer", within_s=NEARER_WITHIN_S))

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
