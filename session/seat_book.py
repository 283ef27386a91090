"""The book of one node's seats: what is done with a seat, and what is to be told of it. Pure.

registry.py decides, this carries out: it keeps every index in step, and notes in `effects` what follows.
What ended is remembered as (device, highest attempt) and (slot, highest epoch), as long as the store
remembers: it refuses late joins and orders new ones while the store is away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from session.held_seats import HeldSeat, HeldSeats
from session.records import AskMesh, RoomNodes, SeatLost
from session.registry_events import Admit, RegistryEffect, Release
from session.room_neighbours import RoomNeighbours
from session.slot_memory import SlotMemories
from session.store import other_slot_of

if TYPE_CHECKING:
    from collections.abc import Iterator, ValuesView

    from session.config import SessionConfig
    from session.joins_on_way import JoinKey
    from session.records import SessionRecord
    from session.store import RoomRules, Seat
    from signalling.client.messages import LeaveReason
    from signalling.ids import NodeId, RoomId, SessionId

__all__ = ["KnownSession", "SeatBook"]

WITHOUT_STORE: Final = ("bans", "caps", "order")
"""What a node judges by its own view alone while the store is away; the rules of a room it may not know at all."""

MAX_UNACKNOWLEDGED_RELEASES: Final = 10_000
"""Every seat of a full node; beyond it the oldest is left to its lease."""


@dataclass(slots=True)
class KnownSession:
    """A session that this node minted, and whether its socket is open."""

    record: SessionRecord
    connected: bool = True


def _unchecked(held: HeldSeat) -> tuple[str, ...]:
    """What the store was not asked about a seat; nothing once it has said that the seat stands."""
    if not held.seat.provisional:
        return ()
    return WITHOUT_STORE if held.rules.revision else (*WITHOUT_STORE, "definition")


class SeatBook:
    """Sessions and seats of one node, and what the store has still to be told of them.

    Args:
        config: lease and memory of the store.
    """

    def __init__(self, config: SessionConfig) -> None:
        self.sessions: dict[SessionId, KnownSession] = {}
        self.held = HeldSeats()
        self.memory = SlotMemories(keep_s=config.tombstone_s)
        self.neighbours = RoomNeighbours(merge_s=config.lease_s)
        self.effects: list[RegistryEffect] = []
        self._unreleased: dict[JoinKey, Seat] = {}

    @property
    def unreleased(self) -> ValuesView[Seat]:
        """Seats that ended and whose release the store has not acknowledged, the oldest first."""
        return self._unreleased.values()

    def sit(self, seat: Seat, rules: RoomRules, now: float) -> None:
        """Seat a session and tell it; whoever sat in that slot here loses it."""
        losers = [loser for loser in self._rivals(seat) if loser.seat.session != seat.session]
        held = HeldSeat(seat, rules, unconfirmed=seat.provisional)
        self.held.add(held)
        self.memory.note(seat, now, epoch=seat.epoch, attempt=seat.attempt)
        if seat.provisional:
            # No store named the room's other nodes.
            self.effects.append(AskMesh(room=seat.room))
        own = [loser.seat.session for loser in losers if loser.seat.device == seat.device]
        self.admit(held, takes_over=own[0] if own else None)
        if seat.provisional:
            # No claim took these from them in the store, and none of ours takes a living seat of another device there.
            self.release(tuple(loser.seat for loser in losers if loser.seat.device != seat.device), now)
        for loser in losers:
            self.lose(loser, "replaced", successor=seat.session if loser.seat.device == seat.device else None)

    def _rivals(self, seat: Seat) -> Iterator[HeldSeat]:
        """Who sits in the seat's slot here, and its device where it sat before the room's policy changed."""
        sitting = self.held.in_slot(seat.room, seat.slot)
        if sitting is not None:
            yield sitting
        elsewhere = self.held.in_slot(seat.room, other_slot_of(seat))
        if elsewhere is not None and elsewhere.seat.device == seat.device and elsewhere.seat.attempt < seat.attempt:
            yield elsewhere

    def admit(self, held: HeldSeat, *, takes_over: SessionId | None = None) -> None:
        """Tell a session that it has its seat."""
        seat = held.seat
        self.effects.append(
            Admit(
                session=seat.session,
                room=seat.room,
                attempt=seat.attempt,
                epoch=seat.epoch,
                degraded=_unchecked(held),
                takes_over=takes_over,
            )
        )

    def end(self, held: HeldSeat, now: float) -> None:
        """The owner gives a seat up."""
        self._drop(held)
        self.release((held.seat,), now)

    def lose(
        self,
        held: HeldSeat,
        reason: LeaveReason,
        *,
        successor: SessionId | None = None,
        moved_to: NodeId | None = None,
    ) -> None:
        """Something else ends a seat; telling the store is up to the caller."""
        seat = held.seat
        self.effects.append(
            SeatLost(session=seat.session, room=seat.room, reason=reason, successor=successor, moved_to=moved_to)
        )
        self._drop(held)

    def end_graces(self, now: float) -> None:
        """End the seats that waited for their socket in vain."""
        for held in self.held.grace_over(now):
            self.lose(held, "connection_lost")
            self.release((held.seat,), now)

    def release(self, seats: tuple[Seat, ...], now: float) -> None:
        """Tell the store that seats ended, now and until it says that it knows."""
        if not seats:
            return
        for seat in seats:
            self.memory.note(seat, now, epoch=seat.epoch, attempt=seat.attempt)
            self._unreleased[seat.session, seat.room, seat.attempt] = seat
        while len(self._unreleased) > MAX_UNACKNOWLEDGED_RELEASES:
            del self._unreleased[next(iter(self._unreleased))]
        self.effects.append(Release(seats=seats))

    def acknowledge(self, seats: tuple[Seat, ...]) -> None:
        """The store knows that these ended."""
        for seat in seats:
            self._unreleased.pop((seat.session, seat.room, seat.attempt), None)

    def learn_nodes(self, room: RoomId, nodes: frozenset[NodeId], *, asked_at: float | None, now: float) -> None:
        """Take a room's other nodes from an answer; see :meth:`RoomNeighbours.learn`."""
        if not self.held.count_in(room):
            return
        changed = self.neighbours.learn(room, nodes, asked_at=asked_at, now=now)
        if changed is not None:
            self.effects.append(RoomNodes(room=room, nodes=changed))

    def forget_if_done(self, session: SessionId) -> None:
        """Drop a session whose socket is gone, unless a seat of it waits for the grace."""
        known = self.sessions.get(session)
        if known is not None and not known.connected and not self.held.of_session(session):
            del self.sessions[session]

    def _drop(self, held: HeldSeat) -> None:
        seat = held.seat
        self.held.remove(held)
        if not self.held.count_in(seat.room) and self.neighbours.forget(seat.room):
            self.effects.append(RoomNodes(room=seat.room, nodes=frozenset()))
        self.forget_if_done(seat.session)
