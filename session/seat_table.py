"""The rule of store.py in Python: a table of seats, without a clock and without waiting.

`seats.lua` states the same rule for Redis; a property test runs random changes through both and
compares every answer. Read the two side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from session.audit import StoredSeat
from session.store import RoomPolicy, RoomRules, Seat, SeatAnswer, SlotId, Verdict, other_slot_of, user_slot
from signalling.ids import participant_id

if TYPE_CHECKING:
    from signalling.ids import DeviceId, NodeId, ParticipantId, RoomId, SessionId, UserId

__all__ = ["SeatTable"]

SWEEP_EVERY_CHANGES: Final = 1_024
"""Between two walks that drop what is past its time; keeps their share of a change's cost constant."""


@dataclass(kw_only=True, slots=True)
class _Holder:
    session: SessionId
    user: UserId
    device: DeviceId
    attempt: int
    epoch: int
    node: NodeId
    in_grace: bool
    expires_ms: int


@dataclass(kw_only=True, slots=True)
class _Slot:
    """`holder` may have lapsed; `mark` is the highest epoch ever handed out."""

    holder: _Holder | None = None
    mark: int = 0
    kept_until_ms: int = 0


@dataclass(kw_only=True, slots=True)
class _Room:
    slots: dict[SlotId, _Slot] = field(default_factory=dict)
    tombstones: dict[tuple[UserId, DeviceId], tuple[int, int]] = field(default_factory=dict)
    """Highest ended attempt, and until when it is remembered (ms)."""
    evicted: dict[str, int] = field(default_factory=dict)
    """Up to which epoch the seats of a participant end, or of everybody under an empty name."""


class SeatTable:
    """All seats of a cluster, by room and slot.

    Args:
        lease_ms: how long a seat stands without a renewal.
        keep_ms: how long ended attempts and epochs are remembered after the last change.
    """

    def __init__(self, *, lease_ms: int, keep_ms: int) -> None:
        self._lease_ms = lease_ms
        self._keep_ms = keep_ms
        self._rooms: dict[RoomId, _Room] = {}
        self._changes = 0

    def claim(
        self,
        seat: Seat,
        now_ms: int,
        rules: RoomRules,
        *,
        silent: SessionId | None = None,
        revision: int | None = None,
        banned: bool = False,
    ) -> SeatAnswer:
        """See :meth:`session.store.SeatStore.claim`.

        Args:
            seat: what is wanted.
            now_ms: the moment.
            rules: what the asking node knows of the room.
            silent: the holder that was asked in vain.
            revision: of the room's definition in the repository; None where there is none to compare with.
            banned: whether the repository bans the user from the room.
        """
        change = self._change(seat, now_ms)
        return change.refuse_banned() if banned else change.claim(rules, silent, revision)

    def touch(self, seat: Seat, now_ms: int, *, banned: bool = False) -> SeatAnswer:
        """See :meth:`session.store.SeatStore.touch`."""
        change = self._change(seat, now_ms)
        return change.refuse_banned() if banned else change.touch()

    def state(self, seat: Seat, now_ms: int, *, banned: bool = False) -> SeatAnswer:
        """See :meth:`session.store.SeatStore.assert_seats`."""
        change = self._change(seat, now_ms)
        return change.refuse_banned() if banned else change.state()

    def release(self, seat: Seat, now_ms: int) -> SeatAnswer:
        """See :meth:`session.store.SeatStore.release`."""
        return self._change(seat, now_ms).release()

    def evict(self, room: RoomId, now_ms: int, *, participant: str, user: UserId | None) -> None:
        """See :meth:`session.store.SeatStore.evict`; an empty participant is everybody."""
        kept = self._rooms.setdefault(room, _Room())
        slot = None if user is None else kept.slots.get(user_slot(user))
        mark = 0 if slot is None or slot.kept_until_ms <= now_ms else slot.mark
        kept.evicted[participant] = max(now_ms, mark, kept.evicted.get(participant, 0))

    def nodes_of(self, room: RoomId, now_ms: int) -> frozenset[NodeId]:
        """See :meth:`session.store.SeatStore.nodes_of`."""
        found = self._rooms.get(room)
        return frozenset() if found is None else _nodes(found, now_ms)

    def live_sessions(self, room: RoomId, now_ms: int) -> frozenset[SessionId]:
        """Who sits in the room."""
        found = self._rooms.get(room)
        return frozenset() if found is None else frozenset(holder.session for holder in _live(found, now_ms))

    def rooms(self) -> frozenset[RoomId]:
        """See :meth:`session.audit.SeatReader.rooms`."""
        return frozenset(self._rooms)

    def seats_in(self, room: RoomId, now_ms: int) -> tuple[StoredSeat, ...]:
        """The live seats of a room."""
        slots = self._rooms[room].slots if room in self._rooms else {}
        return tuple(
            StoredSeat(
                room=room,
                slot=name,
                session=slot.holder.session,
                device=slot.holder.device,
                attempt=slot.holder.attempt,
                node=slot.holder.node,
            )
            for name, slot in slots.items()
            if slot.holder is not None and slot.holder.expires_ms > now_ms
        )

    def _change(self, seat: Seat, now_ms: int) -> _Change:
        self._changes += 1
        if self._changes % SWEEP_EVERY_CHANGES == 0:
            self._sweep(now_ms)
        room = self._rooms.setdefault(seat.room, _Room())
        return _Change(room, seat, now_ms=now_ms, lease_ms=self._lease_ms, keep_ms=self._keep_ms)

    def _sweep(self, now: int) -> None:
        for room in self._rooms.values():
            room.slots = {slot: kept for slot, kept in room.slots.items() if kept.kept_until_ms > now}
            room.tombstones = {whose: kept for whose, kept in room.tombstones.items() if kept[1] > now}
            room.evicted = {whose: epoch for whose, epoch in room.evicted.items() if epoch + self._keep_ms > now}
        self._rooms = {
            name: room for name, room in self._rooms.items() if room.slots or room.tombstones or room.evicted
        }


