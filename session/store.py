"""What a seat store answers: the index of who sits where, shared by the nodes of a cluster.

The node that holds the WebSocket is the truth; a store only orders joins and tells nodes of each
other. A seat lies in a *slot*: one per user of a room, or one per device where a room lets a
user in several times. All of the first four compare the session *and* its attempt, and each answers
with the room's other nodes.

| change | may do | never does |
|---|---|---|
| `claim` | take the slot with a newer attempt | admit an attempt that ended or was passed, or what the room forbids |
| `touch` | renew its own lease, say whether its socket is gone | insert |
| `release` | remove its own seat; always leave a tombstone | remove another's |
| `assert_seats` | fill an empty slot, beat an older attempt of the device or a lower epoch | beat a newer join |
| `evict` | end the seats of a participant, or of a whole room, that were taken until now | end what is taken later |

A claim is decided by the room's rules as its node knows them, and carries their revision: where the
repository holds another one, the answer is `CHANGED` and nothing else has changed. In this order a claim
is refused for a ban, for a stale attempt, for other rules, for a lock, for another device's seat under the
policy `reject`, for the cap. A lock keeps nobody out who has a live seat. `reject` protects a seat whose
socket stands: not one in grace, nor one whose holder the claim names as *silent*, asked in vain. A ban
answers `touch` and `assert` as well, so it ends a seat within a renewal.

An eviction reaches a seat as a ban does, by `touch` and `assert`, so within a renewal and without a link to the node
that holds it. It names an epoch: a claim after it gets a higher one and stands. The answers are `KICKED` and, where
the room was deleted, `DELETED`; who was superseded before hears that instead.

`UNKNOWN` means that the store forgot (lapsed lease, emptied or rolled back store): it ends
nothing, its answer is `assert_seats`.

Joins of one device are ordered by its attempts, joins of different devices by epochs, ties by node id. An
epoch is one above the slot's highest, and never below the store's clock in milliseconds. So epochs
handed out before and after a store was emptied or rolled back compare like the joins themselves, and
an assert that brings a higher epoch than another device's live seat is the later join. A clock that steps
back does no harm to a slot whose highest epoch is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NewType, Protocol

if TYPE_CHECKING:
    from signalling.ids import DeviceId, NodeId, ParticipantId, RoomId, SessionId, UserId

__all__ = [
    "RoomPolicy",
    "RoomRules",
    "Seat",
    "SeatAnswer",
    "SeatStore",
    "SlotId",
    "Verdict",
    "other_slot_of",
    "slot_of",
    "user_slot",
]

SlotId = NewType("SlotId", str)
"""The place in a room that at most one session holds; see :func:`slot_of`."""


class RoomPolicy(StrEnum):
    """What a room does when a user who is in comes in again on another device."""

    REPLACE = "replace"
    REJECT = "reject"
    MULTI = "multi"


def slot_of(policy: RoomPolicy, user: UserId, device: DeviceId) -> SlotId:
    """The slot that a device of a user contends for in a room with that policy.

    The prefixes keep the two kinds apart; a device id never holds a colon, so no two pairs share a slot.
    """
    return SlotId(f"d:{device}:{user}") if policy is RoomPolicy.MULTI else user_slot(user)


def user_slot(user: UserId) -> SlotId:
    """The slot of a user in a room that lets them in once."""
    return SlotId(f"u:{user}")


def other_slot_of(seat: Seat) -> SlotId:
    """The slot that the seat's device had before the room's policy changed between `multi` and another."""
    multi = slot_of(RoomPolicy.MULTI, seat.user, seat.device)
    return slot_of(RoomPolicy.REPLACE, seat.user, seat.device) if seat.slot == multi else multi


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomRules:
    """What a node decides a join by: its copy of the room's definition.

    Attributes:
        cap: live seats of the room that refuse one more.
        policy: what becomes of another device of the same user.
        locked: whether only those may come in who have a seat.
        grace_s: how long a seat waits for its socket, seconds; None is the node's own. The store does not look at it.
        revision: of the definition's document, 0 when there is none.
    """

    cap: int
    policy: RoomPolicy = RoomPolicy.REPLACE
    locked: bool = False
    grace_s: float | None = None
    revision: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    """A seat as its owner knows it, or asks for it.

    Attributes:
        room: the room.
        slot: the place in it.
        user: whose device it is; tombstones are kept by user and device.
        device: the device; its attempts are ordered among themselves.
        session: who holds or wants it.
        attempt: the device's own count of joins.
        node: the node of that session.
        epoch: order among devices, 0 before the first answer; a claim raises the slot's epoch above it.
        in_grace: its socket is gone; it waits for the device to come back, and keeps no other device out.
        provisional: admitted while the store was away and never confirmed since; the store does not look at it.
    """

    room: RoomId
    slot: SlotId
    user: UserId
    device: DeviceId
    session: SessionId
    attempt: int
    node: NodeId
    epoch: int = 0
    in_grace: bool = False
    provisional: bool = False


class Verdict(StrEnum):
    """How a store answers a change."""

    OK = "ok"
    SUPERSEDED = "superseded"
    UNKNOWN = "unknown"
    FULL = "full"
    CHANGED = "changed"
    LOCKED = "locked"
    OCCUPIED = "occupied"
    BANNED = "banned"
    KICKED = "kicked"
    DELETED = "deleted"


@dataclass(frozen=True, kw_only=True, slots=True)
class SeatAnswer:
    """A store's answer to one change.

    Attributes:
        verdict: `FULL`, `CHANGED`, `LOCKED` and `OCCUPIED` answer claims alone; `SUPERSEDED` to a claim means that
            its attempt is stale. `KICKED` and `DELETED` answer `touch` and `assert_seats` alone.
        epoch: the slot's highest; with `OK`, the seat's own.
        by_session: who holds the slot instead, when somebody does.
        by_node: on which node.
        by_device: from which device of the user.
        highest_attempt: the greatest attempt of this device that the store knows, 0 when none.
        nodes: the room's other nodes, after the change.
    """

    verdict: Verdict
    epoch: int = 0
    by_session: SessionId | None = None
    by_node: NodeId | None = None
    by_device: DeviceId | None = None
    highest_attempt: int = 0
    nodes: frozenset[NodeId] = field(default=frozenset())


class SeatStore(Protocol):
    """The interface of all seat stores. Each round trip of a call ends within the store's deadline.

    A call with many seats may take several trips, the first that fails being the last.

    All calls raise :class:`durable.StoreUnavailableError` or :class:`durable.StoreOutcomeUnknownError`, and may be
    cancelled: the outcome is then as unknown as after a timeout.
    """

    async def claim(self, seat: Seat, rules: RoomRules, *, silent: SessionId | None = None) -> SeatAnswer:
        """Take the slot with a newer attempt, by these rules if they are the room's.

        Args:
            seat: what is wanted.
            rules: the room's, as the asking node knows them.
            silent: the holder of the slot that was asked whether it is there, and did not answer.
        """
        ...

    async def touch(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """Renew the leases of one node's seats; answers in the order asked."""
        ...

    async def assert_seats(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """State that one node's seats stand; answers in the order asked."""
        ...

    async def release(self, seats: tuple[Seat, ...]) -> tuple[SeatAnswer, ...]:
        """End seats: each leaves a tombstone and frees its slot if it still holds it."""
        ...

    async def evict(
        self, room: RoomId, *, participant: ParticipantId | None = None, user: UserId | None = None
    ) -> None:
        """End seats that were taken until now, each at its next renewal.

        Remembered as long as a tombstone. Where a clock stepped back, seats of a device of its own slot (`multi`)
        and of a whole room may have epochs ahead of it, and stand.

        Args:
            room: where.
            participant: whose; None for everybody, because the room was deleted.
            user: whose participant that is: the highest epoch of their slot counts where it is ahead of the clock.
        """
        ...

    async def nodes_of(self, room: RoomId) -> frozenset[NodeId]:
        """All nodes with a live seat in the room."""
        ...
