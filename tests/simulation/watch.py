"""What must hold while a run goes on: looked at four times each second, so that what heals is seen before it has."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

import trio

from tests.simulation.person import ROOM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from session.audit import StoredSeat
    from tests.simulation.faulty_store import FaultyStore
    from tests.simulation.person import Device
    from tests.simulation.simulated_node import SimulatedNode
    from tests.simulation.universe import Universe

__all__ = ["Watch"]

EVERY_S: Final = 0.25

SOON_S: Final = 1.25
"""A word from a node to its client or to the store, and one look."""

RENEWED_S: Final = 5.0
"""A renewal (2.5 s), a second for one that was on its way before, and the words that follow."""

LATE_S: Final = 5.0
"""For a release that landed late, and once more with the next renewal."""

GRACE_S: Final = 6.0 + SOON_S


class Watch:
    """Looks at all nodes, the store and all devices; says each wrong once.

    Args:
        universe: tells whether anything breaks in this run.
        nodes: all, dead ones too.
        store: what they share.
        devices: all.
    """

    def __init__(
        self, universe: Universe, nodes: Sequence[SimulatedNode], store: FaultyStore, devices: Sequence[Device]
    ) -> None:
        self._universe = universe
        self._nodes = nodes
        self._store = store
        self._devices = devices
        self._since: dict[str, float] = {}
        self._epochs: dict[tuple[str, int], int] = {}
        self._shown: frozenset[str] = frozenset()
        self._taken: dict[str, float] = {}
        self._gone: set[str] = set()
        self._inside: set[str] = set()
        self._used: dict[tuple[str, int], str] = {}
        self.wrongs: dict[str, None] = {}
        """In the order in which they were found."""

    async def look_on(self) -> None:
        """Look until cancelled."""
        while True:
            await trio.sleep(EVERY_S)
            lasting = dict(self._look())
            now = trio.current_time()
            self._since = {wrong: self._since.get(wrong, now) for wrong in lasting}
            for wrong, bearable_s in lasting.items():
                if now - self._since[wrong] >= bearable_s:
                    self._note(wrong)

    def _note(self, wrong: str) -> None:
        if wrong not in self.wrongs:
            self.wrongs[wrong] = None
            self._universe.tell("watch", wrong)

    def _look(self) -> list[tuple[str, float]]:
        """What is wrong now, each with how long it may be so, seconds."""
        wrongs: list[tuple[str, float]] = []
        for node in self._nodes:
            if node.is_alive:
                wrongs += self._look_at_node(node)
        for device in self._devices:
            wrongs += self._look_at_device(device)
        return wrongs + self._look_at_store()

    def _look_at_node(self, node: SimulatedNode) -> list[tuple[str, float]]:
        assert node.sessions is not None
        seats = [seat for seat in node.sessions.seats() if seat.room == ROOM]
        wrongs: list[tuple[str, float]] = []
        for user, count in Counter(seat.user for seat in seats).items():
            if count > 1:
                wrongs.append((f"{node.id} seats {user} {count} times", 0.0))
        if ROOM in node.rooms.live_rooms():
            seen = Counter(info.participant for info in node.rooms.snapshot(ROOM))
            wrongs += [(f"{node.id} shows {name} twice", 0.0) for name, count in seen.items() if count > 1]
        said = node.sessions.statistics()
        if (said.seats, said.rooms) != (len(seats), min(len(seats), 1)):
            wrongs.append((f"{node.id} says {said.seats} seats in {said.rooms} rooms, and there are {len(seats)}", 0.0))
        for seat in seats:
            if seat.in_grace:
                wrongs.append((f"{node.id} waits on for {seat.session[:6]}", GRACE_S))
            banned_at = self._universe.banned.get(seat.user)
            if banned_at is not None and self._store.is_steady:
                wrongs.append((f"{node.id} seats {seat.user}, banned at {banned_at:.1f}", RENEWED_S))
            kicked_at = self._universe.kicked.get((seat.session, seat.attempt))
            if kicked_at is not None and self._store.was_steady:
                wrongs.append((f"{node.id} seats {seat.session[:6]}, kicked at {kicked_at:.1f}", RENEWED_S))
        return wrongs

    def _look_at_device(self, device: Device) -> list[tuple[str, float]]:
        """Whoever believes to be in, on a socket that stands, sits there and in the store."""
        node, wire = device.node, device.wire
        if device.seat is None or wire is None or wire.is_cut or wire.is_over or node is None or node.sessions is None:
            return []
        held = [seat for seat in node.sessions.seats() if seat.session == device.seat]
        if not held:
            return [(f"{device.name} was put out as {device.seat[:6]} and not told", SOON_S)]
        if not self._store.is_steady or device.seat in self._store.shown(ROOM):
            return []
        # Where a newer join has the seat, this one hears of it by a renewal.
        # Also when that one is gone again by now.
        if any(seat.slot == held[0].slot for seat in self._store.seats(ROOM)):
            self._taken[device.seat] = trio.current_time()
        taken = trio.current_time() - self._taken.get(device.seat, -math.inf) < RENEWED_S
        wrong = f"{device.name} is in as {device.seat[:6]}, and the store does not know it"
        return [(wrong, RENEWED_S if taken or not self._store.was_steady else EVERY_S)]

    def _look_at_store(self) -> list[tuple[str, float]]:
        if not self._store.remembers:
            return []
        seats, steady = self._store.seats(ROOM), self._store.was_steady
        shown = frozenset(str(seat.session) for seat in seats)
        self._gone |= self._shown - shown
        wrongs = [(f"the store shows {session[:6]} again, which was gone", 0.0) for session in shown & self._gone]
        self._shown = shown
        held = {
            str(seat.session)
            for node in self._nodes
            if node.is_alive and node.sessions is not None
            for seat in node.sessions.seats()
        }
        alive = {str(node.id) for node in self._nodes if node.is_alive}
        for seat in seats:
            if str(seat.node) in alive and str(seat.session) not in held | self._universe.former:
                wrong = f"the store shows {seat.session[:6]}, which {seat.node} has let go"
                wrongs.append((wrong, SOON_S if steady else LATE_S))
        if not steady:
            return wrongs
        wrongs += [(f"a node keeps {session[:6]}, which the store does not", RENEWED_S) for session in held - shown]
        return wrongs + self._look_at_joins(seats)

    def _look_at_joins(self, seats: Sequence[StoredSeat]) -> list[tuple[str, float]]:
        """What holds of joins that the store decided."""
        wrongs = self._look_at_epochs(seats)
        if len(seats) > self._universe.cap:
            wrongs.append((f"{len(seats)} sit in a room for {self._universe.cap}", 0.0))
        slots = {str(seat.slot) for seat in seats}
        locked_at = self._universe.locked_at
        if locked_at is not None and locked_at < trio.current_time() - EVERY_S:
            wrongs += [(f"{slot} came into the locked room", 0.0) for slot in slots - self._inside]
        self._inside = slots
        for seat in seats:
            session = self._used.setdefault((seat.device, seat.attempt), str(seat.session))
            if session != seat.session:
                wrongs.append((f"attempt {seat.attempt} of {seat.device} was used twice", 0.0))
        return wrongs

    def _look_at_epochs(self, seats: Sequence[StoredSeat]) -> list[tuple[str, float]]:
        wrongs = []
        for seat in seats:
            epoch = self._store.epoch_of(ROOM, seat)
            first = self._epochs.setdefault((seat.session, seat.attempt), epoch)
            if epoch != first:
                wrongs.append((f"the join of {seat.session[:6]} counts as a new one at each renewal", 0.0))
        return wrongs
