"""The registry of seats on one node: a pure core.

Theory of operation. The node that holds a session's socket is the truth about its seats, the store
an index. A seat here is *held* (claimed and confirmed), *unconfirmed* (admitted without the store,
or unknown to it) or *in grace* (its socket dropped).

| event | what becomes of a seat |
|---|---|
| join | stale attempt: refused here. Otherwise the store is asked; without it, admitted unconfirmed (joining.py) |
| claim answered | ok: held, and whoever sat in the slot here loses it. none: unconfirmed. Otherwise see joining.py |
| leave, deadline of a join | ended and released; a claim on its way is released when it answers, or does not |
| socket closed, timed out | in grace, for as long as its room says: still renewed, others see nothing |
| silent when another device wants it | that seat alone is in grace, until its session is heard again |
| peer closed | nothing: the seat follows the socket |
| grace over | ended and released |
| touch: ok / superseded / unknown | renewed / lost as `replaced` / unconfirmed, and asserted at once |
| assert: ok / superseded / unknown | held / lost as `replaced` / asserted again at the next renewal |
| touch, assert: banned, kicked / deleted | lost as `kicked` / `room_deleted`, and released |
| rules known | those of its room's seats that are older |
| no answer | nothing ends; at the first answer after it every seat here is asserted again |
| room heard, from the mesh after a seat was taken without the store | adds to the room's other nodes |
| drain ended | every seat ended and released at once |

Only four things end a seat: its owner, a newer join, the node, whoever decides about the room. `unknown` and silence
never do.

How a join comes to a seat is in joining.py; what is then done with it, and what is remembered of those that
ended, in seat_book.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from session.joining import Joining, refuse
from session.records import HolderState
from session.registry_events import (
    Assert,
    AssertAnswered,
    CheckRequested,
    ClaimAnswered,
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
    RegistryEffect,
    RegistryEvent,
    Release,
    ReleaseAnswered,
    RoomHeard,
    RulesKnown,
    RulesRead,
    SessionMinted,
    SocketClosed,
    SocketTimedOut,
    Tick,
    Touch,
    TouchAnswered,
)
from session.seat_book import KnownSession, SeatBook
from session.store import RoomPolicy, Seat, Verdict
from signalling.errors import ErrorCode
from signalling.ids import participant_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from session.config import SessionConfig
    from session.held_seats import HeldSeat
    from session.records import SessionRecord
    from session.store import SeatAnswer
    from signalling.ids import NodeId, ParticipantId, RoomId, SessionId

__all__ = ["RegistryCounts", "SeatRegistry"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryCounts:
    """Sizes of the registry's sets, now."""

    sessions: int
    seats: int
    seats_in_grace: int
    seats_unconfirmed: int
    rooms: int
    joins_pending: int
    degraded: bool


