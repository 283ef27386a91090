"""What the registry hears and what it wants done: one class per fact.

A question to the store is an effect, its answer an event that brings the same seats back, and with
`asked_at` (seconds on the registry's clock) how old it may be: answers come in any order. An answer of
`None` means that there was none: the store is away or silent, and what it did is unknown.

Two more questions may come up on the way to a seat: what the room's rules are by now, and whether somebody
who keeps a seat from another device is really there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from session.records import AskHolder, AskMesh, HolderState, RoomNodes, SeatLost

if TYPE_CHECKING:
    from session.records import SessionRecord
    from session.store import RoomRules, Seat, SeatAnswer
    from signalling.client.messages import LeaveReason
    from signalling.errors import ErrorCode
    from signalling.ids import NodeId, RoomId, SessionId

__all__ = [
    "Admit",
    "Assert",
    "AssertAnswered",
    "CheckRequested",
    "Claim",
    "ClaimAnswered",
    "DrainEnded",
    "DrainStarted",
    "DrainUndone",
    "Expelled",
    "HolderAnswered",
    "HolderHeard",
    "JoinAbandoned",
    "JoinRequested",
    "LeaveRequested",
    "PeerClosed",
    "ReadRules",
    "Refuse",
    "RegistryEffect",
    "RegistryEvent",
    "Release",
    "ReleaseAnswered",
    "RoomHeard",
    "RulesKnown",
    "RulesRead",
    "SessionMinted",
    "SocketClosed",
    "SocketTimedOut",
    "Tick",
    "Touch",
    "TouchAnswered",
]


# --- events -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionMinted:
    """A socket was accepted under a fresh session id."""

    record: SessionRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinRequested:
    """A session wants a seat."""

    session: SessionId
    room: RoomId
    attempt: int
    rules: RoomRules


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinAbandoned:
    """Whoever asked no longer waits: a seat that was or will be taken is given back."""

    session: SessionId
    room: RoomId
    attempt: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaveRequested:
    """A session gives its seat back."""

    session: SessionId
    room: RoomId


@dataclass(frozen=True, kw_only=True, slots=True)
class SocketClosed:
    """A session's socket ended; its seats wait for the grace."""

    session: SessionId


@dataclass(frozen=True, kw_only=True, slots=True)
class SocketTimedOut:
    """A session's socket fell silent past its deadline; its seats wait for the grace."""

    session: SessionId


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerClosed:
    """A peer connection of a session closed. The seat follows the socket, so nothing changes."""

    session: SessionId


@dataclass(frozen=True, kw_only=True, slots=True)
class Expelled:
    """Somebody who may decides that a session has no seat in a room any more."""

    session: SessionId
    room: RoomId
    reason: LeaveReason


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckRequested:
    """There is a sign that a seat was taken elsewhere: ask now, not at the next renewal."""

    session: SessionId
    room: RoomId


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimAnswered:
    """The store answered a :class:`Claim`.

    `wall_ms`, milliseconds since 1970, orders a join without the store among those with it.
    `number` is the question's.
    """

    seat: Seat
    answer: SeatAnswer | None
    wall_ms: int = 0
    number: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class RulesRead:
    """The answer to a :class:`ReadRules`: the room's rules as they are by now, or why there are none."""

    session: SessionId
    room: RoomId
    attempt: int
    rules: RoomRules | None
    refusal: ErrorCode | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HolderAnswered:
    """The answer to an :class:`session.records.AskHolder`; the seat of a holder here that is silent goes into grace.

    That seat alone: what the session holds in other rooms, and the session, are none of the question's business.
    """

    holder: SessionId
    room: RoomId
    state: HolderState


@dataclass(frozen=True, kw_only=True, slots=True)
class HolderHeard:
    """A session that was silent when it was asked says something again, on a socket that is open all the time."""

    holder: SessionId


@dataclass(frozen=True, kw_only=True, slots=True)
class TouchAnswered:
    """The store answered a :class:`Touch`; `asked_at` is the question's."""

    seats: tuple[Seat, ...]
    answers: tuple[SeatAnswer, ...] | None
    asked_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class AssertAnswered:
    """The store answered an :class:`Assert`; `asked_at` is the question's."""

    seats: tuple[Seat, ...]
    answers: tuple[SeatAnswer, ...] | None
    asked_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseAnswered:
    """The store answered a :class:`Release`."""

    seats: tuple[Seat, ...]
    answers: tuple[SeatAnswer, ...] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomHeard:
    """These nodes say that they hold a room, after an :class:`AskMesh`: a hint, which may only add."""

    room: RoomId
    nodes: frozenset[NodeId]


@dataclass(frozen=True, kw_only=True, slots=True)
class RulesKnown:
    """What a room's rules are by now: its seats here go by them, those in grace from their next one on."""

    room: RoomId
    rules: RoomRules


@dataclass(frozen=True, kw_only=True, slots=True)
class DrainStarted:
    """The node takes no more joins; seats stay."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DrainUndone:
    """The node takes joins again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DrainEnded:
    """The node goes: every seat ends now, without grace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """A deadline of :meth:`SeatRegistry.next_deadline` has come."""


RegistryEvent: TypeAlias = (
    SessionMinted
    | JoinRequested
    | JoinAbandoned
    | LeaveRequested
    | SocketClosed
    | SocketTimedOut
    | PeerClosed
    | Expelled
    | CheckRequested
    | ClaimAnswered
    | RulesRead
    | HolderAnswered
    | HolderHeard
    | TouchAnswered
    | AssertAnswered
    | ReleaseAnswered
    | RoomHeard
    | RulesKnown
    | DrainStarted
    | DrainUndone
    | DrainEnded
    | Tick
)


# --- effects ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """Ask the store for a seat; answered by :class:`ClaimAnswered`.

    `silent` sits in the slot and was asked in vain; `number` counts the claims of one join.
    """

    seat: Seat
    rules: RoomRules
    silent: SessionId | None = None
    number: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadRules:
    """Read the room's definition again, not from a cache; answered by :class:`RulesRead`."""

    session: SessionId
    room: RoomId
    attempt: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Touch:
    """Renew leases; answered by :class:`TouchAnswered`."""

    seats: tuple[Seat, ...]
    asked_at: float = field(compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Assert:
    """State that seats stand; answered by :class:`AssertAnswered`."""

    seats: tuple[Seat, ...]
    asked_at: float = field(compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """End seats in the store; answered by :class:`ReleaseAnswered`."""

    seats: tuple[Seat, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Admit:
    """Tell a session that it has its seat; see :class:`session.records.Admitted`."""

    session: SessionId
    room: RoomId
    attempt: int
    epoch: int
    degraded: tuple[str, ...]
    takes_over: SessionId | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Refuse:
    """Tell a session that it gets no seat; `highest_attempt` comes with `attempt_stale`."""

    session: SessionId
    room: RoomId
    attempt: int
    code: ErrorCode
    highest_attempt: int = 0


RegistryEffect: TypeAlias = (
    Claim | ReadRules | AskHolder | Touch | Assert | Release | Admit | Refuse | SeatLost | RoomNodes | AskMesh
)