class _Change:
    """One change of one slot, at one moment: what one run of the Lua script is."""

    def __init__(self, room: _Room, seat: Seat, *, now_ms: int, lease_ms: int, keep_ms: int) -> None:
        self._room = room
        self._seat = seat
        self._now = now_ms
        self._lease_ms = lease_ms
        self._keep_ms = keep_ms
        slot = room.slots.get(seat.slot)
        if slot is None or slot.kept_until_ms <= now_ms:
            slot = room.slots[seat.slot] = _Slot()
        slot.kept_until_ms = now_ms + keep_ms
        self._slot = slot
        self._dead = self._tombstone(seat.device)

    def refuse_banned(self) -> SeatAnswer:
        return self._answer(Verdict.BANNED)

    def claim(self, rules: RoomRules, silent: SessionId | None, revision: int | None) -> SeatAnswer:
        seat, slot = self._seat, self._slot
        if self._is_mine():
            return self._renew(slot.mark)
        if seat.attempt <= self._highest():
            return self._answer(Verdict.SUPERSEDED)
        if revision is not None and revision != rules.revision:
            return self._answer(Verdict.CHANGED)
        sits_already = self._is_live() or self._sits_elsewhere()
        if rules.locked and not sits_already:
            return self._answer(Verdict.LOCKED)
        if rules.policy is RoomPolicy.REJECT and self._is_protected(silent):
            return self._answer(Verdict.OCCUPIED)
        if not sits_already and len(_live(self._room, self._now)) >= rules.cap:
            return self._answer(Verdict.FULL)
        # Above every eviction until now: who comes in after it stays.
        evicted = max(self._evicted_until(""), self._evicted_until(self._participant()))
        return self._take(max(slot.mark + 1, seat.epoch + 1, self._now, evicted + 1))

    def touch(self) -> SeatAnswer:
        ended = self._ended()
        if ended is not None:
            return self._answer(ended)
        return self._renew(self._slot.mark) if self._is_mine() else self._answer(Verdict.UNKNOWN)

    def state(self) -> SeatAnswer:
        seat, slot = self._seat, self._slot
        ended = self._ended()
        if ended is not None:
            return self._answer(ended)
        if self._is_mine():
            return self._renew(max(slot.mark, seat.epoch))
        return self._take(max(slot.mark + 1, seat.epoch))

    def release(self) -> SeatAnswer:
        self._bury(self._seat.device, self._seat.attempt)
        if self._is_mine():
            self._slot.holder = None
            return self._answer(Verdict.OK)
        return self._answer(Verdict.SUPERSEDED if self._is_live() else Verdict.UNKNOWN)

    def _ended(self) -> Verdict | None:
        """Why the seat stands no longer, whatever its owner says."""
        seat = self._seat
        is_passed = self._dead >= seat.attempt or (self._is_live() and not self._beats_holder())
        if is_passed and not self._is_mine():
            return Verdict.SUPERSEDED
        if seat.epoch <= self._evicted_until(""):
            return Verdict.DELETED
        return Verdict.KICKED if seat.epoch <= self._evicted_until(self._participant()) else None

    def _evicted_until(self, whose: str) -> int:
        epoch = self._room.evicted.get(whose, -1)
        return epoch if epoch + self._keep_ms > self._now else -1

    def _participant(self) -> ParticipantId:
        return participant_id(self._seat.room, self._seat.user, self._seat.device)

    def _is_mine(self) -> bool:
        holder = self._slot.holder
        return (
            holder is not None
            and holder.session == self._seat.session
            and holder.device == self._seat.device
            and holder.attempt == self._seat.attempt
        )

    def _is_protected(self, silent: SessionId | None) -> bool:
        """Whether another device sits here whose socket stands."""
        holder = self._slot.holder
        return (
            holder is not None
            and self._is_live()
            and holder.device != self._seat.device
            and not holder.in_grace
            and holder.session != silent
        )

    def _elsewhere(self) -> _Holder | None:
        """The device's own seat in the slot that it had before the room's policy changed, lapsed or not."""
        slot = self._room.slots.get(other_slot_of(self._seat))
        if slot is None or slot.kept_until_ms <= self._now or slot.holder is None:
            return None
        return slot.holder if slot.holder.device == self._seat.device else None

    def _sits_elsewhere(self) -> bool:
        holder = self._elsewhere()
        return holder is not None and holder.expires_ms > self._now

    def _beats_holder(self) -> bool:
        seat, holder = self._seat, self._slot.holder
        assert holder is not None
        if holder.device == seat.device:
            return seat.attempt > holder.attempt
        return (seat.epoch, seat.node) > (holder.epoch, holder.node)

    def _is_live(self) -> bool:
        holder = self._slot.holder
        return holder is not None and holder.expires_ms > self._now

    def _highest(self) -> int:
        device = self._seat.device
        held = (self._slot.holder, self._elsewhere())
        attempts = [holder.attempt for holder in held if holder is not None and holder.device == device]
        return max(self._tombstone(device), *attempts, 0)

    def _tombstone(self, device: DeviceId) -> int:
        attempt, until_ms = self._room.tombstones.get((self._seat.user, device), (0, 0))
        return attempt if until_ms > self._now else 0

    def _bury(self, device: DeviceId, attempt: int) -> None:
        if attempt > 0:
            highest = max(attempt, self._tombstone(device))
            self._room.tombstones[self._seat.user, device] = (highest, self._now + self._keep_ms)

    def _renew(self, epoch: int) -> SeatAnswer:
        holder = self._slot.holder
        assert holder is not None
        holder.epoch = self._slot.mark = epoch
        holder.expires_ms = self._now + self._lease_ms
        holder.in_grace = self._seat.in_grace
        return self._answer(Verdict.OK)

    def _take(self, epoch: int) -> SeatAnswer:
        seat, before = self._seat, self._slot.holder
        if before is not None and before.device != seat.device:
            self._bury(before.device, before.attempt)
        self._bury(seat.device, seat.attempt - 1)
        if self._elsewhere() is not None:
            self._room.slots[other_slot_of(seat)].holder = None
        self._slot.mark = epoch
        self._slot.holder = _Holder(
            session=seat.session,
            user=seat.user,
            device=seat.device,
            attempt=seat.attempt,
            epoch=epoch,
            node=seat.node,
            in_grace=seat.in_grace,
            expires_ms=self._now + self._lease_ms,
        )
        return self._answer(Verdict.OK)

    def _answer(self, verdict: Verdict) -> SeatAnswer:
        tells_holder = verdict in (Verdict.SUPERSEDED, Verdict.OCCUPIED) and self._is_live()
        holder = self._slot.holder if tells_holder else None
        return SeatAnswer(
            verdict=verdict,
            epoch=self._slot.mark,
            by_session=None if holder is None else holder.session,
            by_node=None if holder is None else holder.node,
            by_device=None if holder is None else holder.device,
            highest_attempt=self._highest(),
            nodes=_nodes(self._room, self._now) - {self._seat.node},
        )


def _live(room: _Room, now_ms: int) -> list[_Holder]:
    return [slot.holder for slot in room.slots.values() if slot.holder is not None and slot.holder.expires_ms > now_ms]


def _nodes(room: _Room, now_ms: int) -> frozenset[NodeId]:
    return frozenset(holder.node for holder in _live(room, now_ms))
