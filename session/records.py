"""What the session service tells the rest of a node."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from session.grants import ALL_BUT_ADMIN, Grants
from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from session.claims import AccountMark
    from signalling.client.messages import LeaveReason
    from signalling.ids import DeviceId, NodeId, ParticipantId, RoomId, SessionId, UserId

__all__ = [
    "Admitted",
    "AskHolder",
    "AskMesh",
    "AttemptStale",
    "HolderState",
    "RoomNodes",
    "SeatLost",
    "SessionEvent",
    "SessionRecord",
    "SessionStatistics",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionRecord:
    """One accepted WebSocket, as the node that accepted it records it; `born` as in its token's claims."""

    session: SessionId
    user: UserId
    device: DeviceId
    name: str
    node: NodeId
    region: str
    account: AccountMark | None = None
    grants: Grants = ALL_BUT_ADMIN
    born: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Admitted:
    """A seat was taken.

    Attributes:
        room: the room.
        participant: who the session is in it.
        attempt: the device's attempt that took it.
        epoch: order among the user's devices.
        degraded: what the store could not be asked, so that it is as good as this node's own view: `bans`, `caps`, the
            `order` among the user's devices, the room's `definition`; empty when it was.
        takes_over: the session of the same device on this node whose seat this was, if any: its
            :class:`SeatLost` names this session as successor.
    """

    room: RoomId
    participant: ParticipantId
    attempt: int
    epoch: int
    degraded: tuple[str, ...]
    takes_over: SessionId | None


class AttemptStale(Refused):
    """A join with an attempt that ended or was passed.

    Attributes:
        highest_attempt: the greatest attempt known of this device; its one holder may join with the next.
    """

    def __init__(self, highest_attempt: int) -> None:
        super().__init__(ErrorCode.ATTEMPT_STALE, "A newer join of this device is known; this one came too late.")
        self.highest_attempt = highest_attempt


@dataclass(frozen=True, kw_only=True, slots=True)
class SeatLost:
    """A session that had a seat has it no longer, and did not leave by itself.

    Hand all of it to :meth:`session.rooms.Rooms.remove`, and nobody sees a gap.

    Attributes:
        session: who lost it.
        room: where.
        reason: `replaced`, `connection_lost` (grace ran out), `kicked` or `node_drained`.
        successor: the session of the same device on this node that sits there now.
        moved_to: the node on which the same device sits now.
    """

    session: SessionId
    room: RoomId
    reason: LeaveReason
    successor: SessionId | None = None
    moved_to: NodeId | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomNodes:
    """The other nodes on which a room lives changed; empty also when the room left this node."""

    room: RoomId
    nodes: frozenset[NodeId]


class HolderState(StrEnum):
    """Whether somebody who sits in a seat is there.

    `alive` answered. `silent` did not, or its socket is gone: its seat keeps nobody out any more. `unreachable` says
    that its node could not be asked; its seat then stands until its lease ends.
    """

    ALIVE = "alive"
    SILENT = "silent"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, kw_only=True, slots=True)
class AskHolder:
    """Somebody wants a seat that this session holds on that node: ask whether it is there.

    The answer goes to :meth:`session.service.Sessions.holder_answered`, within `SessionConfig.holder_ping_s`.
    """

    holder: SessionId
    node: NodeId
    room: RoomId


@dataclass(frozen=True, kw_only=True, slots=True)
class AskMesh:
    """Somebody was seated without the store: ask the other nodes which of them hold the room.

    The answer goes to :meth:`session.service.Sessions.room_heard`, as often as there is one.
    """

    room: RoomId


SessionEvent: TypeAlias = SeatLost | RoomNodes | AskHolder | AskMesh


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionStatistics:
    """Gauges of now and counters since start.

    Attributes:
        sessions: sessions that this node minted and whose socket is open or in grace.
        seats: seats held here, in grace included.
        seats_in_grace: seats whose socket dropped.
        seats_unconfirmed: seats admitted without the store and not confirmed since.
        rooms: rooms with a seat here.
        joins_pending: joins that wait for the store.
        degraded: whether the last word of the store was a failure.
        outage_s: for how many seconds the store has not answered, 0 while it does.
        outages: how often it fell silent since start.
        joins: seats taken since start.
        joins_degraded: of these, without the store.
        joins_refused: joins refused since start.
        seats_lost: seats ended by anything but a leave since start.
        store_failures: store calls that failed or timed out since start.
    """

    sessions: int
    seats: int
    seats_in_grace: int
    seats_unconfirmed: int
    rooms: int
    joins_pending: int
    degraded: bool
    outage_s: float
    outages: int
    joins: int
    joins_degraded: int
    joins_refused: int
    seats_lost: int
    store_failures: int
