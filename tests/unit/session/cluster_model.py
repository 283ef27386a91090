"""Two registries and one table of seats, with every message between them in the test's hands.

A question to the store is first *on its way*, then it *lands* (the table changes), then its answer is
*delivered*; a test picks which of them happens next. A question may also time out: its asker is told
that there was no answer, and the question lands later all the same.

The model checks while it runs, and :meth:`ClusterModel.settle` at quiescence.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from session.config import SessionConfig
from session.records import AskHolder, SeatLost
from session.registry import SeatRegistry
from session.registry_events import (
    Admit,
    Assert,
    AssertAnswered,
    Claim,
    ClaimAnswered,
    JoinRequested,
    LeaveRequested,
    PeerClosed,
    Refuse,
    RegistryEvent,
    Release,
    ReleaseAnswered,
    SessionMinted,
    SocketClosed,
    Tick,
    Touch,
    TouchAnswered,
)
from session.seat_table import SeatTable
from session.store import RoomRules, SeatAnswer, Verdict
from signalling.errors import ErrorCode
from signalling.ids import NodeId, SessionId
from tests.unit.session.seats import ROOM, by, record

Question: TypeAlias = Claim | Touch | Assert | Release

NO_MATTER = 0.0
"""How old an answer is decides which nodes are believed, and nothing about seats; equal times keep the states few."""

LEASE_S = 8.0
RENEW_S = 2.5


@dataclass(frozen=True)
class Player:
    """A session that will join once: who, from where, with which attempt."""

    session: str
    device: str
    attempt: int
    node: str


@dataclass
class OnItsWay:
    """A question, or its answer once it landed; `asker_gave_up` after a timeout."""

    node: str
    question: Question
    answers: tuple[SeatAnswer, ...] | None = None
    asker_gave_up: bool = False


@dataclass
class ClusterModel:
    players: dict[str, Player]
    nodes: dict[str, SeatRegistry]
    table: SeatTable
    now: float = 100.0
    rules: RoomRules = field(default_factory=lambda: by(10))
    messages: list[OnItsWay] = field(default_factory=list)
    questions: list[AskHolder] = field(default_factory=list)
    """Holders that a node wants to know about; under the policy `reject` alone."""
    admitted: list[str] = field(default_factory=list)
    """Sessions in the order in which they first got their seat, in the table or without it."""
    acknowledged: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    """Sessions that left, or whose socket is gone for good."""
    lost: dict[str, str] = field(default_factory=dict)
    refused: dict[str, ErrorCode] = field(default_factory=dict)
    unordered: set[str] = field(default_factory=set)
    """Sessions whose claim timed out: it may land after a later join of another device, and then stands above it."""
    released: set[str] = field(default_factory=set)
    """Sessions whose release landed in a table that still remembers it."""
    store_behind: bool = False
    """Emptied, lapsed, or not asked: the table may show an older seat until the owners spoke."""

    @classmethod
    def of(cls, *players: Player) -> ClusterModel:
        nodes = {
            node: SeatRegistry(
                SessionConfig(cluster="c", node=NodeId(node), lease_s=LEASE_S, renew_s=RENEW_S, grace_s=6.0)
            )
            for node in sorted({player.node for player in players})
        }
        return cls(
            players={player.session: player for player in players},
            nodes=nodes,
            table=SeatTable(lease_ms=round(LEASE_S * 1000), keep_ms=3_600_000),
        )

    def copy(self) -> ClusterModel:
        copied: ClusterModel = pickle.loads(pickle.dumps(self))
        return copied

    # --- what may happen ---

    def join(self, session: str) -> None:
        player = self.players[session]
        self._tell(player.node, SessionMinted(record=record(session, device=player.device, node=player.node)))
        self._tell(
            player.node, JoinRequested(session=SessionId(session), room=ROOM, attempt=player.attempt, rules=self.rules)
        )

    def leave(self, session: str) -> None:
        self._end(session)
        self._tell(self.players[session].node, LeaveRequested(session=SessionId(session), room=ROOM))

    def close(self, session: str) -> None:
        self._end(session)
        self._tell(self.players[session].node, SocketClosed(session=SessionId(session)))

    def peer_closed(self, session: str) -> None:
        self._tell(self.players[session].node, PeerClosed(session=SessionId(session)))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for node in tuple(self.nodes):
            self._tell(node, Tick())

    def kill(self, node: str) -> None:
        """The process is gone; what it sent may still land."""
        del self.nodes[node]
        for message in self.messages:
            message.asker_gave_up = message.asker_gave_up or message.node == node
        for player in self.players.values():
            if player.node == node:
                self._end(player.session)

    def empty_store(self) -> None:
        self.table = SeatTable(lease_ms=round(LEASE_S * 1000), keep_ms=3_600_000)
        self.released.clear()
        self.store_behind = True

    def forget_leases(self) -> None:
        """All leases lapse at once: the clock of the store jumps ahead."""
        self.now += LEASE_S + 1
        self.store_behind = True

    def move(self, index: int) -> None:
        """Let a question land, or an answer arrive."""
        message = self.messages[index]
        if message.answers is None:
            self._land(message)
            if message.asker_gave_up:
                self.messages.pop(index)
            return
        self.messages.pop(index)
        self._answer(message, message.answers)

    def time_out(self, index: int) -> None:
        message = self.messages[index]
        self.now += 0.001
        message.asker_gave_up = self.store_behind = True
        if isinstance(message.question, Claim):
            self.unordered.add(message.question.seat.session)
        if message.answers is not None:
            self.messages.pop(index)
        self._answer(message, None)

    # --- how it ends ---

    def settle(self) -> None:
        """Let everything arrive and a few leases pass, then check the whole."""
        for _ in range(12):
            while self.messages:
                self.move(0)
            self.pass_time(RENEW_S)
        while self.messages:
            self.move(0)
        self.check_at_rest()

    def check_at_rest(self) -> None:
        held = {
            session
            for session, player in self.players.items()
            if player.node in self.nodes and self.nodes[player.node].seat(SessionId(session), ROOM)
        }
        shown = set(self.table.live_sessions(ROOM, round(self.now * 1000)))
        assert held == shown, f"the store shows {shown}, the nodes hold {held}"
        assert len(held) <= 1, f"one slot, held by {held}"
        assert not held & self.ended, f"{held & self.ended} left and is still there"
        seated = self.acknowledged - self.ended - self.lost.keys()
        assert held == seated, f"{seated} should sit, {held} does"

    # --- the parts ---

    def _end(self, session: str) -> None:
        self.ended.add(session)

    def _tell(self, node: str, event: RegistryEvent) -> None:
        for effect in self.nodes[node].handle(event, self.now):
            match effect:
                case Touch() | Assert():
                    self.messages.append(OnItsWay(node, replace(effect, asked_at=NO_MATTER)))
                case Claim() | Release():
                    self.messages.append(OnItsWay(node, effect))
                case AskHolder():
                    self.questions.append(effect)
                case Admit(session=session, degraded=degraded):
                    self.acknowledged.add(session)
                    if degraded:
                        self._note_admitted(session)
                case Refuse(session=session, code=code):
                    self.refused[session] = code
                    self._check_refusal(session, code)
                case SeatLost(session=session, reason=reason):
                    self.lost[session] = reason
                    if reason == "replaced":
                        self._check_replaced(effect)

    def _land(self, message: OnItsWay) -> None:
        self.now += 0.001  # No two changes of one slot happen in the same millisecond.
        now_ms = round(self.now * 1000)
        before = self.table.live_sessions(ROOM, now_ms)
        answers: tuple[SeatAnswer, ...]
        match message.question:
            case Claim(seat=seat, rules=rules, silent=silent):
                answers = (self.table.claim(seat, now_ms, rules, silent=silent),)
                if answers[0].verdict is Verdict.OK:
                    self._note_admitted(seat.session)
            case Touch(seats=seats):
                answers = tuple(self.table.touch(seat, now_ms) for seat in seats)
                assert self.table.live_sessions(ROOM, now_ms) - before <= {
                    seat.session for seat, answer in zip(seats, answers, strict=True) if answer.verdict is Verdict.OK
                }
            case Assert(seats=seats):
                answers = tuple(self.table.state(seat, now_ms) for seat in seats)
            case Release(seats=seats):
                answers = tuple(self.table.release(seat, now_ms) for seat in seats)
                removed = before - self.table.live_sessions(ROOM, now_ms)
                assert removed <= {seat.session for seat in seats}, f"{removed} removed by another's release"
                self.released.update(seat.session for seat in seats)
        message.answers = answers
        self._check_newest_shown(now_ms)

    def _answer(self, message: OnItsWay, answers: tuple[SeatAnswer, ...] | None) -> None:
        event = _as_event(message.question, answers, round(self.now * 1000))
        if message.node in self.nodes:
            self._tell(message.node, event)

    def _note_admitted(self, session: str) -> None:
        if session not in self.admitted:
            self.admitted.append(session)

    # --- what must hold all the time ---

    def _newer_than(self, session: str) -> set[str]:
        """Who may take the seat of `session`: newer attempts of its device, later joins of others."""
        me = self.players[session]
        place = self.admitted.index(session) if session in self.admitted else -1
        return {
            other
            for other in self.admitted
            if other != session
            and (
                self.players[other].attempt > me.attempt
                if self.players[other].device == me.device
                else other in self.unordered or self.admitted.index(other) > place
            )
        }

    def _check_replaced(self, lost: SeatLost) -> None:
        newer = self._newer_than(lost.session)
        assert newer, f"{lost.session} was told `replaced`, and nobody newer ever joined"
        me = self.players[lost.session]
        heirs = {
            name
            for name in newer - self.ended
            if (self.players[name].device, self.players[name].node) == (me.device, me.node)
        }
        assert not heirs or lost.successor in heirs, f"{heirs} sits on for {lost.session}, and the room sees a gap"

    def _check_refusal(self, session: str, code: ErrorCode) -> None:
        if code in (ErrorCode.ATTEMPT_STALE, ErrorCode.REPLACED):
            me = self.players[session]
            newer = any(
                other.device != me.device or other.attempt >= me.attempt
                for name, other in self.players.items()
                if name != session and name in self.admitted
            )
            assert newer, f"{session} was refused as {code}, and nobody newer ever joined"

    def _check_newest_shown(self, now_ms: int) -> None:
        """What was released is not seen again, and after an acknowledged join no older one is."""
        shown = self.table.live_sessions(ROOM, now_ms)
        assert not shown & self.released, f"{shown & self.released} ended and is shown again"
        if self.store_behind:
            return
        for session in shown:
            newer = self._newer_than(session) & self.acknowledged
            assert not newer, f"the store shows {session} although {newer} joined after it"


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


def rejoin(*, same_node: bool, same_device: bool) -> ClusterModel:
    """A person, and the same person again: a refresh, or another device."""
    second = Player("s2", "laptop-01" if same_device else "phone-001", 2, "n1" if same_node else "n2")
    return ClusterModel.of(Player("s1", "laptop-01", 1, "n1"), second)
