"""What walked_model.py does to its cores: an event to a registry, a question to the table, each with what must hold.

Both depend on nothing but what they are given, so that each is worked out once (frozen_states.py). What may be said
twice is said twice, and the second time is to change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from session.records import AskHolder, HolderState
from session.registry_events import (
    Assert,
    AssertAnswered,
    Claim,
    ClaimAnswered,
    DrainEnded,
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
    ReleaseAnswered,
    RulesRead,
    SocketClosed,
    SocketTimedOut,
    Touch,
    TouchAnswered,
)
from signalling.errors import ErrorCode
from tests.unit.session.frozen_states import fingerprint_of
from tests.unit.session.invariants import Invariant, hold
from tests.unit.session.seats import ROOM

if TYPE_CHECKING:
    from collections.abc import Hashable

    from session.registry import SeatRegistry
    from session.seat_table import SeatTable
    from session.store import SeatAnswer
    from signalling.ids import SessionId

__all__ = ["NO_MATTER", "Asked", "Heard", "Landed", "OnItsWay", "Question", "as_event", "hear", "land", "unanswered"]

Question: TypeAlias = Claim | Touch | Assert | Release
"""What the table of seats is asked."""

Asked: TypeAlias = Question | ReadRules | AskHolder
"""What a node asks, of the table, of the repository, and of the node of whoever sits in a slot."""

NO_MATTER = 0.0
"""How old an answer is decides which nodes are believed, and nothing about seats; equal times keep the states few."""

_ONCE = (
    JoinRequested,
    JoinAbandoned,
    LeaveRequested,
    PeerClosed,
    SocketClosed,
    SocketTimedOut,
    DrainEnded,
    Expelled,
    HolderHeard,
    RulesRead,
)
"""What a client or a network may say twice, and nothing comes of it. A refused join may be refused again."""

_WITH_LAPSED = -1
"""A moment at which every lease that is remembered still stood."""


@dataclass(frozen=True)
class OnItsWay:
    """A question, or what came of it once it landed: the table's answers, or the word of another.

    `asker_gave_up` after a timeout.
    """

    node: str
    question: Asked
    answers: tuple[SeatAnswer, ...] | None = None
    word: RulesRead | HolderAnswered | None = None
    asker_gave_up: bool = False

    @property
    def has_landed(self) -> bool:
        return self.answers is not None or self.word is not None


@dataclass(frozen=True)
class Heard:
    """What came of an event in a node: what it wants done, who sits there now, and how many joins wait."""

    effects: tuple[RegistryEffect, ...]
    seated: frozenset[str]
    pending: int


@dataclass(frozen=True)
class Landed:
    """What came of a question in the table, with who was shown before and after."""

    answers: tuple[SeatAnswer, ...]
    before: frozenset[SessionId]
    after: frozenset[SessionId]


def hear(core: SeatRegistry, what: Hashable, sessions: tuple[SessionId, ...]) -> Heard:
    """Let a node hear an event, and those that may come twice, twice."""
    event, now = cast("tuple[RegistryEvent, float]", what)
    effects = core.handle(event, now)
    if isinstance(event, _ONCE):
        again = tuple(effect for effect in core.handle(event, now) if not isinstance(effect, Refuse))
        hold(Invariant.TWICE_IS_ONCE, not again, f"a second {event} led to {again}")
    seated = frozenset(session for session in sessions if core.seat(session, ROOM) is not None)
    counts = core.counts()
    told = (counts.seats, counts.rooms, counts.sessions)
    true = (len(seated), min(len(seated), 1), sum(core.record(session) is not None for session in sessions))
    hold(Invariant.COUNTS_ARE_SIZES, told == true, f"seats, rooms, sessions are {true}, and said to be {told}")
    waiting = counts.seats_in_grace
    hold(Invariant.COUNTS_ARE_SIZES, waiting <= len(seated), f"{waiting} of {len(seated)} seats are in grace")
    return Heard(effects, frozenset(seated), counts.joins_pending)


def land(table: SeatTable, what: Hashable) -> Landed:
    """Let a question land twice, as one may that was sent again: the second time changes nothing.

    `what` is the question, the moment, the revision of the room's definition and whether its user is banned.
    """
    question, now_ms, revision, banned = cast("tuple[Question, int, int, bool]", what)
    before, known = table.live_sessions(ROOM, now_ms), table.live_sessions(ROOM, _WITH_LAPSED)
    answers = _ask(table, question, now_ms, revision, banned=banned)
    after = table.live_sessions(ROOM, now_ms)
    appeared, gone = after - before, before - after
    match question:
        case Touch():
            hold(Invariant.UPDATE_NEVER_INSERTS, appeared <= known, f"a renewal brought {appeared}")
        case Release(seats=seats):
            own = {seat.session for seat in seats}
            hold(Invariant.OLDER_REMOVAL_IS_NOTHING, gone <= own, f"the release of {own} removed {gone}")
    once = fingerprint_of(table)
    again = _ask(table, question, now_ms, revision, banned=banned)
    hold(Invariant.TWICE_IS_ONCE, fingerprint_of(table) == once, f"a second {question} changed something")
    if not isinstance(question, Release):
        verdicts = [answer.verdict for answer in answers]
        hold(Invariant.TWICE_IS_ONCE, verdicts == [answer.verdict for answer in again], f"a second {question} failed")
    return Landed(answers, before, after)


def _ask(table: SeatTable, question: Question, now_ms: int, revision: int, *, banned: bool) -> tuple[SeatAnswer, ...]:
    table._changes = 0  # Counts towards the next sweep, which is far away; equal tables are to be equal.
    match question:
        case Claim(seat=seat, rules=rules, silent=silent):
            return (table.claim(seat, now_ms, rules, silent=silent, revision=revision, banned=banned),)
        case Touch(seats=seats):
            return tuple(table.touch(seat, now_ms, banned=banned) for seat in seats)
        case Assert(seats=seats):
            return tuple(table.state(seat, now_ms, banned=banned) for seat in seats)
        case Release(seats=seats):
            return tuple(table.release(seat, now_ms) for seat in seats)


def as_event(question: Question, answers: tuple[SeatAnswer, ...] | None, wall_ms: int) -> RegistryEvent:
    """What a node hears of a question to the table."""
    match question:
        case Claim(seat=seat, number=number):
            answer = None if answers is None else answers[0]
            return ClaimAnswered(seat=seat, answer=answer, wall_ms=wall_ms, number=number)
        case Touch(seats=seats):
            return TouchAnswered(seats=seats, answers=answers, asked_at=NO_MATTER)
        case Assert(seats=seats):
            return AssertAnswered(seats=seats, answers=answers, asked_at=NO_MATTER)
        case Release(seats=seats):
            return ReleaseAnswered(seats=seats, answers=answers)


def unanswered(question: ReadRules | AskHolder) -> RulesRead | HolderAnswered:
    """What a node makes of a repository or another node that says nothing."""
    if isinstance(question, AskHolder):
        return HolderAnswered(holder=question.holder, room=question.room, state=HolderState.UNREACHABLE)
    session, room, attempt = question.session, question.room, question.attempt
    refusal = ErrorCode.STORE_UNAVAILABLE
    return RulesRead(session=session, room=room, attempt=attempt, rules=None, refusal=refusal)
