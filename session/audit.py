"""Whether the index of seats and a node's own seats say the same: a pure comparison.

| finding | what it is | what mends it |
|---|---|---|
| `ghost` | the store has a seat of this node that nobody here holds, or one of a node that is gone | its lease |
| `missing` | somebody sits here and the store has nobody in that slot | the next renewal |
| `double` | somebody sits here and the store has another session there, or one session twice | the next renewal |

A join or a leave on its way looks like one of these for a moment. So whoever audits looks twice, and counts what it
finds both times. Of other nodes there is no more here than what the store says and whether they are alive: each
answers for its own seats.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from session.store import Seat, SlotId
    from signalling.ids import DeviceId, NodeId, RoomId, SessionId

__all__ = ["Finding", "FindingKind", "SeatReader", "StoredSeat", "compare_seats"]

FindingKind: TypeAlias = Literal["ghost", "missing", "double"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredSeat:
    """A live seat as the store has it."""

    room: RoomId
    slot: SlotId
    session: SessionId
    device: DeviceId
    attempt: int
    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Finding:
    """One seat about which two accounts differ; `session` and `node` are the store's, but of a missing seat."""

    kind: FindingKind
    room: RoomId
    slot: SlotId
    session: SessionId
    node: NodeId


class SeatReader(Protocol):
    """Reads the whole index, for an audit and never on the way of a join.

    Both calls raise :class:`durable.StoreUnavailableError`; each round trip ends within the store's deadline.
    """

    async def rooms(self) -> frozenset[RoomId]:
        """Every room of the cluster that has, or lately had, a seat."""
        ...

    async def seats_in(self, rooms: Collection[RoomId]) -> tuple[StoredSeat, ...]:
        """The live seats of these rooms."""
        ...


def compare_seats(
    stored: Iterable[StoredSeat], held: Iterable[Seat], *, node: NodeId, alive: Collection[NodeId]
) -> frozenset[Finding]:
    """Find where the store and this node differ.

    Args:
        stored: the live seats of all rooms that are looked at.
        held: the seats of this node in these rooms, in grace included.
        node: this node.
        alive: all living nodes.
    """
    by_slot = {(seat.room, seat.slot): seat for seat in stored}
    here = {(seat.room, seat.slot): seat for seat in held}
    found: set[Finding] = set()
    for place, seat in by_slot.items():
        mine = here.get(place)
        if mine is not None and mine.session != seat.session:
            found.add(_finding("double", seat))
        elif (seat.node == node and mine is None) or (seat.node != node and seat.node not in alive):
            found.add(_finding("ghost", seat))
    found |= {_finding("missing", seat) for place, seat in here.items() if place not in by_slot}
    # A session sits in one slot, whatever the room's policy was when it came.
    places = Counter((seat.room, seat.session) for seat in by_slot.values())
    found |= {_finding("double", seat) for seat in by_slot.values() if places[seat.room, seat.session] > 1}
    return frozenset(found)


def _finding(kind: FindingKind, seat: Seat | StoredSeat) -> Finding:
    return Finding(kind=kind, room=seat.room, slot=seat.slot, session=seat.session, node=seat.node)
