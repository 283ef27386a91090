"""How a join comes to its seat, or to a refusal: the part of the registry that claims. Pure.

| answer to a claim | what becomes of the join |
|---|---|
| ok | seated, unless something newer happened here meanwhile |
| superseded, banned, locked, full | refused |
| changed | the room's rules are read again, and it claims once more; changed again: refused |
| occupied | the holder is asked. Silent: it claims once more and says so. Alive or unreachable: refused |
| none | admitted by what this node knows: its seats, the rules it has, the bans it has met; marked provisional |

A join claims under one attempt, so a claim that is repeated acts once. One without an answer may have landed:
if the join is refused after it, its attempt is released.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from session.joins_on_way import Awaits, Claims
from session.records import AskHolder, HolderState
from session.registry_events import Claim, ReadRules, Refuse
from session.store import RoomPolicy, Seat, Verdict, other_slot_of, slot_of
from signalling.errors import ErrorCode

if TYPE_CHECKING:
    from session.config import SessionConfig
    from session.joins_on_way import Claiming, JoinKey
    from session.registry_events import ClaimAnswered, JoinRequested, RegistryEffect, RulesRead
    from session.seat_book import SeatBook
    from session.store import RoomRules
    from signalling.ids import NodeId, RoomId, SessionId

__all__ = ["HOLDER_SLACK_S", "Joining"]

HOLDER_SLACK_S: Final = 0.5
"""Beyond the holder's own deadline: the way to its node and back, across an ocean and with one repeat."""


