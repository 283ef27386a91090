"""The session service: runs the registry of seats with a store and answers joins.

An event is handled at once, in the turn of whoever brings it: the core never waits, and Trio does not
switch inside. What waits is outside of it: one task fires the core's deadlines, and each question
to the store is a task that ends within the store's own deadline and brings its answer back as an event.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog
import trio

from session.event_outbox import EventOutbox
from session.joining import HOLDER_SLACK_S
from session.records import (
    Admitted,
    AskHolder,
    AskMesh,
    AttemptStale,
    RoomNodes,
    SeatLost,
    SessionRecord,
    SessionStatistics,
)
from session.registry import SeatRegistry
from session.registry_events import (
    Admit,
    Assert,
    CheckRequested,
    Claim,
    DrainEnded,
    DrainStarted,
    DrainUndone,
    Expelled,
    HolderAnswered,
    HolderHeard,
    JoinAbandoned,
    JoinRequested,
    LeaveRequested,
    PeerClosed,
    ReadRules,
    Refuse,
    RegistryEffect,
    RegistryEvent,
    Release,
    RoomHeard,
    RulesKnown,
    SessionMinted,
    SocketClosed,
    SocketTimedOut,
    Tick,
    Touch,
)
from session.room_definitions import RoomDefinitions, or_refused
from session.store_questions import StoreQuestions
from session.unvisited_rooms import UnvisitedRooms
from signalling.client.rooms import check_room_name
from signalling.errors import ErrorCode, Refused
from signalling.ids import MAX_ATTEMPT, new_session_id, participant_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from session.config import SessionConfig
    from session.directory import RoomDirectory, StoredRoom
    from session.records import HolderState
    from session.room_media import RoomMedia
    from session.store import Seat, SeatStore
    from session.tokens import SessionClaims
    from signalling.client.messages import LeaveReason
    from signalling.ids import NodeId, ParticipantId, RoomId, SessionId, UserId

__all__ = ["Sessions", "open_sessions"]

_SENTENCES: Final = {
    ErrorCode.NODE_DRAINING: "This node is about to go; join on another one.",
    ErrorCode.ROOM_FULL: "The room is full; try again when somebody has left.",
    ErrorCode.ROOM_LOCKED: "The room is locked: nobody more is let in until its owner unlocks it.",
    ErrorCode.ROOM_CHANGED: "The room's settings changed while you joined; try again.",
    ErrorCode.ROOM_UNKNOWN: "The room was deleted while you joined; create it first.",
    ErrorCode.ROOMS_FULL: "The room was deleted while you joined, and this mesh has as many rooms as it takes.",
    ErrorCode.BANNED: "You are banned from this room; ask its owner to lift the ban.",
    ErrorCode.SEAT_OCCUPIED: "You are in this room on another device; leave there first, then join here.",
    ErrorCode.REPLACED: "You joined again, here or from another device, in the meantime.",
    ErrorCode.NOT_PERMITTED: "You were removed from this room while you joined.",
    ErrorCode.NOT_IN_ROOM: "The join was given up before its answer came.",
    ErrorCode.UNEXPECTED_MESSAGE: "This session is over; open a new one.",
}

_log = structlog.get_logger("session")


class _Waiter:
    """Somebody who waits for the answer to one join; shared by repeats of the same join."""

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.answer: Admit | Refuse | None = None
        self.is_asked = False
        self.count = 0


class Sessions:
    """A running session service; made by :func:`open_sessions`.

    All methods belong to the Trio thread. Plain methods act at once and never wait.
    """

    def __init__(
        self, config: SessionConfig, *, store: SeatStore, directory: RoomDirectory, nursery: trio.Nursery
    ) -> None:
        self._config = config
        self._store = store
        self._definitions = RoomDefinitions(config, directory)
        self._questions = StoreQuestions(store, self._definitions, nursery=nursery, answered=self._post)
        self._core = SeatRegistry(config)
        self._outbox = EventOutbox()
        self._waiters: dict[tuple[SessionId, RoomId, int], _Waiter] = {}
        self._deadline_moved = trio.Event()
        self._deadline: float | None = None
        self._joins = 0
        self._joins_degraded = 0
        self._joins_refused = 0
        self._seats_lost = 0

    # --- sessions ---

    @property
    def events(self) -> EventOutbox:
        """What happened unasked: `async for event in sessions.events`, or `await sessions.events.take()`.

        For one reader. At most one event waits per seat and one per room.
        """
        return self._outbox

    def mint_session(self, claims: SessionClaims) -> SessionRecord:
        """Record a fresh socket of whoever the claims name, under a new session id.

        Raises:
            Refused: `node_draining` or `node_full`.
        """
        if self._core.draining:
            raise Refused(ErrorCode.NODE_DRAINING, _SENTENCES[ErrorCode.NODE_DRAINING])
        if self._core.session_count >= self._config.max_sessions:
            raise Refused(ErrorCode.NODE_FULL, "This node takes no more sessions; try another one.")
        record = SessionRecord(
            session=new_session_id(),
            user=claims.user,
            device=claims.device,
            name=claims.name,
            node=self._config.node,
            region=self._config.region,
            account=claims.account,
            grants=claims.grants,
            born=claims.born,
        )
        self._post(SessionMinted(record=record))
        return record

    def record(self, session: SessionId) -> SessionRecord | None:
        """What was minted under that id, while its socket is open or a seat of it in grace."""
        return self._core.record(session)

    def records(self) -> tuple[SessionRecord, ...]:
        """All that :meth:`record` knows."""
        return self._core.records()

    def seat(self, session: SessionId, room: RoomId) -> Seat | None:
        """The seat of that session in that room, in grace included."""
        return self._core.seat(session, room)

    def sessions_of(self, room: RoomId, participant: ParticipantId) -> tuple[SessionId, ...]:
        """The sessions here with a participant's seat, in grace included, or on their way to one."""
        return self._core.sessions_of(room, participant)

    def keeps_others_out(self, session: SessionId, room: RoomId) -> bool:
        """Whether a session has a seat, or is on its way to one, that `reject` keeps for it while it is heard."""
        return self._core.keeps_others_out(session, room)

    def socket_closed(self, session: SessionId) -> None:
        """A session's socket ended: its seats wait for `grace_s`. A second call does nothing."""
        self._post(SocketClosed(session=session))

    def socket_timed_out(self, session: SessionId) -> None:
        """A session's socket fell silent past its deadline: as `socket_closed`."""
        self._post(SocketTimedOut(session=session))

    def peer_closed(self, session: SessionId) -> None:
        """A peer connection closed: the seat follows the socket."""
        self._post(PeerClosed(session=session))

    # --- seats ---

    async def join(self, session: SessionId, room: RoomId, attempt: int) -> Admitted:
        """Take a seat, in at most `join_deadline_s`; longer where another device has to be asked whether it is there.

        A join repeated with the same attempt gets the same seat. Cancelled, it gives back what it took.

        Raises:
            AttemptStale: with the device's highest attempt.
            Refused: `room_invalid`, `room_unknown`, `room_full`, `room_locked`, `room_changed`, `banned`,
                `seat_occupied`, `replaced`, `node_draining`, `rate_limited`,
                `malformed_message` (attempt out of bounds), `unexpected_message` (no such session),
                `not_in_room` (left meanwhile), `deadline_exceeded`.
        """
        check_room_name(room)
        if not 1 <= attempt <= MAX_ATTEMPT:
            raise Refused(ErrorCode.MALFORMED_MESSAGE, f"An attempt is an integer between 1 and {MAX_ATTEMPT}.")
        key = (session, room, attempt)
        if key not in self._waiters and len(self._waiters) >= self._config.max_pending_joins:
            raise Refused(ErrorCode.RATE_LIMITED, "Too many joins at once; try again in a moment.")
        waiter = self._waiters.setdefault(key, _Waiter())
        waiter.count += 1
        try:
            with trio.move_on_after(self._config.join_deadline_s):
                record = self.record(session)
                stored = await self._definitions.for_join(room, None if record is None else record.user)
                if waiter.answer is None:
                    waiter.is_asked = True
                    self._post(JoinRequested(session=session, room=room, attempt=attempt, rules=stored.rules))
                await waiter.answered.wait()
            if waiter.answer is None and self._core.has_asked_holder(session, room, attempt):
                # Not by the policy known at the start: it may be an old one, and the store's word asks the holder.
                with trio.move_on_after(self._config.holder_ping_s + HOLDER_SLACK_S):
                    await waiter.answered.wait()
        finally:
            waiter.count -= 1
            if waiter.count == 0:
                self._waiters.pop(key, None)
                if waiter.is_asked and waiter.answer is None:
                    self._post(JoinAbandoned(session=session, room=room, attempt=attempt))
        return self._result(session, waiter.answer)

    def leave(self, session: SessionId, room: RoomId) -> None:
        """Give a seat back, or a join on its way up. The store is told behind the caller's back.

        Raises:
            Refused: `not_in_room`.
        """
        joining = any(key[:2] == (session, room) for key in self._waiters)
        if self._core.seat(session, room) is None and not joining:
            raise Refused(ErrorCode.NOT_IN_ROOM, "You are not in that room.")
        self._post(LeaveRequested(session=session, room=room))

    def check_seat(self, session: SessionId, room: RoomId) -> None:
        """Ask the store now whether a seat still stands: another node announces its participant."""
        self._post(CheckRequested(session=session, room=room))

    @property
    def holder_ping_s(self) -> float:
        """How long a session may take to say that it is there, seconds."""
        return self._config.holder_ping_s

    def holder_answered(self, holder: SessionId, room: RoomId, state: HolderState) -> None:
        """Answer an :class:`session.records.AskHolder`; the seat that a silent one has here goes into grace."""
        self._post(HolderAnswered(holder=holder, room=room, state=state))

    def holder_heard(self, holder: SessionId) -> None:
        """A session that was silent when asked is heard again: its seats wait for it no longer, if they still stand."""
        self._post(HolderHeard(holder=holder))

    def expel(self, session: SessionId, room: RoomId, reason: LeaveReason) -> None:
        """End a seat, or a join on its way to one: its owner hears :class:`SeatLost` with this reason."""
        self._post(Expelled(session=session, room=room, reason=reason))

    async def evict(
        self, room: RoomId, *, participant: ParticipantId | None = None, user: UserId | None = None
    ) -> None:
        """End seats wherever they are held, each at its next renewal; see :meth:`session.store.SeatStore.evict`.

        Raises:
            Refused: `store_unavailable`.
        """
        await or_refused(self._store.evict(room, participant=participant, user=user))

    async def is_taken(self, seat: Seat) -> bool:
        """Whether another device of a seat's user, or a newer join, has its place, on whatever node.

        Raises:
            Refused: `store_unavailable`.
        """
        (answer,) = await or_refused(self._store.touch((seat,)))
        return answer.by_session is not None

    def rules_known(self, stored: StoredRoom) -> None:
        """A room's definition as it stands by now: its seats here go by it, whenever they were taken."""
        self._post(RulesKnown(room=stored.definition.room, rules=stored.rules))

    async def nodes_of(self, room: RoomId) -> frozenset[NodeId]:
        """All nodes on which a room lives, by the store.

        Raises:
            Refused: `store_unavailable`.
        """
        return await or_refused(self._store.nodes_of(room))

    def room_heard(self, room: RoomId, nodes: frozenset[NodeId]) -> None:
        """Other nodes say that they hold a room: what came of an :class:`AskMesh`, and only a hint."""
        self._post(RoomHeard(room=room, nodes=nodes))

    def rooms_here(self) -> tuple[RoomId, ...]:
        """All rooms with a seat here, in grace included."""
        return self._core.rooms()

    def seats(self) -> tuple[Seat, ...]:
        """All seats of this node, in grace included."""
        return self._core.seats()

    # --- drain ---

    def start_drain(self) -> None:
        """Take no more sessions and joins; seats stay."""
        self._post(DrainStarted())

    def undo_drain(self) -> None:
        """Take sessions and joins again."""
        self._post(DrainUndone())

    async def release_all(self) -> None:
        """End every seat with reason `node_drained`; returns when the store knows, or after `join_deadline_s`."""
        self._post(DrainEnded())
        with trio.move_on_after(self._config.join_deadline_s):
            await self._questions.wait_all_answered()

    # --- rooms ---

    @property
    def node(self) -> NodeId:
        """This node."""
        return self._config.node

    @property
    def definitions(self) -> RoomDefinitions:
        """The definitions of rooms: those that joins are decided by, and those in the store."""
        return self._definitions

    def media_of(self, room: RoomId) -> RoomMedia:
        """What is forwarded in a room that somebody has joined here; the defaults where its definition is not known."""
        return self._definitions.media_of(room)

    def residency_of(self, room: RoomId) -> tuple[str, ...]:
        """Where a room that somebody has joined here may live; anywhere while its definition is not known."""
        return self._definitions.residency_of(room)

    def statistics(self) -> SessionStatistics:
        """How many of everything."""
        counts = self._core.counts()
        return SessionStatistics(
            sessions=counts.sessions,
            seats=counts.seats,
            seats_in_grace=counts.seats_in_grace,
            seats_unconfirmed=counts.seats_unconfirmed,
            rooms=counts.rooms,
            joins_pending=len(self._waiters),
            degraded=counts.degraded,
            outage_s=self._questions.outage_s,
            outages=self._questions.outages,
            joins=self._joins,
            joins_degraded=self._joins_degraded,
            joins_refused=self._joins_refused,
            seats_lost=self._seats_lost,
            store_failures=self._questions.failures,
        )

    # --- the shell ---

    async def run_deadlines(self) -> None:
        """Fire the core's deadlines until cancelled."""
        while True:
            self._deadline_moved = trio.Event()
            with trio.move_on_at(float("inf") if self._deadline is None else self._deadline):
                await self._deadline_moved.wait()
            if self._deadline is not None and trio.current_time() >= self._deadline:
                self._post(Tick())

    def _post(self, event: RegistryEvent) -> None:
        for effect in self._core.handle(event, trio.current_time()):
            self._carry_out(effect)
        deadline = self._core.next_deadline()
        if deadline != self._deadline:
            self._deadline = deadline
            self._deadline_moved.set()

    def _carry_out(self, effect: RegistryEffect) -> None:
        match effect:
            case Claim() | ReadRules() | Touch() | Assert() | Release():
                self._questions.ask(effect)
            case Admit() | Refuse():
                self._answer(effect)
            case SeatLost():
                self._seats_lost += 1
                _log.info("seat_lost", session=effect.session, room=effect.room, reason=effect.reason)
                self._outbox.put(effect)
            case RoomNodes() | AskHolder() | AskMesh():
                self._outbox.put(effect)

    def _answer(self, answer: Admit | Refuse) -> None:
        if isinstance(answer, Refuse):
            self._joins_refused += 1
        else:
            self._joins += 1
            self._joins_degraded += bool(answer.degraded)
        waiter = self._waiters.get((answer.session, answer.room, answer.attempt))
        if waiter is not None and waiter.answer is None:
            waiter.answer = answer
            waiter.answered.set()

    def _result(self, session: SessionId, answer: Admit | Refuse | None) -> Admitted:
        if answer is None:
            raise Refused(ErrorCode.DEADLINE_EXCEEDED, "The seat could not be taken in time; try again.")
        if isinstance(answer, Refuse):
            if answer.code is ErrorCode.ATTEMPT_STALE:
                raise AttemptStale(answer.highest_attempt)
            raise Refused(answer.code, _SENTENCES[answer.code])
        record = self._core.record(session)
        if record is None:
            raise Refused(ErrorCode.UNEXPECTED_MESSAGE, _SENTENCES[ErrorCode.UNEXPECTED_MESSAGE])
        seat = self._core.seat(session, answer.room)
        if seat is None or seat.attempt != answer.attempt:
            # It went between the answer and the turn of whoever waited for it: the room must not see it.
            raise Refused(ErrorCode.REPLACED, _SENTENCES[ErrorCode.REPLACED])
        return Admitted(
            room=answer.room,
            participant=participant_id(answer.room, record.user, record.device),
            attempt=answer.attempt,
            epoch=answer.epoch,
            degraded=answer.degraded,
            takes_over=answer.takes_over,
        )


@asynccontextmanager
async def open_sessions(
    config: SessionConfig, *, store: SeatStore, directory: RoomDirectory
) -> AsyncIterator[Sessions]:
    """Run the sessions of this node. Leaving ends its tasks; seats then stand until their lease runs out.

    Args:
        config: see :class:`SessionConfig`.
        store: where the cluster's seats are indexed; it must outlive the service.
        directory: where the cluster's rooms are defined.
    """
    async with trio.open_nursery() as nursery:
        sessions = Sessions(config, store=store, directory=directory, nursery=nursery)
        nursery.start_soon(sessions.run_deadlines)
        unvisited = UnvisitedRooms(
            directory,
            sessions.definitions,
            store,
            rooms_here=sessions.rooms_here,
            forget_after_s=config.forget_rooms_after_s,
        )
        nursery.start_soon(unvisited.run)
        yield sessions
        nursery.cancel_scope.cancel()