class SeatRegistry:
    """Decides about the seats of one node. Feed it events, run its effects, fire its deadlines.

    Args:
        config: lease, renewal, grace and the node's own name.
    """

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self._book = SeatBook(config)
        self._sessions = self._book.sessions
        self._held = self._book.held
        self._memory = self._book.memory
        self._joining = Joining(config, self._book)
        self._claims = self._joining.claims
        self._renew_at: float | None = None
        self._degraded = False
        self._draining = False

    # --- the core's face ---

    def handle(self, event: RegistryEvent, now: float) -> tuple[RegistryEffect, ...]:
        """Take one event at one moment (seconds, never stepping back); what is to be done, in order."""
        match event:
            case JoinRequested():
                self._joining.request(event, draining=self._draining)
            case ClaimAnswered(answer=answer):
                # In this order: who gives way to the newcomer must not be stated to a store that came back.
                self._joining.claim_answered(event, now)
                self._heard(answer is not None, now)
            case RulesKnown(room=room, rules=rules):
                for sitting in self._held.in_room(room):
                    if sitting.rules.revision < rules.revision:
                        sitting.rules = rules
            case RulesRead():
                self._joining.rules_read(event, now)
            case HolderAnswered(holder=holder, room=room, state=state):
                if state is HolderState.SILENT:
                    self._holder_silent(holder, room, now)
                self._joining.holder_answered(holder, room, state, now)
            case HolderHeard(holder=holder):
                self._holder_heard(holder, now)
            case TouchAnswered() | AssertAnswered():
                self._renewal_answered(event, now)
            case ReleaseAnswered(seats=seats, answers=answers):
                self._release_answered(seats, answers, now)
            case RoomHeard(room=room, nodes=nodes):
                self._book.learn_nodes(room, nodes - {self._config.node}, asked_at=None, now=now)
            case LeaveRequested(session=session, room=room):
                self._leave(session, room, now)
            case Expelled():
                self._expel(event, now)
            case JoinAbandoned():
                self._abandon(event, now)
            case SocketClosed(session=session) | SocketTimedOut(session=session):
                self._socket_gone(session, now)
            case CheckRequested(session=session, room=room):
                held = self._held.of(session, room)
                if held is not None:
                    self._do(Touch(seats=(held.seat,), asked_at=now))
            case Tick():
                self._tick(now)
            case SessionMinted(record=record):
                self._sessions[record.session] = KnownSession(record)
            case DrainStarted():
                self._draining = True
            case DrainUndone():
                self._draining = False
            case DrainEnded():
                self._end_all(now)
            case PeerClosed():
                pass
        self._renew_at = self._next_renewal(now)
        effects = tuple(self._book.effects)
        self._book.effects.clear()
        return effects

    def next_deadline(self) -> float | None:
        """When :class:`Tick` is due, if ever."""
        deadlines = (self._renew_at, self._held.next_grace_end, self._claims.next_overdue)
        return min((at for at in deadlines if at is not None), default=None)

    def records(self) -> tuple[SessionRecord, ...]:
        """All sessions with an open socket or a seat in grace."""
        return tuple(known.record for known in self._sessions.values())

    def record(self, session: SessionId) -> SessionRecord | None:
        """What was minted under that id, while its socket is open or a seat of it in grace."""
        found = self._sessions.get(session)
        return None if found is None else found.record

    def has_asked_holder(self, session: SessionId, room: RoomId, attempt: int) -> bool:
        """Whether that join is on its way and had to ask whoever sits in its slot."""
        claiming = self._claims.get((session, room, attempt))
        return claiming is not None and claiming.holder is not None

    def seat(self, session: SessionId, room: RoomId) -> Seat | None:
        """The seat of that session in that room, in grace included."""
        held = self._held.of(session, room)
        return None if held is None else held.seat

    def sessions_of(self, room: RoomId, participant: ParticipantId) -> tuple[SessionId, ...]:
        """The sessions here with a participant's seat, or on their way to one."""
        seats = chain((held.seat for held in self._held.in_room(room)), self._claims.seats_wanted(room))
        whose = {seat.session: participant_id(room, seat.user, seat.device) for seat in seats}
        return tuple(session for session, who in whose.items() if who == participant)

    def keeps_others_out(self, session: SessionId, room: RoomId) -> bool:
        """Whether a session has a seat, or is on its way to one, that `reject` keeps for it.

        On its way as well: the store may have let it in already, and the answer be late.
        """
        held = self._held.of(session, room)
        return self._claims.is_on_way(session, room) if held is None else not held.seat.in_grace

    def seats(self) -> tuple[Seat, ...]:
        """All seats here, in grace included."""
        return tuple(held.seat for held in self._held)

    def rooms(self) -> tuple[RoomId, ...]:
        """All rooms with a seat here, in grace included."""
        return self._held.rooms

    @property
    def draining(self) -> bool:
        """Whether joins are refused because the node goes."""
        return self._draining

    @property
    def session_count(self) -> int:
        """Sessions whose socket is open or a seat of them in grace."""
        return len(self._sessions)

    def counts(self) -> RegistryCounts:
        """How much of everything there is; walks all seats."""
        return RegistryCounts(
            sessions=len(self._sessions),
            seats=len(self._held),
            seats_in_grace=self._held.grace_count,
            seats_unconfirmed=sum(held.unconfirmed for held in self._held),
            rooms=self._held.room_count,
            joins_pending=len(self._claims),
            degraded=self._degraded,
        )

    # --- leaving ---

    def _leave(self, session: SessionId, room: RoomId, now: float) -> None:
        self._do(*(refuse(key, ErrorCode.NOT_IN_ROOM) for key in self._claims.give_up(session, room)))
        held = self._held.of(session, room)
        if held is not None:
            self._book.end(held, now)

    def _expel(self, event: Expelled, now: float) -> None:
        self._do(*(refuse(key, ErrorCode.NOT_PERMITTED) for key in self._claims.give_up(event.session, event.room)))
        held = self._held.of(event.session, event.room)
        if held is not None:
            self._book.lose(held, event.reason)
            self._book.release((held.seat,), now)

    def _abandon(self, event: JoinAbandoned, now: float) -> None:
        claiming = self._claims.get((event.session, event.room, event.attempt))
        if claiming is not None:
            claiming.wanted = False
        held = self._held.of(event.session, event.room)
        if held is not None and held.seat.attempt == event.attempt:
            self._book.end(held, now)

    def _socket_gone(self, session: SessionId, now: float) -> None:
        known = self._sessions.get(session)
        if known is None or not known.connected:
            return
        known.connected = False
        self._do(*(refuse(key, ErrorCode.NOT_IN_ROOM) for key in self._claims.give_up(session)))
        # One that was silent before waits no longer for it.
        dropped = [held for held in self._held.of_session(session) if not held.seat.in_grace]
        # Where the policy is another one, the next renewal is soon enough to tell.
        self._start_graces(dropped, now, told=lambda held: held.rules.policy is RoomPolicy.REJECT)
        self._book.forget_if_done(session)

    def _holder_silent(self, session: SessionId, room: RoomId, now: float) -> None:
        """Whoever wants a seat is let in; the session's socket is for its own deadlines to judge."""
        held = self._held.of(session, room)
        if held is not None and not held.seat.in_grace:
            self._start_graces([held], now, told=lambda _: True)

    def _holder_heard(self, session: SessionId, now: float) -> None:
        known = self._sessions.get(session)
        if known is None or not known.connected:
            return  # Its socket went meanwhile: a new session takes the seat over, or nobody.
        waiting = [held for held in self._held.of_session(session) if held.seat.in_grace]
        for held in waiting:
            self._held.end_grace(held)
        if waiting:
            self._do(Touch(seats=tuple(held.seat for held in waiting), asked_at=now))

    def _start_graces(self, seats: list[HeldSeat], now: float, *, told: Callable[[HeldSeat], bool]) -> None:
        for held in seats:
            grace_s = self._config.grace_s if held.rules.grace_s is None else held.rules.grace_s
            self._held.start_grace(held, now + min(grace_s, self._config.lease_s))
        self._book.end_graces(now)
        unprotected = tuple(
            held.seat for held in seats if told(held) and self._held.of(held.seat.session, held.seat.room) is held
        )
        if unprotected:
            self._do(Touch(seats=unprotected, asked_at=now))

    def _end_all(self, now: float) -> None:
        self._draining = True
        self._do(*(refuse(key, ErrorCode.NODE_DRAINING) for key in self._claims.give_up()))
        seats = tuple(held.seat for held in self._held)
        for held in self._held:
            self._book.lose(held, "node_drained")
        self._book.release(seats, now)

    # --- the store ---

    def _tick(self, now: float) -> None:
        self._book.end_graces(now)
        self._joining.end_overdue(now)
        if self._renew_at is None or now < self._renew_at:
            return
        self._renew_at = None
        self._memory.forget_old(now)
        stated = tuple(held.seat for held in self._held if held.unconfirmed)
        renewed = tuple(held.seat for held in self._held if not held.unconfirmed)
        if renewed:
            self._do(Touch(seats=renewed, asked_at=now))
        if stated:
            self._do(Assert(seats=stated, asked_at=now))
        if self._book.unreleased:
            self._do(Release(seats=tuple(self._book.unreleased)))

    def _renewal_answered(self, event: TouchAnswered | AssertAnswered, now: float) -> None:
        seats, answers, asserted = event.seats, event.answers, isinstance(event, AssertAnswered)
        self._heard(answers is not None, now)
        unknown: list[Seat] = []
        living: dict[RoomId, frozenset[NodeId]] = {}
        for seat, answer in zip(seats, answers or (), strict=answers is not None):
            held = self._held.of(seat.session, seat.room)
            if held is None or held.seat.attempt != seat.attempt:
                continue  # The answer to a seat that is no longer.
            self._memory.note(seat, now, epoch=answer.epoch, banned=answer.verdict is Verdict.BANNED)
            living[seat.room] = answer.nodes
            match answer.verdict:
                case Verdict.OK:
                    # The highest: this answer may be older than one that came before it.
                    epoch = max(held.seat.epoch, answer.epoch)
                    provisional = held.seat.provisional and not asserted
                    held.seat = replace(held.seat, epoch=epoch, provisional=provisional)
                    held.unconfirmed = held.unconfirmed and not asserted
                case Verdict.SUPERSEDED if self._is_gone_from_here(answer, seat.room):
                    # Who came later is decided on this node, whatever order the two reached the store in.
                    held.seat = replace(held.seat, epoch=max(held.seat.epoch, answer.epoch + 1))
                    held.unconfirmed = True
                case Verdict.SUPERSEDED:
                    if not self._claims.heir_of(seat):
                        moved_to = answer.by_node if answer.by_device == seat.device else None
                        self._book.lose(held, "replaced", moved_to=moved_to)
                case Verdict.BANNED:
                    self._book.lose(held, "kicked")
                    self._book.release((seat,), now)
                case Verdict.KICKED | Verdict.DELETED as ended:
                    self._book.lose(held, "kicked" if ended is Verdict.KICKED else "room_deleted")
                    self._book.release((seat,), now)
                case Verdict.UNKNOWN | Verdict.FULL | Verdict.CHANGED | Verdict.LOCKED | Verdict.OCCUPIED:
                    held.unconfirmed = True
                    if not asserted:
                        unknown.append(held.seat)
        for room, nodes in living.items():
            self._book.learn_nodes(room, nodes, asked_at=event.asked_at, now=now)
        if unknown:
            self._do(Assert(seats=tuple(unknown), asked_at=now))

    def _is_gone_from_here(self, answer: SeatAnswer, room: RoomId) -> bool:
        """Whether the store names a holder that sat on this very node, and neither sits nor joins here any more."""
        holder = answer.by_session
        if holder is None or answer.by_node != self._config.node or self._claims.is_on_way(holder, room):
            return False
        return self._held.of(holder, room) is None

    def _heard(self, answered: bool, now: float) -> None:
        """Note whether the store is there; when it comes back, state everything."""
        returned = answered and self._degraded
        self._degraded = not answered
        if not returned:
            return
        self._book.neighbours.store_returned(now)
        for held in self._held:
            held.unconfirmed = True
        if self._held:
            self._do(Assert(seats=tuple(held.seat for held in self._held), asked_at=now))
        if self._book.unreleased:
            self._do(Release(seats=tuple(self._book.unreleased)))

    def _release_answered(self, seats: tuple[Seat, ...], answers: tuple[SeatAnswer, ...] | None, now: float) -> None:
        if answers is not None:
            self._book.acknowledge(seats)
        self._heard(answers is not None, now)

    def _next_renewal(self, now: float) -> float | None:
        if not self._held and not self._book.unreleased:
            return None
        return now + self._config.renew_s if self._renew_at is None else self._renew_at

    def _do(self, *effects: RegistryEffect) -> None:
        self._book.effects.extend(effects)
