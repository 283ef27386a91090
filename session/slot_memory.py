"""What a node remembers of slots whose seats may be gone: the tombstones and epochs it has seen.

It refuses late joins without asking the store, and orders new ones while the store is away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from session.store import Seat, SlotId
    from signalling.ids import DeviceId, RoomId, UserId

__all__ = ["SlotMemories"]

MAX_REMEMBERED_SLOTS: Final = 50_000
"""Some 20 MB; beyond it the oldest memory goes first, and the store's own still holds."""

MAX_REMEMBERED_BANS: Final = 10_000
"""Users who came to a room that they are banned from, some 2 MB."""

MAX_DEVICES_OF_SLOT: Final = 64
"""Browser tabs of one user within one memory; the one that joined first is forgotten first."""


@dataclass(slots=True)
class _Memory:
    epoch: int = 0
    attempts: dict[DeviceId, int] = field(default_factory=dict)
    until: float = 0.0


class SlotMemories:
    """The highest epoch of each slot, the highest attempt of each device, and who is banned, in order of last use.

    A ban is a user's, whatever slots their devices have.

    Args:
        keep_s: how long a slot is remembered after its last use.
    """

    def __init__(self, *, keep_s: float) -> None:
        self._keep_s = keep_s
        self._slots: dict[tuple[RoomId, SlotId], _Memory] = {}
        self._banned_until: dict[tuple[RoomId, UserId], float] = {}

    def epoch(self, room: RoomId, slot: SlotId) -> int:
        """The highest epoch seen, 0 when none."""
        memory = self._slots.get((room, slot))
        return 0 if memory is None else memory.epoch

    def highest_attempt(self, room: RoomId, slot: SlotId, device: DeviceId) -> int:
        """The highest attempt of the device that took a seat or ended, 0 when none."""
        memory = self._slots.get((room, slot))
        return 0 if memory is None else memory.attempts.get(device, 0)

    def is_banned(self, room: RoomId, user: UserId) -> bool:
        """Whether the store's last word was that they are banned."""
        return (room, user) in self._banned_until

    def note(self, seat: Seat, now: float, *, epoch: int, attempt: int = 0, banned: bool | None = None) -> None:
        """Remember an epoch of a seat's slot, an attempt of its device, and what the store said of a ban, if it did."""
        if banned is not None:
            self._note_ban((seat.room, seat.user), now if banned else None)
        key = (seat.room, seat.slot)
        memory = self._slots.pop(key, None)
        if memory is None:
            memory = _Memory()
        memory.epoch = max(memory.epoch, epoch)
        memory.until = now + self._keep_s
        if attempt > memory.attempts.get(seat.device, 0):
            memory.attempts[seat.device] = attempt
            if len(memory.attempts) > MAX_DEVICES_OF_SLOT:
                del memory.attempts[next(iter(memory.attempts))]
        self._slots[key] = memory
        if len(self._slots) > MAX_REMEMBERED_SLOTS:
            del self._slots[next(iter(self._slots))]

    def _note_ban(self, key: tuple[RoomId, UserId], now: float | None) -> None:
        self._banned_until.pop(key, None)
        if now is not None:
            self._banned_until[key] = now + self._keep_s
            if len(self._banned_until) > MAX_REMEMBERED_BANS:
                del self._banned_until[next(iter(self._banned_until))]

    def forget_old(self, now: float) -> None:
        """Drop what ran out."""
        while self._banned_until:
            banned, until = next(iter(self._banned_until.items()))
            if until > now:
                break
            del self._banned_until[banned]
        while self._slots:
            key, memory = next(iter(self._slots.items()))
            if memory.until > now:
                return
            del self._slots[key]

    def __len__(self) -> int:
        return len(self._slots)
