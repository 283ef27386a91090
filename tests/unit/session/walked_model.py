"""As cluster_model.py, for walks through every schedule: cores are values, and each step is worked out once.

A question to the store is first *on its way*, then it *lands* (the table changes), then its answer is
*delivered*; a test picks which of them happens next. A question may also time out: its asker is told
that there was no answer, and the question lands later all the same.

The model checks while it runs, and :meth:`WalkedModel.settle` at quiescence.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias, cast

from session.config import SessionConfig
from session.records import SeatLost
from session.registry import SeatRegistry
from session.registry_events import (
    Admit,
    Assert,
    AssertAnswered,
    CheckRequested,
    Claim,
    ClaimAnswered,
    DrainEnded,
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
from session.seat_table import SeatTable
from session.store import RoomPolicy, SeatAnswer, Verdict
from signalling.errors import ErrorCode
from signalling.ids import NodeId, SessionId
from tests.unit.session.frozen_states import Frozen, Transitions, fingerprint_of
from tests.unit.session.invariants import Invariant, hold
from tests.unit.session.seats import ROOM, by, record

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["GRACE_S", "KINDS", "LEASE_S", "RENEW_S", "OnItsWay", "Player", "WalkedModel", "rejoin"]

Question: TypeAlias = Claim | Touch | Assert | Release

_ONCE = (JoinRequested, JoinAbandoned, LeaveRequested, PeerClosed, SocketClosed, SocketTimedOut, DrainEnded)
"""What a client or a network may say twice, and nothing comes of it. A refused join may be refused again."""

NO_MATTER = 0.0
"""How old an answer is decides which nodes are believed, and nothing about seats; equal times keep the states few."""

LEASE_S = 8.0
RENEW_S = 2.5
GRACE_S = 6.0

_WITH_LAPSED = -1
"""A moment at which every lease that is remembered still stood."""

REST_S = 20.0
"""A grace, a renewal and a lease, after which nothing is left to happen."""


@dataclass(frozen=True)
class Player:
    """A session that will join: who, from where, with which attempt."""

    session: str
    device: str
    attempt: int
    node: str


@dataclass(frozen=True)
class OnItsWay:
    """A question, or its answer once it landed; `asker_gave_up` after a timeout."""

    node: str
    question: Question
    answers: tuple[SeatAnswer, ...] | None = None
    asker_gave_up: bool = False


@dataclass(frozen=True)
class Heard:
    """What came of an event in a node: what it wants done, and who sits there now."""

    effects: tuple[RegistryEffect, ...]
    seated: frozenset[str]


@dataclass(frozen=True)
class Landed:
    """What came of a question in the table, with who was shown before and after."""

    answers: tuple[SeatAnswer, ...]
    before: frozenset[SessionId]
    after: frozenset[SessionId]


@dataclass
class WalkedModel:
    """All its fields are values, so that a shallow copy is a copy."""

    players: dict[str, Player]
    nodes: dict[str, Frozen[SeatRegistry]]
    table: Frozen[SeatTable]
    hear: Transitions[SeatRegistry, Heard]
    land: Transitions[SeatTable, Landed]
    policy: RoomPolicy
    now: float = 100.0
    messages: tuple[OnItsWay, ...] = ()
    seated: dict[str, frozenset[str]] = field(default_factory=dict)
    """Who sits on each node."""
    shown: frozenset[SessionId] = frozenset()
    """Whom the table showed last."""
    admitted: tuple[str, ...] = ()
    """Sessions in the order in which they first got their seat, in the table or without it."""
    asked: frozenset[str] = frozenset()
    acknowledged: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    """Sessions that left, or whose socket is gone for good."""
    lost: dict[str, str] = field(default_factory=dict)
    refused: dict[str, ErrorCode] = field(default_factory=dict)
    highest: dict[str, int] = field(default_factory=dict)
    """What a refused session was told to go beyond."""
    unordered: frozenset[str] = frozenset()
    """Sessions whose claim timed out: it may land after a later join of another device, and then stands above it."""
    released: frozenset[str] = frozenset()
    """Sessions whose release landed in a table that still remembers it."""
    saved: tuple[Frozen[SeatTable], frozenset[str]] | None = None
    """The table of an earlier moment, to fall back to, and `released` of then."""
    store_behind: bool = False
    """Emptied, lapsed, or not asked: the table may show an older seat until the owners spoke."""

    @classmethod
    def of(cls, *players: Player, policy: RoomPolicy = RoomPolicy.REPLACE) -> WalkedModel:
        sessions = tuple(SessionId(player.session) for player in players)
        nodes = {}
        for node in sorted({player.node for player in players}):
            config = SessionConfig(cluster="c", node=NodeId(node), lease_s=LEASE_S, renew_s=RENEW_S, grace_s=GRACE_S)
            nodes[node] = Frozen.of(SeatRegistry(config))
        return cls(
            players={player.session: player for player in players},
            nodes=nodes,
            table=_empty_table(),
            hear=Transitions(lambda core, what: _hear(core, what, sessions)),
            land=Transitions(_land),
            policy=policy,
        )

    def copy(self) -> WalkedModel:
        return copy.copy(self)

    def state(self) -> Hashable:
        """Equal for models that go on alike; the order in which messages were sent does not matter."""
        return (
            self.table,
            tuple(self.nodes.values()),
            self.now,
            frozenset((message, self.messages.count(message)) for message in self.messages),
            self.admitted,
            (self.asked, self.acknowledged, self.ended, self.unordered, self.released),
            *(frozenset(each.items()) for each in (self.players, self.lost, self.refused, self.highest)),
            self.saved,
            self.store_behind,
        )

    # --- what may happen ---

    def join(self, session: str) -> None:
        player = self.players[session]
        self._tell(player.node, SessionMinted(record=record(session, device=player.device, node=player.node)))
        self._request(session)

    def join_one_higher(self, session: str) -> None:
        """Do what the holder of a device does, once, when its attempt was refused as stale."""
        self.players = self.players | {session: replace(self.players[session], attempt=self.highest[session] + 1)}
        self.refused = {other: code for other, code in self.refused.items() if other != session}
        self.released -= {session}
        self._request(session)

    def _request(self, session: str) -> None:
        player = self.players[session]
        self.asked |= {session}
        rules = by(10, policy=self.policy)
        request = JoinRequested(session=SessionId(session), room=ROOM, attempt=player.attempt, rules=rules)
        self._tell(player.node, request)

    def abandon(self, session: str) -> None:
        """Whoever asked no longer waits: its deadline is over, or its task was cancelled."""
        player = self.players[session]
        self.ended |= {session}
        self._tell(player.node, JoinAbandoned(session=SessionId(session), room=ROOM, attempt=player.attempt))

    def leave(self, session: str) -> None:
        self.ended |= {session}
        self._tell(self.players[session].node, LeaveRequested(session=SessionId(session), room=ROOM))

    def close(self, session: str) -> None:
        self.ended |= {session}
        self._tell(self.players[session].node, SocketClosed(session=SessionId(session)))

    def silent(self, session: str) -> None:
        """Its socket timed out."""
        self.ended |= {session}
        self._tell(self.players[session].node, SocketTimedOut(session=SessionId(session)))

    def doubt(self, session: str) -> None:
        """Another node says that the participant is there."""
        self._tell(self.players[session].node, CheckRequested(session=SessionId(session), room=ROOM))

    def drain(self, node: str) -> None:
        """The node goes in good order."""
        self.ended |= self._sessions_of(node)
        self._tell(node, DrainEnded())

    def peer_closed(self, session: str) -> None:
        self._tell(self.players[session].node, PeerClosed(session=SessionId(session)))

    def follows_socket(self, session: str) -> bool:
        """Whether its node takes no notice of a peer connection that closes, and a timeout for what a close is.

        False says only that the node had something to say that is to be checked with the rest of the model.
        """
        core, node = self.nodes[self.players[session].node], SessionId(session)
        after, heard = self.hear(core, (PeerClosed(session=node), self.now))
        closed = self.hear(core, (SocketClosed(session=node), self.now))
        silent = self.hear(core, (SocketTimedOut(session=node), self.now))
        said = any(isinstance(effect, Refuse | SeatLost | Admit) for effect in (*heard.effects, *closed[1].effects))
        return after is core and not heard.effects and closed == silent and not said

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for node in self.nodes:
            self._tell(node, Tick())

    def kill(self, node: str) -> None:
        """The process is gone; what it sent may still land."""
        self.nodes = {name: core for name, core in self.nodes.items() if name != node}
        self.seated = {name: seats for name, seats in self.seated.items() if name != node}
        self.messages = tuple(
            replace(message, asker_gave_up=True) if message.node == node else message for message in self.messages
        )
        self.ended |= self._sessions_of(node)

    def save_store(self) -> None:
        """A replica is as far as this."""
        self.saved = (self.table, self.released)

    def roll_back_store(self) -> None:
        """The replica takes over; what was written since is lost."""
        assert self.saved is not None
        self.table, self.released = self.saved
        self.store_behind = True

    def empty_store(self) -> None:
        self.table, self.released = _empty_table(), frozenset()
        self.store_behind = True

    def forget_leases(self) -> None:
        """All leases lapse at once: the clock of the store jumps ahead."""
        self.now += LEASE_S + 1
        self.store_behind = True

    def move(self, index: int) -> None:
        """Let a question land, or an answer arrive."""
        message = self.messages[index]
        rest = (*self.messages[:index], *self.messages[index + 1 :])
        if message.answers is not None:
            self.messages = rest
            self._answer(message, message.answers)
            return
        answers = self._land(message.question)
        self.messages = rest if message.asker_gave_up else (*rest, replace(message, answers=answers))

    def time_out(self, index: int) -> None:
        message = self.messages[index]
        rest = (*self.messages[:index], *self.messages[index + 1 :])
        self.now += 0.001
        self.store_behind = True
        if isinstance(message.question, Claim):
            self.unordered |= {message.question.seat.session}
        self.messages = rest if message.answers is not None else (*rest, replace(message, asker_gave_up=True))
        self._answer(message, None)

    # --- how it ends ---

    def settle(self) -> None:
        """Let everything arrive and a few leases pass, then check the whole."""
        self._move_all()
        if not self.store_behind and len(self.nodes) == len({player.node for player in self.players.values()}):
            ghosts = self.shown - frozenset().union(*self.seated.values())
            hold(Invariant.VIEW_IS_SOCKETS, not ghosts, f"the store shows {ghosts} until their lease is over")
        for _ in range(round(REST_S / RENEW_S)):
            self._move_all()
            self.pass_time(RENEW_S)
        self._move_all()
        self.check_at_rest()

    def _move_all(self) -> None:
        while self.messages:
            self.move(0)

    def check_at_rest(self) -> None:
        held = frozenset().union(*self.seated.values())
        shown = set(self.table.thaw().live_sessions(ROOM, round(self.now * 1000)))
        hold(Invariant.VIEW_IS_SOCKETS, held == shown, f"the store shows {shown}, the nodes hold {held}")
        devices = [self.players[session].device for session in held]
        one_slot = self.policy is not RoomPolicy.MULTI
        hold(Invariant.ONE_SEAT, len(held) <= 1 or not one_slot, f"one slot, held by {held}")
        hold(Invariant.ONE_SEAT, len(devices) == len(set(devices)), f"one device, held by {held}")
        hold(Invariant.VIEW_IS_SOCKETS, not held & self.ended, f"{held & self.ended} left and is still there")
        seated = self.acknowledged - self.ended - self.lost.keys()
        hold(Invariant.ACKNOWLEDGED_HOLDS, seated <= held, f"{seated} should sit, {held} does")
        hold(Invariant.VIEW_IS_SOCKETS, held <= seated, f"{held} sits, and only {seated} was told so")

    # --- the parts ---

    def _sessions_of(self, node: str) -> frozenset[str]:
        return frozenset(player.session for player in self.players.values() if player.node == node)

    def _tell(self, node: str, event: RegistryEvent) -> None:
        core, heard = self.hear(self.nodes[node], (event, self.now))
        self.nodes = self.nodes | {node: core}
        self.seated = self.seated | {node: heard.seated}
        for effect in heard.effects:
            match effect:
                case Touch() | Assert():
                    self.messages += (OnItsWay(node, replace(effect, asked_at=NO_MATTER)),)
                case Claim() | Release():
                    self.messages += (OnItsWay(node, effect),)
                case Admit(session=session, degraded=degraded):
                    self.acknowledged |= {session}
                    if degraded:
                        self._note_admitted(session)
                case Refuse(session=session, code=code, highest_attempt=highest):
                    self.refused = self.refused | {session: code}
                    self.highest = self.highest | {session: highest}
                    self._check_refusal(session, code)
                case SeatLost(session=session, reason=reason):
                    self.lost = self.lost | {session: reason}
                    if reason == "replaced":
                        self._check_replaced(effect)

    def _land(self, question: Question) -> tuple[SeatAnswer, ...]:
        self.table, landed = self.land(self.table, (question, round(self.now * 1000)))
        self.shown = landed.after
        match question:
            case Claim(seat=seat) if landed.answers[0].verdict is Verdict.OK:
                self._note_admitted(seat.session)
            case Release(seats=seats):
                self.released |= {seat.session for seat in seats if seat.attempt == self.players[seat.session].attempt}
        self._check_newest_shown(landed.after)
        if isinstance(question, Claim | Assert):
            self.now += 0.001  # No two seats are taken in the same millisecond, so that clocks order them.
        return landed.answers

    def _answer(self, message: OnItsWay, answers: tuple[SeatAnswer, ...] | None) -> None:
        if message.node in self.nodes:
            self._tell(message.node, _as_event(message.question, answers, round(self.now * 1000)))

    def _note_admitted(self, session: str) -> None:
        if session not in self.admitted:
            self.admitted += (session,)

    # --- what must hold all the time ---

    def _newer_than(self, session: str) -> set[str]:
        """Who may take the seat of `session`: newer attempts of its device, later joins of other devices."""
        me = self.players[session]
        place = self.admitted.index(session) if session in self.admitted else -1
        newer = set()
        for index, name in enumerate(self.admitted):
            other = self.players[name]
            if other.device != me.device:
                is_newer = index > place or name in self.unordered
            elif other.attempt == me.attempt:
                # One token on two sockets: whoever was first in has it, if the store was asked and remembers it.
                is_newer = index < place or place < 0 or session in self.unordered or self.store_behind
            else:
                is_newer = other.attempt > me.attempt
            if is_newer and name != session:
                newer.add(name)
        return newer

    def _check_replaced(self, lost: SeatLost) -> None:
        newer = self._newer_than(lost.session)
        hold(Invariant.ACKNOWLEDGED_HOLDS, bool(newer), f"{lost.session} was `replaced`, and nobody newer ever joined")
        me = self.players[lost.session]
        heirs = {
            name
            for name in newer - self.ended
            if (self.players[name].device, self.players[name].node) == (me.device, me.node)
            and self.players[name].attempt > me.attempt
        }
        hold(Invariant.NO_FLICKER, not heirs or lost.successor in heirs, f"{heirs} sits on for {lost.session}")

    def _check_refusal(self, session: str, code: ErrorCode) -> None:
        if code in (ErrorCode.ATTEMPT_STALE, ErrorCode.REPLACED):
            me = self.players[session]
            newer = any(
                name in self.admitted if other.device != me.device else other.attempt >= me.attempt
                for name, other in self.players.items()
                if name != session and name in self.asked
            )
            hold(Invariant.NEWEST_WINS, newer, f"{session} was refused as {code}, and nobody newer ever joined")

    def _check_newest_shown(self, shown: frozenset[SessionId]) -> None:
        """What was released is not seen again, and after an acknowledged join no older one is."""
        hold(Invariant.NO_FLICKER, not shown & self.released, f"{shown & self.released} ended and is shown again")
        if self.store_behind:
            return
        for session in shown:
            me = self.players[session]
            newer = {
                name
                for name in self._newer_than(session) & self.acknowledged
                for other in (self.players[name],)
                # One token on two sockets makes two joins of one attempt: the store lets in whichever it sees first.
                if (other.device, other.attempt) != (me.device, me.attempt)
                and (other.device == me.device or self.policy is not RoomPolicy.MULTI)
            }
            hold(Invariant.ACKNOWLEDGED_HOLDS, not newer, f"the store shows {session}, and {newer} joined after it")


def _empty_table() -> Frozen[SeatTable]:
    return Frozen.of(SeatTable(lease_ms=round(LEASE_S * 1000), keep_ms=3_600_000))


def _hear(core: SeatRegistry, what: Hashable, sessions: tuple[SessionId, ...]) -> Heard:
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
    return Heard(effects, frozenset(seated))


def _land(table: SeatTable, what: Hashable) -> Landed:
    """Let a question land twice, as one may that was sent again: the second time changes nothing."""
    question, now_ms = cast("tuple[Question, int]", what)
    before, known = table.live_sessions(ROOM, now_ms), table.live_sessions(ROOM, _WITH_LAPSED)
    answers = _ask(table, question, now_ms)
    after = table.live_sessions(ROOM, now_ms)
    appeared, gone = after - before, before - after
    match question:
        case Touch():
            hold(Invariant.UPDATE_NEVER_INSERTS, appeared <= known, f"a renewal brought {appeared}")
        case Release(seats=seats):
            own = {seat.session for seat in seats}
            hold(Invariant.OLDER_REMOVAL_IS_NOTHING, gone <= own, f"the release of {own} removed {gone}")
    once = fingerprint_of(table)
    again = _ask(table, question, now_ms)
    hold(Invariant.TWICE_IS_ONCE, fingerprint_of(table) == once, f"a second {question} changed something")
    if not isinstance(question, Release):
        verdicts = [answer.verdict for answer in answers]
        hold(Invariant.TWICE_IS_ONCE, verdicts == [answer.verdict for answer in again], f"a second {question} failed")
    return Landed(answers, before, after)


def _ask(table: SeatTable, question: Question, now_ms: int) -> tuple[SeatAnswer, ...]:
    table._changes = 0  # Counts towards the next sweep, which is far away; equal tables are to be equal.
    match question:
        case Claim(seat=seat, rules=rules, silent=silent):
            return (table.claim(seat, now_ms, rules, silent=silent),)
        case Touch(seats=seats):
            return tuple(table.touch(seat, now_ms) for seat in seats)
        case Assert(seats=seats):
            return tuple(table.state(seat, now_ms) for seat in seats)
        case Release(seats=seats):
            return tuple(table.release(seat, now_ms) for seat in seats)


def _as_event(question: Question, answers: tuple[SeatAnswer, ...] | None, wall_ms: int) -> RegistryEvent:
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


KINDS: dict[str, tuple[str, int, RoomPolicy]] = {
    "refresh": ("laptop-01", 2, RoomPolicy.REPLACE),
    "two tabs": ("phone-001", 1, RoomPolicy.REPLACE),
    "two tabs let in": ("phone-001", 1, RoomPolicy.MULTI),
    "one token twice": ("laptop-01", 1, RoomPolicy.REPLACE),
    "lost counter": ("laptop-01", 1, RoomPolicy.REPLACE),
}
"""Of the second session of one person: its device, its attempt, the room's policy."""


def rejoin(kind: str, *, same_node: bool) -> WalkedModel:
    """A person, and the same person again."""
    device, attempt, policy = KINDS[kind]
    first = Player("s1", "laptop-01", 5 if kind == "lost counter" else 1, "n1")
    return WalkedModel.of(first, Player("s2", device, attempt, "n1" if same_node else "n2"), policy=policy)
