"""As cluster_model.py, for walks through every schedule: cores are values, and each step is worked out once.

A question to the store is first *on its way*, then it *lands* (the table changes), then its answer is
*delivered*; a test picks which of them happens next. A question may also time out: its asker is told
that there was no answer, and the question lands later all the same.

The model checks while it runs, and :meth:`WalkedModel.settle` at quiescence.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from session.config import SessionConfig
from session.records import AskHolder, HolderState, SeatLost
from session.registry import SeatRegistry
from session.registry_events import (
    Admit,
    Assert,
    CheckRequested,
    Claim,
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
    RegistryEvent,
    Release,
    RulesRead,
    SessionMinted,
    SocketClosed,
    SocketTimedOut,
    Tick,
    Touch,
)
from session.seat_table import SeatTable
from session.store import RoomPolicy, RoomRules, SeatAnswer, Verdict
from signalling.ids import NodeId, SessionId
from tests.unit.session.frozen_states import Frozen, Transitions
from tests.unit.session.invariants import Invariant, hold
from tests.unit.session.seats import ROOM, by, record
from tests.unit.session.walked_cores import NO_MATTER, OnItsWay, as_event, hear, land, unanswered
from tests.unit.session.walked_state import Player, WalkedState

if TYPE_CHECKING:
    from tests.unit.session.walked_cores import Question

__all__ = ["GRACE_S", "KINDS", "LEASE_S", "RENEW_S", "OnItsWay", "Player", "WalkedModel", "rejoin"]

LEASE_S = 8.0
RENEW_S = 2.5
GRACE_S = 6.0

REST_S = 20.0
"""A grace, a renewal and a lease, after which nothing is left to happen."""


@dataclass
class WalkedModel(WalkedState):
    """A cluster, and all that may happen to it."""

    @classmethod
    def of(cls, *players: Player, policy: RoomPolicy = RoomPolicy.REPLACE) -> WalkedModel:
        sessions = tuple(SessionId(player.session) for player in players)
        nodes = {}
        for node in sorted({player.node for player in players}):
            config = SessionConfig(cluster="c", node=NodeId(node), lease_s=LEASE_S, renew_s=RENEW_S, grace_s=GRACE_S)
            nodes[node] = Frozen.of(SeatRegistry(config))
        rules = by(10, policy=policy, revision=1)
        return cls(
            players={player.session: player for player in players},
            nodes=nodes,
            table=_empty_table(),
            hear=Transitions(lambda core, what: hear(core, what, sessions)),
            land=Transitions(land),
            rules=rules,
            known=dict.fromkeys(nodes, rules),
            several=policy is RoomPolicy.MULTI,
        )

    def copy(self) -> WalkedModel:
        return copy.copy(self)

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
        rules = self.known[player.node]
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

    def fall_silent(self, session: str) -> None:
        """Its client is gone, or its network stands still; nobody finds out before it is asked."""
        self.mute |= {session}
        self.was_silent |= {session}

    def be_heard(self, session: str) -> None:
        """It was only its network."""
        self.mute -= {session}
        self._tell(self.players[session].node, HolderHeard(holder=SessionId(session)))

    def expel(self, session: str) -> None:
        """A moderator puts it out."""
        self.ended |= {session}
        self._tell(self.players[session].node, Expelled(session=SessionId(session), room=ROOM, reason="kicked"))

    def ban(self) -> None:
        """A moderator bans the person: the repository knows, and the nodes find out."""
        self.is_banned = self.was_banned = True

    def lift_ban(self) -> None:
        self.is_banned = False

    def lock(self) -> None:
        self._alter(replace(self.rules, locked=True))

    def unlock(self) -> None:
        self._alter(replace(self.rules, locked=False))

    def alter(self, policy: RoomPolicy | None = None) -> None:
        """The definition becomes another one: in its policy, or in nothing that joins are decided by."""
        self._alter(self.rules if policy is None else replace(self.rules, policy=policy))

    def _alter(self, rules: RoomRules) -> None:
        self.rules = replace(rules, revision=rules.revision + 1)
        self.changes += 1
        self.several = self.several or rules.policy is RoomPolicy.MULTI

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
        self.messages = rest
        if message.has_landed:
            self._answer(message)
            return
        landed = self._land(message)
        if landed is not None and not message.asker_gave_up:
            self.messages += (landed,)

    def time_out(self, index: int) -> None:
        message = self.messages[index]
        rest = (*self.messages[:index], *self.messages[index + 1 :])
        self.now += 0.001
        self.messages = rest if message.has_landed else (*rest, replace(message, asker_gave_up=True))
        question = message.question
        if isinstance(question, ReadRules | AskHolder):
            if isinstance(question, AskHolder):
                self.vouched |= {question.holder}
            self._answer(replace(message, word=unanswered(question)))
            return
        self.store_behind = True
        if isinstance(question, Claim):
            self.unordered |= {question.seat.session}
        self._answer(replace(message, answers=None))

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

    # --- the parts ---

    def _sessions_of(self, node: str) -> frozenset[str]:
        return frozenset(player.session for player in self.players.values() if player.node == node)

    def _tell(self, node: str, event: RegistryEvent) -> None:
        core, heard = self.hear(self.nodes[node], (event, self.now))
        self.nodes = self.nodes | {node: core}
        seated_before = self.seated.get(node, frozenset())
        self.seated, self.pending = self.seated | {node: heard.seated}, self.pending | {node: heard.pending}
        for effect in heard.effects:
            match effect:
                case Touch() | Assert():
                    self.messages += (OnItsWay(node, replace(effect, asked_at=NO_MATTER)),)
                case Claim() | Release() | ReadRules() | AskHolder():
                    self.messages += (OnItsWay(node, effect),)
                    if isinstance(effect, Claim):
                        self.claimed_by = self.claimed_by | {effect.seat.session: effect.rules}
                case Admit(session=session, degraded=degraded):
                    self.acknowledged |= {session}
                    if degraded:
                        self._check_admitted_alone(session, seated_before)
                        self._note_admitted(session)
                case Refuse(session=session, code=code, highest_attempt=highest):
                    self.refused = self.refused | {session: code}
                    self.highest = self.highest | {session: highest}
                    self._check_refusal(session, code)
                case SeatLost(session=session, reason=reason):
                    self.lost = self.lost | {session: reason}
                    self._check_lost(effect)

    def _land(self, message: OnItsWay) -> OnItsWay | None:
        match message.question:
            case ReadRules(session=session, room=room, attempt=attempt):
                read = RulesRead(session=session, room=room, attempt=attempt, rules=self.rules)
                return replace(message, word=read)
            case AskHolder() as question:
                return self._find_out(message, question)
            case question:
                return replace(message, answers=self._land_in_table(question))

    def _land_in_table(self, question: Question) -> tuple[SeatAnswer, ...]:
        what = (question, round(self.now * 1000), self.rules.revision, self.is_banned)
        self.table, landed = self.land(self.table, what)
        self.shown = landed.after
        match question:
            case Claim():
                self._check_claimed(question, landed)
                if landed.answers[0].verdict is Verdict.OK:
                    self._note_admitted(question.seat.session)
            case Touch() | Assert():
                ok = any(answer.verdict is Verdict.OK for answer in landed.answers)
                hold(Invariant.BAN_ENDS, not (ok and self.is_banned), f"{question} of the banned is welcome")
            case Release(seats=seats):
                self.released |= {seat.session for seat in seats if seat.attempt == self.players[seat.session].attempt}
        self._check_newest_shown(landed.after)
        if isinstance(question, Claim | Assert):
            self.now += 0.001  # No two seats are taken in the same millisecond, so that clocks order them.
        return landed.answers

    def _find_out(self, message: OnItsWay, question: AskHolder) -> OnItsWay | None:
        """The node of a holder asks it, and begins its grace where it says nothing."""
        node, holder = str(question.node), question.holder
        state = HolderState.UNREACHABLE
        if node in self.nodes:
            is_there = self.nodes[node].thaw().keeps_others_out(holder, ROOM) and holder not in self.mute
            state = HolderState.ALIVE if is_there else HolderState.SILENT
        if state is not HolderState.SILENT:
            self.vouched |= {holder}
        word = HolderAnswered(holder=holder, room=ROOM, state=state)
        if node in self.nodes and (node == message.node or state is HolderState.SILENT):
            self._tell(node, word)
        return None if node == message.node else replace(message, word=word)

    def _answer(self, message: OnItsWay) -> None:
        if message.node not in self.nodes:
            return
        match message.question:
            case ReadRules() | AskHolder():
                assert message.word is not None
                if isinstance(message.word, RulesRead) and message.word.rules is not None:
                    self.known = self.known | {message.node: message.word.rules}
                self._tell(message.node, message.word)
            case question:
                self._tell(message.node, as_event(question, message.answers, round(self.now * 1000)))

    def _note_admitted(self, session: str) -> None:
        if session not in self.admitted:
            self.admitted += (session,)


def _empty_table() -> Frozen[SeatTable]:
    return Frozen.of(SeatTable(lease_ms=round(LEASE_S * 1000), keep_ms=3_600_000))


KINDS: dict[str, tuple[str, int, RoomPolicy]] = {
    "refresh": ("laptop-01", 2, RoomPolicy.REPLACE),
    "two tabs": ("phone-001", 1, RoomPolicy.REPLACE),
    "kept out": ("phone-001", 1, RoomPolicy.REJECT),
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