class Joining:
    """The joins of one node that are on their way.

    Args:
        config: this node's name, and how long a holder may be silent.
        book: the node's seats.
    """

    def __init__(self, config: SessionConfig, book: SeatBook) -> None:
        self._config = config
        self._book = book
        self.claims = Claims()

    def request(self, event: JoinRequested, *, draining: bool) -> None:
        """A session wants a seat."""
        key = (event.session, event.room, event.attempt)
        known = self._book.sessions.get(event.session)
        if known is None or not known.connected:
            self._do(refuse(key, ErrorCode.UNEXPECTED_MESSAGE))
            return
        held = self._book.held.of(event.session, event.room)
        if held is not None and held.seat.attempt == event.attempt:
            self._book.admit(held)
            return
        claiming = self.claims.get(key)
        if claiming is not None:
            # One that was given up is about to be released, and its attempt with it.
            if not claiming.wanted:
                self._do(refuse(key, ErrorCode.ATTEMPT_STALE, event.attempt))
            return
        if draining:
            self._do(refuse(key, ErrorCode.NODE_DRAINING))
            return
        seat = self._seat_wanted(key, event.rules)
        highest = self._highest_attempt(seat)
        if event.attempt <= highest:
            self._do(refuse(key, ErrorCode.ATTEMPT_STALE, highest))
            return
        self.claims.start(key, seat, event.rules)
        self._do(Claim(seat=seat, rules=event.rules))

    def claim_answered(self, event: ClaimAnswered, now: float) -> None:
        """The store answered a claim, or did not."""
        answer = event.answer
        key = (event.seat.session, event.seat.room, event.seat.attempt)
        claiming = self.claims.get(key)
        if claiming is None:
            held = self._book.held.of(event.seat.session, event.seat.room)
            is_seated = held is not None and held.seat.attempt == event.seat.attempt
            if not is_seated and (answer is None or answer.verdict is Verdict.OK):
                self._book.release((event.seat,), now)
            return
        if claiming.awaits is not Awaits.STORE or claiming.claims != event.number:
            return  # An answer that came before: the join has moved on.
        if answer is None or answer.verdict is Verdict.OK:
            claiming.may_be_seated = True
        if not claiming.wanted:
            self._drop(key, claiming, now)
            return
        if answer is None:
            self._admit_alone(key, claiming, event.wall_ms, now)
            return
        # Not the highest attempt: it may be that of a claim from here whose answer is still on its way.
        self._book.memory.note(event.seat, now, epoch=answer.epoch, banned=answer.verdict is Verdict.BANNED)
        match answer.verdict:
            case Verdict.OK:
                seat = replace(claiming.seat, epoch=answer.epoch)
                if self._seat(key, claiming, seat, now):
                    # Claims are made at once and cross: an old answer knows fewer nodes.
                    self._book.learn_nodes(seat.room, answer.nodes, asked_at=None, now=now)
            case Verdict.CHANGED:
                self._read_rules(key, claiming, now)
            case Verdict.OCCUPIED:
                self._ask_holder(key, claiming, answer.by_session, answer.by_node, now)
            case Verdict.BANNED:
                self._refuse(key, claiming, ErrorCode.BANNED, now)
            case Verdict.LOCKED:
                self._refuse(key, claiming, ErrorCode.ROOM_LOCKED, now)
            case Verdict.FULL:
                self._refuse(key, claiming, ErrorCode.ROOM_FULL, now)
            case Verdict.SUPERSEDED | Verdict.UNKNOWN | Verdict.KICKED | Verdict.DELETED:
                self._refuse(key, claiming, ErrorCode.ATTEMPT_STALE, now, answer.highest_attempt)

    def rules_read(self, event: RulesRead, now: float) -> None:
        """The room's rules were read again for a join."""
        key = (event.session, event.room, event.attempt)
        claiming = self.claims.get(key)
        if claiming is None or claiming.awaits is not Awaits.RULES:
            return
        if not claiming.wanted:
            self._drop(key, claiming, now)
        elif event.rules is None:
            self._refuse(key, claiming, event.refusal or ErrorCode.ROOM_CHANGED, now)
        else:
            claiming.rules = event.rules
            claiming.seat = self._seat_wanted(key, event.rules)
            self._claim_again(claiming)

    def holder_answered(self, holder: SessionId, room: RoomId, state: HolderState, now: float) -> None:
        """Whoever sits in a slot of a room was asked whether it is there."""
        for key in self.claims.end_asking(holder, room):
            self._go_on(key, state, now)

    def end_overdue(self, now: float) -> None:
        """No word of a holder came in time; its seat stands until its lease ends."""
        for key in self.claims.end_overdue(now):
            self._go_on(key, HolderState.UNREACHABLE, now)

    # --- the store's word ---

    def _seat(self, key: JoinKey, claiming: Claiming, seat: Seat, now: float) -> bool:
        claiming.seat = seat
        code = self._why_not(seat, claiming.rules)
        if code is not None:
            self._refuse(key, claiming, code, now, self._highest_attempt(seat))
            return False
        self.claims.drop(key)
        self._book.sit(seat, claiming.rules, now)
        return True

    def _read_rules(self, key: JoinKey, claiming: Claiming, now: float) -> None:
        if claiming.has_reread:
            self._refuse(key, claiming, ErrorCode.ROOM_CHANGED, now)
            return
        claiming.has_reread, claiming.awaits = True, Awaits.RULES
        self._do(ReadRules(session=key[0], room=key[1], attempt=key[2]))

    def _ask_holder(
        self, key: JoinKey, claiming: Claiming, holder: SessionId | None, node: NodeId | None, now: float
    ) -> None:
        if claiming.holder is not None or holder is None or node is None:
            # Asked already: whoever sits there now came in between.
            self._refuse(key, claiming, ErrorCode.SEAT_OCCUPIED, now)
            return
        if node == self._config.node:
            known = self._book.sessions.get(holder)
            if known is None or not known.connected:
                claiming.holder = holder
                self._claim_again(claiming)
                return
        until = now + self._config.holder_ping_s + HOLDER_SLACK_S
        if self.claims.await_holder(key, holder, until):
            self._do(AskHolder(holder=holder, node=node, room=key[1]))

    def _go_on(self, key: JoinKey, state: HolderState, now: float) -> None:
        claiming = self.claims.get(key)
        assert claiming is not None, "who waits for a holder is on the way"
        if not claiming.wanted:
            self._drop(key, claiming, now)
        elif state is HolderState.SILENT:
            self._claim_again(claiming)
        else:
            self._refuse(key, claiming, ErrorCode.SEAT_OCCUPIED, now)

    def _claim_again(self, claiming: Claiming) -> None:
        claiming.awaits = Awaits.STORE
        claiming.claims += 1
        self._do(
            Claim(seat=claiming.seat, rules=claiming.rules, silent=claiming.holder, number=claiming.claims),
        )

    # --- without the store ---

    def _admit_alone(self, key: JoinKey, claiming: Claiming, wall_ms: int, now: float) -> None:
        seat = claiming.seat
        sitting = self._book.held.in_slot(seat.room, seat.slot)
        is_kept_out = (
            claiming.rules.policy is RoomPolicy.REJECT
            and sitting is not None
            and sitting.seat.device != seat.device
            and not sitting.seat.in_grace
        )
        if is_kept_out and sitting is not None:
            self._ask_holder(key, claiming, sitting.seat.session, self._config.node, now)
            return
        if self._is_behind(seat):
            # Seated by the store while this join was on its way there: it is the later one, or nobody can tell.
            self._refuse(key, claiming, ErrorCode.REPLACED, now)
            return
        epoch = max(self._book.memory.epoch(seat.room, seat.slot) + 1, wall_ms)
        self._seat(key, claiming, replace(seat, epoch=epoch, provisional=True), now)

    def _why_not(self, seat: Seat, rules: RoomRules) -> ErrorCode | None:
        """What happened here while the store was asked, or what it could not check."""
        if seat.attempt <= self._highest_attempt(seat):
            return ErrorCode.ATTEMPT_STALE
        if self._is_behind(seat):
            return ErrorCode.REPLACED
        if not seat.provisional:
            return None
        if self._book.memory.is_banned(seat.room, seat.user):
            return ErrorCode.BANNED
        sitting = self._book.held.in_slot(seat.room, seat.slot)
        elsewhere = self._book.held.in_slot(seat.room, other_slot_of(seat))
        if sitting is not None or (elsewhere is not None and elsewhere.seat.device == seat.device):
            return None
        if rules.locked:
            return ErrorCode.ROOM_LOCKED
        return ErrorCode.ROOM_FULL if self._book.held.count_in(seat.room) >= rules.cap else None

    # --- the parts ---

    def _is_behind(self, seat: Seat) -> bool:
        """Whether another device sits in that slot here, by a later join than this one."""
        sitting = self._book.held.in_slot(seat.room, seat.slot)
        return sitting is not None and sitting.seat.device != seat.device and sitting.seat.epoch > seat.epoch

    def _seat_wanted(self, key: JoinKey, rules: RoomRules) -> Seat:
        session, room, attempt = key
        record = self._book.sessions[session].record
        slot = slot_of(rules.policy, record.user, record.device)
        return Seat(
            room=room,
            slot=slot,
            user=record.user,
            device=record.device,
            session=session,
            attempt=attempt,
            node=self._config.node,
            epoch=self._book.memory.epoch(room, slot),
        )

    def _highest_attempt(self, seat: Seat) -> int:
        # In both of its slots: the room's policy may have changed between two joins of a device.
        slots = (seat.slot, other_slot_of(seat))
        return max(self._book.memory.highest_attempt(seat.room, slot, seat.device) for slot in slots)

    def _refuse(self, key: JoinKey, claiming: Claiming, code: ErrorCode, now: float, highest_attempt: int = 0) -> None:
        self._drop(key, claiming, now)
        self._do(refuse(key, code, highest_attempt))

    def _drop(self, key: JoinKey, claiming: Claiming, now: float) -> None:
        """The join comes to nothing; what it may have taken is given back."""
        self.claims.drop(key)
        if claiming.may_be_seated:
            self._book.release((claiming.seat,), now)

    def _do(self, *effects: RegistryEffect) -> None:
        self._book.effects.extend(effects)


def refuse(key: JoinKey, code: ErrorCode, highest_attempt: int = 0) -> Refuse:
    """The refusal of that join."""
    return Refuse(session=key[0], room=key[1], attempt=key[2], code=code, highest_attempt=highest_attempt)
