"""Rules with one decision taken wrongly, and the invariant that each of them breaks.

| mutant | invariant |
|---|---|
| a claim takes whatever seat | ACKNOWLEDGED_HOLDS |
| a claim admits an equal attempt | ACKNOWLEDGED_HOLDS |
| a claim ignores the tombstone | NO_FLICKER |
| a claim refuses newer attempts | NEWEST_WINS |
| an assert is as strong as a claim | TWICE_IS_ONCE |
| an assert beats another device | ACKNOWLEDGED_HOLDS |
| an assert never fills | VIEW_IS_SOCKETS |
| a slot for each device | ONE_SEAT |
| a touch inserts | UPDATE_NEVER_INSERTS |
| unknown is taken for superseded | ACKNOWLEDGED_HOLDS |
| a release removes whoever sits | OLDER_REMOVAL_IS_NOTHING |
| a release leaves no tombstone | NO_FLICKER |
| a take raises the epoch each time | TWICE_IS_ONCE |
| a node overlooks an heir on its way | NO_FLICKER |
| a node keeps a lost seat | VIEW_IS_SOCKETS |
| a node ignores the grace | VIEW_IS_SOCKETS |
| a peer that closes ends the seat | ACKNOWLEDGED_HOLDS |
| a node forgets to release | VIEW_IS_SOCKETS |
| a node believes silence | ACKNOWLEDGED_HOLDS |
| a room's set keeps who left | COUNTS_ARE_SIZES |
| a repeated join claims again | TWICE_IS_ONCE |
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from session import held_seats, joining, joins_on_way, registry, seat_book, seat_table
from session.registry_events import PeerClosed
from session.store import SeatAnswer, SlotId, Verdict
from signalling.errors import ErrorCode
from tests.unit.session.invariants import Invariant

if TYPE_CHECKING:
    from collections.abc import Callable

    from session.registry_events import RegistryEffect, RegistryEvent
    from session.store import RoomRules, Seat
    from signalling.ids import SessionId

__all__ = ["MUTANTS", "Mutant"]

_Change = seat_table._Change
_Table = seat_table.SeatTable
_Registry = registry.SeatRegistry
_Joining = joining.Joining


@dataclass(frozen=True)
class Mutant:
    """What is replaced by what, which invariant that breaks, and in which schedules.

    `kind`, `acts`: see :mod:`tests.unit.session.schedules`.
    """

    owner: object
    name: str
    broken: Callable[..., object]
    breaks: Invariant
    kind: str
    acts: frozenset[str]
    same_node: bool = False
    timeouts: int = 0


def _claim_whatever(change: _Change, *_: object, **__: object) -> SeatAnswer:
    return change._take(max(change._slot.mark + 1, change._now))


def _claim_equal(change: _Change, *given: Any) -> SeatAnswer:
    if change._seat.attempt == change._highest():
        return change._take(change._slot.mark + 1)
    return _claim(change, *given)


def _claim_newest_only(change: _Change, *given: Any) -> SeatAnswer:
    if change._is_live() and not change._is_mine():
        return change._answer(Verdict.SUPERSEDED)
    return _claim(change, *given)


def _state_as_claim(change: _Change) -> SeatAnswer:
    return change._take(change._slot.mark + 1)


def _state_beats_devices(change: _Change) -> SeatAnswer:
    holder = change._slot.holder
    if holder is not None and holder.device != change._seat.device:
        return change._take(change._slot.mark + 1)
    return _state(change)


def _state_never_fills(change: _Change) -> SeatAnswer:
    return _state(change) if change._is_mine() else change._answer(Verdict.UNKNOWN)


def _touch_inserts(change: _Change) -> SeatAnswer:
    answer = _touch(change)
    return change._take(change._seat.epoch) if answer.verdict is Verdict.UNKNOWN else answer


def _touch_superseded(change: _Change) -> SeatAnswer:
    answer = _touch(change)
    return change._answer(Verdict.SUPERSEDED) if answer.verdict is Verdict.UNKNOWN else answer


def _release_whoever(change: _Change) -> SeatAnswer:
    change._slot.holder = None
    return change._answer(Verdict.OK)


def _release_without_tombstone(change: _Change) -> SeatAnswer:
    if change._is_mine():
        change._slot.holder = None
    return change._answer(Verdict.OK)


def _renew_raises(change: _Change, epoch: int) -> SeatAnswer:
    return _renew(change, epoch + 1)


def _slot_of_device(_policy: object, _user: object, device: str) -> SlotId:
    return SlotId(f"d:{device}")


def _peer_ends(core: _Registry, event: RegistryEvent, now: float) -> tuple[RegistryEffect, ...]:
    if isinstance(event, PeerClosed):
        core._socket_gone(event.session, now)
    return _handle(core, event, now)


def _touch_twice(core: _Registry, event: object, now: float) -> None:
    silent = getattr(event, "answers", ()) is None
    for seat in event.seats if silent else ():  # type: ignore[attr-defined]
        held = core._held.of(seat.session, seat.room)
        if held is not None:
            core._book.lose(held, "replaced")
    _renewal_answered(core, event, now)  # type: ignore[arg-type]


def _keeps_in_room(held_seats_: held_seats.HeldSeats, held: held_seats.HeldSeat) -> None:
    _remove(held_seats_, held)
    held_seats_._by_room[held.seat.room].add(held.seat.session)


def _claim_whatever_revision(change: _Change, rules: RoomRules, silent: SessionId | None, _: object) -> SeatAnswer:
    return _claim(change, rules, silent, None)


def _claim_unlocked(change: _Change, rules: RoomRules, *given: Any) -> SeatAnswer:
    return _claim(change, replace(rules, locked=False), *given)


def _claim_locks_out(change: _Change, rules: RoomRules, *given: Any) -> SeatAnswer:
    if rules.locked and not change._is_mine() and rules.revision == given[1]:
        return change._answer(Verdict.LOCKED)
    return _claim(change, rules, *given)


def _claim_banned(table: _Table, *given: Any, **named: Any) -> SeatAnswer:
    return _table_claim(table, *given, **named | {"banned": False})


def _touch_banned(table: _Table, *given: Any, **_: object) -> SeatAnswer:
    return _table_touch(table, *given)


def _state_banned(table: _Table, *given: Any, **_: object) -> SeatAnswer:
    return _table_state(table, *given)


def _holder_unasked(core: _Joining, key: Any, claiming: Any, _holder: object, _node: object, now: float) -> None:
    core._refuse(key, claiming, ErrorCode.SEAT_OCCUPIED, now)


def _highest_in_slot(core: _Joining, seat: Seat) -> int:
    return core._book.memory.highest_attempt(seat.room, seat.slot, seat.device)


def _lock_unread(core: _Joining, seat: Seat, rules: RoomRules) -> ErrorCode | None:
    return _why_not(core, seat, replace(rules, locked=False))


def _nothing(*_: object, **__: object) -> None:
    """Done."""


def _no(*_: object) -> bool:
    return False


def _zero(*_: object) -> int:
    return 0


_claim, _state, _touch, _renew = _Change.claim, _Change.state, _Change.touch, _Change._renew
_table_claim, _table_touch, _table_state, _why_not = _Table.claim, _Table.touch, _Table.state, _Joining._why_not
_handle, _renewal_answered = _Registry.handle, _Registry._renewal_answered
_remove = held_seats.HeldSeats.remove

_LEAVE = frozenset({"s1 leaves", "s1 socket closes"})
_TIME = frozenset({"a renewal passes", "s1 leaves"})
_EMPTIED = frozenset({"store emptied", "a renewal passes"})
_GRACE = frozenset({"s1 socket closes", "a grace passes"})
_LOCK, _BAN = frozenset({"room locked"}), frozenset({"ann is banned"})
_MULTI, _SILENT = frozenset({"policy is multi"}), frozenset({"s1 falls silent", "s1 is heard"})
_Book = seat_book.SeatBook
_I = Invariant

MUTANTS: Final[dict[str, Mutant]] = {
    "a claim takes whatever seat": Mutant(_Change, "claim", _claim_whatever, _I.ACKNOWLEDGED_HOLDS, "refresh", _LEAVE),
    "a claim admits an equal attempt": Mutant(
        _Change, "claim", _claim_equal, _I.ACKNOWLEDGED_HOLDS, "one token twice", _TIME
    ),
    "a claim ignores the tombstone": Mutant(_Change, "_tombstone", _zero, _I.NO_FLICKER, "refresh", _TIME, timeouts=1),
    "a claim refuses newer attempts": Mutant(_Change, "claim", _claim_newest_only, _I.NEWEST_WINS, "refresh", _LEAVE),
    "an assert is as strong as a claim": Mutant(
        _Change, "state", _state_as_claim, _I.TWICE_IS_ONCE, "refresh", _EMPTIED
    ),
    "an assert beats another device": Mutant(
        _Change, "state", _state_beats_devices, _I.ACKNOWLEDGED_HOLDS, "two tabs", _EMPTIED
    ),
    "an assert never fills": Mutant(_Change, "state", _state_never_fills, _I.VIEW_IS_SOCKETS, "refresh", _EMPTIED),
    "a slot for each device": Mutant(joining, "slot_of", _slot_of_device, _I.ONE_SEAT, "two tabs", _TIME),
    "a touch inserts": Mutant(_Change, "touch", _touch_inserts, _I.UPDATE_NEVER_INSERTS, "refresh", _EMPTIED),
    "unknown is taken for superseded": Mutant(
        _Change, "touch", _touch_superseded, _I.ACKNOWLEDGED_HOLDS, "refresh", _EMPTIED
    ),
    "a release removes whoever sits": Mutant(
        _Change, "release", _release_whoever, _I.OLDER_REMOVAL_IS_NOTHING, "refresh", _LEAVE
    ),
    "a release leaves no tombstone": Mutant(
        _Change, "release", _release_without_tombstone, _I.NO_FLICKER, "refresh", _TIME, timeouts=1
    ),
    "a take raises the epoch each time": Mutant(_Change, "_renew", _renew_raises, _I.TWICE_IS_ONCE, "refresh", _TIME),
    "a node overlooks an heir on its way": Mutant(
        joins_on_way.Claims, "heir_of", _no, _I.NO_FLICKER, "refresh", _TIME, same_node=True
    ),
    "a node keeps a lost seat": Mutant(_Book, "lose", _nothing, _I.VIEW_IS_SOCKETS, "refresh", _TIME),
    "a node ignores the grace": Mutant(_Book, "end_graces", _nothing, _I.VIEW_IS_SOCKETS, "refresh", _GRACE),
    "a peer that closes ends the seat": Mutant(
        _Registry, "handle", _peer_ends, _I.ACKNOWLEDGED_HOLDS, "refresh", _GRACE
    ),
    "a node forgets to release": Mutant(_Book, "release", _nothing, _I.VIEW_IS_SOCKETS, "refresh", _LEAVE),
    "a node believes silence": Mutant(
        _Registry, "_renewal_answered", _touch_twice, _I.ACKNOWLEDGED_HOLDS, "refresh", _TIME, timeouts=1
    ),
    "a room's set keeps who left": Mutant(
        held_seats.HeldSeats, "remove", _keeps_in_room, _I.COUNTS_ARE_SIZES, "refresh", _LEAVE
    ),
    "a claim ignores the revision": Mutant(_Change, "claim", _claim_whatever_revision, _I.RULES_HOLD, "refresh", _LOCK),
    "a claim ignores the lock": Mutant(_Change, "claim", _claim_unlocked, _I.RULES_HOLD, "refresh", _LOCK),
    "a lock keeps out who sits": Mutant(_Change, "claim", _claim_locks_out, _I.RULES_HOLD, "refresh", _LOCK),
    "a join alone ignores the lock": Mutant(
        _Joining, "_why_not", _lock_unread, _I.RULES_HOLD, "refresh", _LOCK, timeouts=1
    ),
    "a claim ignores a ban": Mutant(_Table, "claim", _claim_banned, _I.BAN_ENDS, "refresh", _BAN),
    "a renewal ignores a ban": Mutant(_Table, "touch", _touch_banned, _I.BAN_ENDS, "refresh", _BAN),
    "an assert ignores a ban": Mutant(_Table, "state", _state_banned, _I.BAN_ENDS, "refresh", _BAN, timeouts=1),
    "a node keeps whom it expels": Mutant(
        _Registry, "_expel", _nothing, _I.VIEW_IS_SOCKETS, "refresh", frozenset({"s1 is expelled"})
    ),
    "a join never hears of changed rules": Mutant(_Joining, "rules_read", _nothing, _I.JOINS_END, "refresh", _LOCK),
    "a device sits in both of its slots": Mutant(_Change, "_elsewhere", _nothing, _I.ONE_SEAT, "refresh", _MULTI),
    "a node forgets the attempts of the other slot": Mutant(
        _Joining, "_highest_attempt", _highest_in_slot, _I.NO_FLICKER, "refresh", _MULTI, same_node=True
    ),
    "reject protects nobody": Mutant(_Change, "_is_protected", _no, _I.RULES_HOLD, "kept out", _TIME),
    "reject asks nobody": Mutant(_Joining, "_ask_holder", _holder_unasked, _I.RULES_HOLD, "kept out", _SILENT),
    "reject protects no seat on its way": Mutant(
        joins_on_way.Claims, "is_on_way", _no, _I.RULES_HOLD, "kept out", _TIME
    ),
    "whoever is heard again goes all the same": Mutant(
        _Registry, "_holder_heard", _nothing, _I.ACKNOWLEDGED_HOLDS, "kept out", _SILENT | {"s2 leaves"}
    ),
    "a repeated join claims again": Mutant(joins_on_way.Claims, "get", _nothing, _I.TWICE_IS_ONCE, "refresh", _LEAVE),
}
