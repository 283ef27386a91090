"""Carries out what the drain's core decides, and tells it what happens.

Two tasks. The *watcher* owns the core: it looks several times a second who is still here while the node drains and
what of other nodes still passes, and fires the core's deadlines. The *worker* carries out effects one after the other,
each under a deadline of its own, so that their order is what others see: links to where people go, then the tag, then
the routes, then the people. What must hold at once, that nobody new comes in, is done where it is decided.

A drain and its undo take the place of whatever waits for the worker, and what the worker is at ends when its drain
does. So nobody is told to go after an undo, and however often both are ordered, one effect of each kind waits at most.
"""

from __future__ import annotations

import math
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog
import trio

from membership import GossipUnavailableError, NodeState
from node.drain.core import Drain
from node.drain.events import (
    AdmitNew,
    Announce,
    Came,
    CannotMove,
    DrainAsked,
    DrainEffect,
    DrainState,
    EndRoutes,
    EngineDied,
    Finish,
    Left,
    LegsPass,
    LinkAhead,
    Move,
    Moved,
    NobodyTakes,
    RefuseNew,
    Release,
    ReleaseSome,
    RestoreRoutes,
    RoutesEnded,
    StopAsked,
    Tick,
    UndoAsked,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from node.conductor.standing import Standing
    from node.drain.eligibility import Eligibility
    from node.drain.events import DrainEvent, DrainProgress
    from node.drain.ports import Gossip, Links, Moves, Rooms, Seats
    from signalling.ids import NodeId, RoomId, SessionId

__all__ = ["Drainer", "open_drainer"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

LOOK_S: Final = 0.1
"""Between two looks at who is still here. A drain takes seconds to minutes, and so soon it is seen to be done."""

LINKS_AHEAD_S: Final = 1.5
"""For links to where people go; those of a cluster of nine are there before, and one takes less than a second."""

TARGETS_OF_A_ROOM: Final = 2
"""Nodes that are told of a room before its people come: the one they are sent to, and the next if that fails."""

TELL_S: Final = 2.0
"""For gossip to take a changed tag; it is told on by itself."""

RELEASE_S: Final = 2.0
"""For giving all seats back; without it they stand until their lease runs out."""


class Drainer:
    """The drain of a running node. Made by :func:`open_drainer`.

    Plain methods act at once; what they cause is under way when they return.
    """

    def __init__(
        self,
        *,
        standing: Standing,
        seats: Seats,
        moves: Moves,
        rooms: Rooms,
        links: Links | None,
        gossip: Gossip | None,
        eligibility: Eligibility,
        engine_epoch: Callable[[], int | None],
    ) -> None:
        self._standing = standing
        self._seats = seats
        self._moves = moves
        self._rooms = rooms
        self._links = links
        self._gossip = gossip
        self._eligibility = eligibility
        self._engine_epoch = engine_epoch
        self._core = Drain(draw=random.random)
        self._went: set[SessionId] = set()
        # Whose seat is gone, and since when, of whom nobody has said yet where they went.
        self._missing: dict[SessionId, float] = {}
        self._engine: int | None = None
        self._passing = self._movers = 0
        # The drain whose routes are to end, from when others can know it until they have.
        self._routes_of: int | None = None
        self._woken = trio.Event()
        self._finished = trio.Event()
        # What waits for the worker: one of each kind at most, in order.
        self._waiting: dict[type[DrainEffect], DrainEffect] = {}
        self._work_waits = trio.Event()
        moves.report_moves(self._note_moved)

    # --- orders -------------------------------------------------------------------------------

    @property
    def eligible(self) -> bool:
        """Whether this node takes new people, but for a drain."""
        return self._standing.eligible

    def progress(self) -> DrainProgress:
        """How far a drain is."""
        if self._core.state is DrainState.DRAINING:
            self._look()
        seen = self._core.progress(trio.current_time())
        return seen if seen.state is not DrainState.SERVING else replace(seen, remaining=len(self._people()))

    def drain(self, *, deadline_s: float, batch: int | None = None, moves: bool = True) -> None:
        """Empty the node, or go on under another deadline; see :class:`node.drain.events.DrainAsked`.

        Raises:
            DrainOverError: Its seats were released already.
        """
        self._passing = self._legs()
        self._post(
            DrainAsked(people=self._people(), deadline_s=deadline_s, batch=batch, moves=moves, passing=self._passing)
        )

    def undo(self) -> None:
        """Stay in service after all.

        Raises:
            DrainOverError: Seats were released, or the process is to end.
        """
        self._post(UndoAsked())

    async def stop(self, *, deadline_s: float) -> None:
        """Empty the node for good; returns when nobody sits here any more, and no other node's tracks pass here.

        A second call waits for nobody. A second SIGTERM makes none: it cancels the whole node (node/signals.py).
        """
        self._passing, self._movers = self._legs(), self._moves.staying()
        self._post(StopAsked(people=self._people(), deadline_s=deadline_s, passing=self._passing, movers=self._movers))
        await self._finished.wait()

    async def set_eligible(self, eligible: bool) -> None:
        """Take new people or none; those who are here stay, and may come again. It outlives the process.

        Cancelling leaves it done here, and perhaps untold.

        Raises:
            UnkeptError: The data folder does not take it; nothing was changed.
        """
        await self._eligibility.keep(eligible)
        self._standing.eligible = eligible
        await self._tell()

    # --- tasks --------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Keep the core's time and tell it who is here; runs until cancelled."""
        while True:
            self._woken = trio.Event()
            deadline = self._core.next_deadline()
            at = math.inf if deadline is None else deadline
            if self._core.state is DrainState.DRAINING:
                at = min(at, trio.current_time() + LOOK_S)
            with trio.move_on_at(at):
                await self._woken.wait()
            if self._core.state is DrainState.DRAINING:
                self._look()
            deadline = self._core.next_deadline()
            if deadline is not None and trio.current_time() >= deadline:
                self._post(Tick())

    async def work(self) -> None:
        """Carry out effects in order; runs until cancelled."""
        while True:
            while not self._waiting:
                self._work_waits = trio.Event()
                await self._work_waits.wait()
            effect = self._waiting.pop(next(iter(self._waiting)))
            match effect:
                case LinkAhead(drain=drain):
                    await self._link_ahead(drain)
                case Announce():
                    await self._tell()
                case EndRoutes(drain=drain):
                    # The tag is told: others look for another way now. The watcher sees when they have gone.
                    if self._links is not None:
                        self._links.set_draining(True)
                    self._routes_of = drain
                    self._woken.set()
                case RestoreRoutes():
                    self._rooms.share_ahead({})
                    if self._links is not None:
                        self._links.set_draining(False)
                case Move(drain=drain, people=people, within_s=within_s):
                    await self._move(drain, people, within_s)
                case Release():
                    with trio.move_on_after(RELEASE_S):
                        await self._seats.release_all()
                case Finish():
                    self._finished.set()
                case RefuseNew() | AdmitNew() | ReleaseSome():
                    pass  # done where it was decided

    # --- the core's ear -----------------------------------------------------------------------

    def _post(self, event: DrainEvent) -> None:
        before = self._core.state
        for effect in self._core.handle(event, trio.current_time()):
            if isinstance(effect, RefuseNew):
                self._waiting.clear()
                self._standing.draining = True
                self._seats.start_drain()
            elif isinstance(effect, AdmitNew):
                self._waiting.clear()
                self._standing.draining = False
                self._seats.undo_drain()
            elif isinstance(effect, ReleaseSome):
                for seat in self._seats.seats():
                    if seat.session in effect.people:
                        self._seats.expel(seat.session, seat.room, "node_drained")
            else:
                self._hand_on(effect)
        if self._core.state is not before:
            seen = self._core.progress(trio.current_time())
            log.info("drain", state=seen.state, moved=seen.moved, left=seen.left, released=seen.released)
            if before is DrainState.SERVING:
                self._went.clear()
                self._missing.clear()
                self._engine = self._engine_epoch()
        self._woken.set()

    def _hand_on(self, effect: DrainEffect) -> None:
        """Have it done after what waits; people who are told while others wait to be told are told with them."""
        if isinstance(effect, Move) and isinstance(before := self._waiting.get(Move), Move):
            effect = replace(effect, people=tuple(dict.fromkeys((*before.people, *effect.people))))
        self._waiting[type(effect)] = effect
        self._work_waits.set()

    def _look(self) -> None:
        # First: with the last who moved an empty node would go, and take along what it carries for them.
        legs, movers = self._legs(), self._moves.staying()
        if (legs, movers) != (self._passing, self._movers):
            self._passing, self._movers = legs, movers
            self._post(LegsPass(legs=legs, movers=movers))
        here, known, now = self._people(), self._core.remaining(), trio.current_time()
        for person in sorted(known - here):
            if person in self._went:
                self._went.discard(person)
                self._missing.pop(person, None)
                self._post(Moved(person=person))
            elif self._missing.setdefault(person, now) + LOOK_S <= now:
                del self._missing[person]
                self._post(Left(person=person))
        for person in sorted(here - known):
            self._post(Came(person=person))
        engine = self._engine_epoch()
        if engine != self._engine and self._engine is not None:
            self._post(EngineDied())
        self._engine = engine
        if self._routes_of is not None and not legs:
            drain, self._routes_of = self._routes_of, None
            self._post(RoutesEnded(drain=drain))

    def _note_moved(self, person: SessionId) -> None:
        if self._core.knows(person):
            self._went.add(person)
            self._woken.set()

    def _legs(self) -> int:
        return 0 if self._links is None else self._links.statistics().legs_passed

    def _people(self) -> frozenset[SessionId]:
        return frozenset(seat.session for seat in self._seats.seats())

    # --- what is done -------------------------------------------------------------------------

    async def _link_ahead(self, drain: int) -> None:
        """Other nodes refuse links to one that drains: so those that people will need are made before it says so."""
        targets: dict[RoomId, frozenset[NodeId]] = {}
        # What a store far away does not tell of in this time has to do without.
        with trio.move_on_after(LINKS_AHEAD_S):
            for room in sorted({seat.room for seat in self._seats.seats()}):
                ranked = await self._moves.targets(room)
                await trio.lowlevel.checkpoint()
                if not self._goes_on(drain):
                    return
                targets[room] = frozenset(one.node for one in ranked[:TARGETS_OF_A_ROOM])
        self._rooms.share_ahead(targets)
        wanted = frozenset[str]().union(*targets.values())
        for _ in range(math.ceil(LINKS_AHEAD_S / LOOK_S)):
            if self._links is None or wanted <= _up(self._links) or not self._goes_on(drain):
                break
            await trio.sleep(LOOK_S)

    def _goes_on(self, drain: int) -> bool:
        return drain == self._core.number and self._core.state is DrainState.DRAINING

    async def _tell(self) -> None:
        """Say in the tag how this node stands now."""
        if self._gossip is None:
            return
        state = NodeState.DRAINING if self._standing.draining else NodeState.SERVING
        tags = replace(self._gossip.tags, state=state, eligible=self._standing.eligible)
        with trio.move_on_after(TELL_S) as late:
            try:
                await self._gossip.set_tags(tags)
            except GossipUnavailableError as error:
                log.warning("drain_untold", reason=error.message)
        if late.cancelled_caught:
            log.warning("drain_untold", reason="gossip took too long")

    async def _move(self, drain: int, people: tuple[SessionId, ...], within_s: float) -> None:
        stranded = await self._moves.send(people, within_s, wanted=lambda: self._goes_on(drain))
        if stranded:
            self._post(NobodyTakes(drain=drain, people=stranded))
        unmovable = tuple(one for one in people if one not in stranded and not self._moves.understands(one))
        if unmovable:
            self._post(CannotMove(drain=drain, people=unmovable))


def _up(links: Links) -> frozenset[str]:
    return frozenset(link.node for link in links.snapshot() if link.state == "up")


@asynccontextmanager
async def open_drainer(drainer: Drainer) -> AsyncIterator[Drainer]:
    """Run a node's drain for the length of the block."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drainer.watch)
        nursery.start_soon(drainer.work)
        yield drainer
        nursery.cancel_scope.cancel()
