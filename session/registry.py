"""The registry of seats on one node: a pure core.

Theory of operation. The node that holds a session's socket is the truth about its seats, the store
an index. A seat here is *held* (claimed and confirmed), *unconfirmed* (admitted without the store,
or unknown to it) or *in grace* (its socket dropped).

| event | what becomes of a seat |
|---|---|
| join | stale attempt: refused here. Otherwise the store is asked; without it, admitted unconfirmed |
| claim answered | ok: held, and whoever sat in the slot here loses it. superseded: refused. none: unconfirmed |
| leave, deadline of a join | ended and released; a claim on its way is released when it answers, or does not |
| socket closed, timed out | in grace: still renewed, others see nothing |
| peer closed | nothing: the seat follows the socket |
| grace over | ended and released |
| touch: ok / superseded / unknown | renewed / lost as `replaced` / unconfirmed, and asserted at once |
| assert: ok / superseded / unknown | held / lost as `replaced` / asserted again at the next renewal |
| no answer | nothing ends; at the first answer after it every seat here is asserted again |
| drain ended | every seat ended and released at once |

Only three things end a seat: its owner, a newer join, the node. `unknown` and silence never do.

What ended is remembered as (device, highest attempt) and (slot, highest epoch), as long as the
store remembers: it refuses late joins and orders new ones while the store is away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from session.held_seats import HeldSeat, HeldSeats
from session.records import RoomNodes, SeatLost
from session.registry_events import (
    Admit,
    Assert,
    AssertAnswered,
    CheckRequested,
    Claim,
    ClaimAnswered,
    DrainEnded,
    DrainStarted,
    DrainUndone,
    JoinAbandoned,
    JoinRequested,
    LeaveRequested,
    PeerClosed,
    Refuse,
    RegistryEffect,
    RegistryEvent,
    Release,
    ReleaseAnswered,
    SessionMinted,
    SocketClosed,
    SocketTimedOut,
    Tick,
    Touch,
    TouchAnswered,
)
from session.slot_memory import SlotMemories
from session.store import Seat, SeatAnswer, Verdict, slot_of
from signalling.errors import ErrorCode

if TYPE_CHECKING:
    from session.config import SessionConfig
    from session.records import SessionRecord
    from signalling.client.messages import LeaveReason
    from signalling.ids import NodeId, RoomId, SessionId

__all__ = ["RegistryCounts", "SeatRegistry"]

MAX_UNACKNOWLEDGED_RELEASES: Final = 10_000
"""Every seat of a full node; beyond it the oldest is left to its lease."""

_JoinKey: TypeAlias = "tuple[SessionId, RoomId, int]"
_Effects: TypeAlias = "list[RegistryEffect]"


@dataclass(slots=True)
class _Claiming:
    """A claim on its way; `wanted` until its session left."""

    seat: Seat
    cap: int
    wanted: bool = True


@dataclass(slots=True)
class _Session:
    record: SessionRecord
    connected: bool = True


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
        self._sessions: dict[SessionId, _Session] = {}
        self._held = HeldSeats()
        self._claiming: dict[_JoinKey, _Claiming] = {}
        self._memory = SlotMemories(keep_s=config.tombstone_s)
        self._nodes: dict[RoomId, frozenset[NodeId]] = {}
        self._unreleased: dict[_JoinKey, Seat] = {}
        self._renew_at: float | None = None
        self._degraded = False
        self._merge_until = float("-inf")
        self._draining = False

    # --- the core's face ---

    def handle(self, event: RegistryEvent, now: float) -> tuple[RegistryEffect, ...]:
        """Take one event at one moment (seconds, never stepping back); what is to be done, in order."""
        effects: _Effects = []
        match event:
            case JoinRequested():
                self._join(event, effects)
            case ClaimAnswered():
                self._claim_answered(event, now, effects)
            case TouchAnswered(seats=seats, answers=answers) | AssertAnswered(seats=seats, answers=answers):
                self._renewal_answered(seats, answers, isinstance(event, AssertAnswered), now, effects)
            case ReleaseAnswered(seats=seats, answers=answers):
                self._release_answered(seats, answers, now, effects)
            case LeaveRequested(session=session, room=room):
                self._leave(session, room, now, effects)
            case JoinAbandoned():
                self._abandon(event, now, effects)
            case SocketClosed(session=session) | SocketTimedOut(session=session):
                self._socket_gone(session, now, effects)
            case CheckRequested(session=session, room=room):
                held = self._held.of(session, room)
                if held is not None:
                    effects.append(Touch(seats=(held.seat,)))
            case Tick():
                self._tick(now, effects)
            case SessionMinted(record=record):
                self._sessions[record.session] = _Session(record)
            case DrainStarted():
                self._draining = True
            case DrainUndone():
                self._draining = False
            case DrainEnded():
                self._end_all(now, effects)
            case PeerClosed():
                pass
        self._renew_at = self._next_renewal(now)
        return tuple(effects)

    def next_deadline(self) -> float | None:
        """When :class:`Tick` is due, if ever."""
        return min((at for at in (self._renew_at, self._held.next_grace_end) if at is not None), default=None)

    def record(self, session: SessionId) -> SessionRecord | None:
        """What was minted under that id, while its socket is open or a seat of it in grace."""
        found = self._sessions.get(session)
        return None if found is None else found.record

    def seat(self, session: SessionId, room: RoomId) -> Seat | None:
        """The seat of that session in that room, in grace included."""
        held = self._held.of(session, room)
        return None if held is None else held.seat

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
            joins_pending=len(self._claiming),
            degraded=self._degraded,
        )

    # --- joining ---

    def _join(self, event: JoinRequested, effects: _Effects) -> None:
        key = (event.session, event.room, event.attempt)
        known = self._sessions.get(event.session)
        if known is None or not known.connected:
            effects.append(_refuse(key, ErrorCode.UNEXPECTED_MESSAGE))
            return
        held = self._held.of(event.session, event.room)
        if held is not None and held.seat.attempt == event.attempt:
            effects.append(self._admit(held, takes_over=None))
            return
        if key in self._claiming:
            return
        if self._draining:
            effects.append(_refuse(key, ErrorCode.NODE_DRAINING))
            return
        record = known.record
        slot = slot_of(event.policy, record.user, record.device)
        highest = self._memory.highest_attempt(event.room, slot, record.device)
        if event.attempt <= highest:
            effects.append(_refuse(key, ErrorCode.ATTEMPT_STALE, highest))
            return
        seat = Seat(
            room=event.room,
            slot=slot,
            user=record.user,
            device=record.device,
            session=event.session,
            attempt=event.attempt,
            node=self._config.node,
            epoch=self._memory.epoch(event.room, slot),
        )
        self._claiming[key] = _Claiming(seat, event.cap)
        effects.append(Claim(seat=seat, cap=event.cap))

    def _claim_answered(self, event: ClaimAnswered, now: float, effects: _Effects) -> None:
        seat, answer = event.seat, event.answer
        key = (seat.session, seat.room, seat.attempt)
        claiming = self._claiming.pop(key, None)
        self._heard(answer is not None, now, effects)
        if answer is not None and answer.verdict is not Verdict.OK:
            # Not the highest attempt: it may be that of a claim from here whose answer is still on its way.
            self._memory.note(seat, now, epoch=answer.epoch)
            if claiming is not None and claiming.wanted:
                if answer.verdict is Verdict.FULL:
                    effects.append(_refuse(key, ErrorCode.ROOM_FULL))
                else:
                    effects.append(_refuse(key, ErrorCode.ATTEMPT_STALE, answer.highest_attempt))
            return
        if claiming is None or not claiming.wanted:
            self._release((seat,), now, effects)
            return
        if answer is None:
            epoch = max(self._memory.epoch(seat.room, seat.slot) + 1, event.wall_ms)
            seat = replace(seat, epoch=epoch, provisional=True)
        else:
            seat = replace(seat, epoch=answer.epoch)
        code = self._why_not(seat, claiming.cap)
        if code is not None:
            self._release((seat,), now, effects)
            effects.append(_refuse(key, code, self._memory.highest_attempt(seat.room, seat.slot, seat.device)))
            return
        self._sit(seat, now, effects)
        if answer is not None:
            # Answers to claims made at once may come in any order, and an old one knows fewer nodes:
            # so a claim only adds. What left is learnt from the renewals, which follow one another.
            known = self._nodes.get(seat.room, frozenset())
            self._learn_nodes(seat.room, answer.nodes | known, now, effects)

    def _why_not(self, seat: Seat, cap: int) -> ErrorCode | None:
        """What happened here while the store was asked, or what it could not check."""
        if seat.attempt <= self._memory.highest_attempt(seat.room, seat.slot, seat.device):
            return ErrorCode.ATTEMPT_STALE
        sitting = self._held.in_slot(seat.room, seat.slot)
        if sitting is not None and sitting.seat.device != seat.device and sitting.seat.epoch > seat.epoch:
            return ErrorCode.REPLACED
        if seat.provisional and sitting is None and self._held.count_in(seat.room) >= cap:
            return ErrorCode.ROOM_FULL
        return None

    def _sit(self, seat: Seat, now: float, effects: _Effects) -> None:
        before = self._held.in_slot(seat.room, seat.slot)
        held = HeldSeat(seat, unconfirmed=seat.provisional)
        self._held.add(held)
        self._memory.note(seat, now, epoch=seat.epoch, attempt=seat.attempt)
        if before is None or before.seat.session == seat.session:
            effects.append(self._admit(held, takes_over=None))
            return
        same_device = before.seat.device == seat.device
        effects.append(self._admit(held, takes_over=before.seat.session if same_device else None))
        self._lose(before, "replaced", effects, successor=seat.session if same_device else None)

    def _admit(self, held: HeldSeat, *, takes_over: SessionId | None) -> Admit:
        seat = held.seat
        return Admit(
            session=seat.session,
            room=seat.room,
            attempt=seat.attempt,
            epoch=seat.epoch,
            degraded=seat.provisional,
            takes_over=takes_over,
        )

    # --- leaving ---

    def _leave(self, session: SessionId, room: RoomId, now: float, effects: _Effects) -> None:
        for key, claiming in self._claiming.items():
            if claiming.wanted and key[:2] == (session, room):
                claiming.wanted = False
                effects.append(_refuse(key, ErrorCode.NOT_IN_ROOM))
        held = self._held.of(session, room)
        if held is not None:
            self._end(held, now, effects)

    def _abandon(self, event: JoinAbandoned, now: float, effects: _Effects) -> None:
        claiming = self._claiming.get((event.session, event.room, event.attempt))
        if claiming is not None:
            claiming.wanted = False
        held = self._held.of(event.session, event.room)
        if held is not None and held.seat.attempt == event.attempt:
            self._end(held, now, effects)

    def _socket_gone(self, session: SessionId, now: float, effects: _Effects) -> None:
        known = self._sessions.get(session)
        if known is None or not known.connected:
            return
        known.connected = False
        for key, claiming in self._claiming.items():
            if claiming.wanted and key[0] == session:
                claiming.wanted = False
                effects.append(_refuse(key, ErrorCode.NOT_IN_ROOM))
        for held in self._held.of_session(session):
            self._held.start_grace(held, now + self._config.grace_s)
        self._end_graces(now, effects)
        self._forget_if_done(session)

    def _end_graces(self, now: float, effects: _Effects) -> None:
        for held in self._held.grace_over(now):
            self._lose(held, "connection_lost", effects)
            self._release((held.seat,), now, effects)

    def _end_all(self, now: float, effects: _Effects) -> None:
        self._draining = True
        for key, claiming in self._claiming.items():
            if claiming.wanted:
                claiming.wanted = False
                effects.append(_refuse(key, ErrorCode.NODE_DRAINING))
        seats = tuple(held.seat for held in self._held)
        for held in self._held:
            self._lose(held, "node_drained", effects)
        self._release(seats, now, effects)

    def _end(self, held: HeldSeat, now: float, effects: _Effects) -> None:
        """The owner gives the seat up."""
        self._drop(held, effects)
        self._release((held.seat,), now, effects)

    def _lose(
        self,
        held: HeldSeat,
        reason: LeaveReason,
        effects: _Effects,
        *,
        successor: SessionId | None = None,
        moved_to: NodeId | None = None,
    ) -> None:
        """Something else ends the seat."""
        seat = held.seat
        effects.append(
            SeatLost(session=seat.session, room=seat.room, reason=reason, successor=successor, moved_to=moved_to)
        )
        self._drop(held, effects)

    def _drop(self, held: HeldSeat, effects: _Effects) -> None:
        seat = held.seat
        self._held.remove(held)
        if not self._held.count_in(seat.room) and self._nodes.get(seat.room):
            del self._nodes[seat.room]
            effects.append(RoomNodes(room=seat.room, nodes=frozenset()))
        self._forget_if_done(seat.session)

    def _forget_if_done(self, session: SessionId) -> None:
        known = self._sessions.get(session)
        if known is not None and not known.connected and not self._held.of_session(session):
            del self._sessions[session]

    # --- the store ---

    def _tick(self, now: float, effects: _Effects) -> None:
        self._end_graces(now, effects)
        if self._renew_at is None or now < self._renew_at:
            return
        self._renew_at = None
        self._memory.forget_old(now)
        stated = tuple(held.seat for held in self._held if held.unconfirmed)
        renewed = tuple(held.seat for held in self._held if not held.unconfirmed)
        if renewed:
            effects.append(Touch(seats=renewed))
        if stated:
            effects.append(Assert(seats=stated))
        if self._unreleased:
            effects.append(Release(seats=tuple(self._unreleased.values())))

    def _renewal_answered(
        self,
        seats: tuple[Seat, ...],
        answers: tuple[SeatAnswer, ...] | None,
        asserted: bool,
        now: float,
        effects: _Effects,
    ) -> None:
        self._heard(answers is not None, now, effects)
        unknown: list[Seat] = []
        for seat, answer in zip(seats, answers or (), strict=answers is not None):
            held = self._held.of(seat.session, seat.room)
            if held is None or held.seat.attempt != seat.attempt:
                continue  # The answer to a seat that is no longer.
            self._memory.note(seat, now, epoch=answer.epoch)
            match answer.verdict:
                case Verdict.OK:
                    held.seat = replace(
                        held.seat, epoch=answer.epoch, provisional=held.seat.provisional and not asserted
                    )
                    held.unconfirmed = held.unconfirmed and not asserted
                case Verdict.SUPERSEDED:
                    if not self._heir_is_claiming(seat):
                        moved_to = answer.by_node if answer.by_device == seat.device else None
                        self._lose(held, "replaced", effects, moved_to=moved_to)
                        continue
                case Verdict.UNKNOWN | Verdict.FULL:
                    held.unconfirmed = True
                    if not asserted:
                        unknown.append(held.seat)
            self._learn_nodes(seat.room, answer.nodes, now, effects)
        if unknown:
            effects.append(Assert(seats=tuple(unknown)))

    def _heir_is_claiming(self, seat: Seat) -> bool:
        """Whether the same device joins here again, so that the answer to come hands the seat over without a gap."""
        return any(
            claiming.wanted
            and (claiming.seat.room, claiming.seat.slot, claiming.seat.device) == (seat.room, seat.slot, seat.device)
            and claiming.seat.attempt > seat.attempt
            for claiming in self._claiming.values()
        )

    def _heard(self, answered: bool, now: float, effects: _Effects) -> None:
        """Note whether the store is there; when it comes back, state everything."""
        returned = answered and self._degraded
        self._degraded = not answered
        if not returned:
            return
        self._merge_until = now + self._config.lease_s
        for held in self._held:
            held.unconfirmed = True
        if self._held:
            effects.append(Assert(seats=tuple(held.seat for held in self._held)))
        if self._unreleased:
            effects.append(Release(seats=tuple(self._unreleased.values())))

    def _learn_nodes(self, room: RoomId, nodes: frozenset[NodeId], now: float, effects: _Effects) -> None:
        if not self._held.count_in(room):
            return
        before = self._nodes.get(room, frozenset())
        # A store that was away knows only those who stated themselves since: for one lease the old view counts too.
        after = nodes | before if now < self._merge_until else nodes
        if after != before:
            self._nodes[room] = after
            effects.append(RoomNodes(room=room, nodes=after))

    def _release(self, seats: tuple[Seat, ...], now: float, effects: _Effects) -> None:
        if not seats:
            return
        for seat in seats:
            self._memory.note(seat, now, epoch=seat.epoch, attempt=seat.attempt)
            self._unreleased[seat.session, seat.room, seat.attempt] = seat
        while len(self._unreleased) > MAX_UNACKNOWLEDGED_RELEASES:
            del self._unreleased[next(iter(self._unreleased))]
        effects.append(Release(seats=seats))

    def _release_answered(
        self, seats: tuple[Seat, ...], answers: tuple[SeatAnswer, ...] | None, now: float, effects: _Effects
    ) -> None:
        if answers is not None:
            for seat in seats:
                self._unreleased.pop((seat.session, seat.room, seat.attempt), None)
        self._heard(answers is not None, now, effects)

    def _next_renewal(self, now: float) -> float | None:
        if not self._held and not self._unreleased:
            return None
        return now + self._config.renew_s if self._renew_at is None else self._renew_at


def _refuse(key: _JoinKey, code: ErrorCode, highest_attempt: int = 0) -> Refuse:
    return Refuse(session=key[0], room=key[1], attempt=key[2], code=code, highest_attempt=highest_attempt)
