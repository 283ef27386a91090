"""What is so at one moment of a walk (walked_model.py), and what must hold of it: every check in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from session.records import AskHolder
from session.store import RoomPolicy, RoomRules, Verdict
from signalling.errors import ErrorCode
from tests.unit.session.invariants import Invariant, hold
from tests.unit.session.seats import ROOM

if TYPE_CHECKING:
    from collections.abc import Hashable

    from session.records import SeatLost
    from session.registry import SeatRegistry
    from session.registry_events import Claim
    from session.seat_table import SeatTable
    from signalling.ids import SessionId
    from tests.unit.session.frozen_states import Frozen, Transitions
    from tests.unit.session.walked_cores import Heard, Landed, OnItsWay

__all__ = ["Player", "WalkedState"]


@dataclass(frozen=True)
class Player:
    """A session that will join: who, from where, with which attempt."""

    session: str
    device: str
    attempt: int
    node: str


@dataclass
class WalkedState:
    """What is so in a walk at one moment. All its fields are values, so that a shallow copy is a copy."""

    players: dict[str, Player]
    nodes: dict[str, Frozen[SeatRegistry]]
    table: Frozen[SeatTable]
    hear: Transitions[SeatRegistry, Heard]
    land: Transitions[SeatTable, Landed]
    rules: RoomRules
    """The room's, as the repository has them."""
    known: dict[str, RoomRules]
    """The rules as each node last read them."""
    claimed_by: dict[str, RoomRules] = field(default_factory=dict)
    """The rules by which each session claimed last."""
    is_banned: bool = False
    """The person, in the repository."""
    was_banned: bool = False
    now: float = 100.0
    messages: tuple[OnItsWay, ...] = ()
    seated: dict[str, frozenset[str]] = field(default_factory=dict)
    """Who sits on each node."""
    pending: dict[str, int] = field(default_factory=dict)
    """How many joins wait on each node."""
    shown: frozenset[SessionId] = frozenset()
    """Whom the table showed last."""
    admitted: tuple[str, ...] = ()
    """Sessions in the order in which they first got their seat, in the table or without it."""
    asked: frozenset[str] = frozenset()
    acknowledged: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    """Sessions that left, or whose socket is gone for good."""
    mute: frozenset[str] = frozenset()
    """Sessions with a socket that nobody has noticed to be dead."""
    was_silent: frozenset[str] = frozenset()
    vouched: frozenset[str] = frozenset()
    """Sessions that said that they are there, or that could not be asked."""
    changes: int = 0
    """How often the room's definition became another one."""
    several: bool = False
    """The room lets a person in several times, or once did."""
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

    def state(self) -> Hashable:
        """Equal for models that go on alike; the order in which messages were sent does not matter."""
        return (
            self.table,
            tuple(self.nodes.values()),
            self.now,
            frozenset((message, self.messages.count(message)) for message in self.messages),
            self.admitted,
            (self.asked, self.acknowledged, self.ended, self.unordered, self.released),
            (self.mute, self.was_silent, self.vouched),
            (self.rules, self.is_banned, self.was_banned, self.changes, self.several),
            *(frozenset(each.items()) for each in (self.players, self.lost, self.refused, self.highest, self.known)),
            self.saved,
            self.store_behind,
        )

    # --- at rest ---

    def check_at_rest(self) -> None:
        held = frozenset().union(*self.seated.values())
        shown = set(self.table.thaw().live_sessions(ROOM, round(self.now * 1000)))
        hold(Invariant.VIEW_IS_SOCKETS, held == shown, f"the store shows {shown}, the nodes hold {held}")
        devices = [self.players[session].device for session in held]
        hold(Invariant.ONE_SEAT, len(held) <= 1 or self.several, f"one slot, held by {held}")
        hold(Invariant.ONE_SEAT, len(devices) == len(set(devices)), f"one device, held by {held}")
        hold(Invariant.VIEW_IS_SOCKETS, not held & self.ended, f"{held & self.ended} left and is still there")
        seated = self.acknowledged - self.ended - self.lost.keys()
        hold(Invariant.ACKNOWLEDGED_HOLDS, seated <= held, f"{seated} should sit, {held} does")
        hold(Invariant.VIEW_IS_SOCKETS, held <= seated, f"{held} sits, and only {seated} was told so")
        hold(Invariant.BAN_ENDS, not held or not self.is_banned, f"{held} is banned and sits on")
        waiting = {node: self.pending[node] for node in self.nodes if self.pending.get(node)}
        hold(Invariant.JOINS_END, not waiting, f"{waiting} joins wait for ever")

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

    def _check_claimed(self, claim: Claim, landed: Landed) -> None:
        """A join is decided by what the room is when its claim lands."""
        me, verdict = self.players[claim.seat.session], landed.answers[0].verdict
        one_slot = claim.rules.policy is not RoomPolicy.MULTI
        others = {name for name in landed.before if self.players[name].device != me.device}
        sits = landed.before if one_slot else landed.before - others
        match verdict:
            case Verdict.OK:
                hold(Invariant.BAN_ENDS, not self.is_banned, f"{me} is banned and comes in")
                hold(Invariant.RULES_HOLD, claim.rules == self.rules, f"{me} comes in by rules of before")
                hold(Invariant.RULES_HOLD, bool(sits) or not self.rules.locked, f"{me} comes into a locked room")
                if claim.rules.policy is RoomPolicy.REJECT:
                    put_out = others - landed.after - self.ended - self.was_silent
                    hold(Invariant.RULES_HOLD, not put_out, f"{me} puts out {put_out}, who are there")
            case Verdict.LOCKED:
                hold(Invariant.RULES_HOLD, self.rules.locked and not sits, f"{me} finds {self.rules}, {sits} inside")
            case Verdict.CHANGED:
                hold(Invariant.RULES_HOLD, claim.rules != self.rules, f"nothing has changed for {me}")
            case Verdict.OCCUPIED:
                hold(Invariant.RULES_HOLD, bool(others), f"{me} is kept out by nobody")
            case _:
                pass

    def _check_admitted_alone(self, session: str, before: frozenset[str]) -> None:
        """Without the store, by the rules that the join knows."""
        locked = self.claimed_by[session].locked
        hold(Invariant.RULES_HOLD, bool(before) or not locked, f"{session} comes into a room that it knows locked")

    def _check_lost(self, lost: SeatLost) -> None:
        gone = self.ended | self.mute
        match lost.reason:
            case "replaced":
                self._check_replaced(lost)
            case "kicked":
                fair = lost.session in self.ended or self.was_banned
                hold(Invariant.ACKNOWLEDGED_HOLDS, fair, f"{lost.session} was kicked by nobody")
            case reason:
                hold(Invariant.ACKNOWLEDGED_HOLDS, lost.session in gone, f"{lost.session} was there: {reason}")

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
        match code:
            case ErrorCode.BANNED:
                hold(Invariant.BAN_ENDS, self.was_banned, f"{session} was refused as banned by nobody")
            case ErrorCode.ROOM_LOCKED:
                hold(Invariant.RULES_HOLD, self.rules.locked, f"{session} was refused by an open room")
            case ErrorCode.ROOM_CHANGED:
                hold(Invariant.RULES_HOLD, self.changes > 1, f"the room changed {self.changes} times for {session}")
            case ErrorCode.SEAT_OCCUPIED:
                self._check_occupied(session)
            case _:
                pass
        if code in (ErrorCode.ATTEMPT_STALE, ErrorCode.REPLACED):
            me = self.players[session]
            newer = any(
                name in self.admitted if other.device != me.device else other.attempt >= me.attempt
                for name, other in self.players.items()
                if name != session and name in self.asked
            )
            hold(Invariant.NEWEST_WINS, newer, f"{session} was refused as {code}, and nobody newer ever joined")

    def _check_occupied(self, session: str) -> None:
        """Kept out by somebody who is there, or of whom nobody could be asked."""
        asked = {message.question.holder for message in self.messages if isinstance(message.question, AskHolder)}
        keeps_out = {
            name
            for name in self.asked
            if self.players[name].device != self.players[session].device
            and (name in self.vouched | asked or name not in self.ended | self.mute)
        }
        hold(Invariant.RULES_HOLD, bool(keeps_out), f"{session} is kept out by a seat that nobody sits in")

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
                and (other.device == me.device or not self.several)
            }
            hold(Invariant.ACKNOWLEDGED_HOLDS, not newer, f"the store shows {session}, and {newer} joined after it")
