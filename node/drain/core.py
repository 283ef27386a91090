"""When who is told to go: a pure core.

Theory of operation.

| state | event | then | what is done |
|---|---|---|---|
| serving | drain asked, stop asked | draining | refuse new, link ahead, announce, end routes |
| serving, draining | drain asked without moving | released | the same, and release |
| draining | nothing passes here any more, or `ROUTES_S` passed | draining | the first batch is moved |
| draining | time of a batch | draining | the next batch is moved; who was told `TELL_AGAIN_S` ago is told again |
| draining | the engine died | draining | all are moved at once: there is no media here to keep |
| draining | nobody takes some | draining | they are told again later |
| draining | nobody takes any of those left, the process is to end | released | release and finish |
| draining | some cannot move | draining | in the second half of the time their seats are released, in batches |
| draining | undo asked, the process is to stay | serving | admit new, announce, restore routes |
| draining | the deadline | released | release |
| draining | nobody is left and nothing goes over this node, the process is to end | released | finish |
| draining | nobody is left, the process is to stay | draining | nothing: it can still be undone |
| any | stop asked twice | released | finish |

Hops come first, then clients: as long as other nodes' tracks pass here, moved clients would get half of what they hear
from here again. Others find another way as soon as the tag says that this node drains, and leave the old one when the
new one carries. Where there is no other they cannot: that is waited for :data:`ROUTES_S` and no longer. A batch goes
out every `interval_s`, up to a half earlier or later by chance, so that those of several nodes that drain together do
not arrive in step. Clients that do not understand `move` come back elsewhere by themselves, once their seats are
released; they go last, in batches as well, as all at once they would fall on one node.

Whoever moved keeps the connection to here until the new one carries, so a process that is to end waits for them, too.

Each drain has a number, and an undo gives another: what is done or answered for an older one counts no more.

What cannot be undone is the release of a seat, and a process that was told to end. :class:`DrainOverError` then, and
nothing has changed.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from node.drain.events import (
    INTERVAL_S,
    AdmitNew,
    Announce,
    Came,
    CannotMove,
    DrainAsked,
    DrainEffect,
    DrainEvent,
    DrainProgress,
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
    from collections.abc import Callable

    from signalling.ids import SessionId

__all__ = ["MIN_BATCH", "ROUTES_S", "TELL_AGAIN_S", "Drain", "DrainOverError"]

ROUTES_S: Final = 10.0
"""For links to where people go, and for others' routes over this node to end: 1.5 s for the links, 2 s until the agent
has the tag, 2 s until all have heard it (p99 in twelve nodes), 2 s that a former leg flows beside the new one
(relay/legs), and as much again where a link has to be made first."""

ROUTES_SHARE: Final = 1 / 3
"""Of the time until the deadline at most: people need the rest."""

TELL_AGAIN_S: Final = 6.0
"""A client tries three nodes in that time. One that is told anew while it is on its way does not begin again."""

MIN_BATCH: Final = 10
"""What any other node takes at once; fewer would only draw a small drain out."""

JITTER: Final = 0.5
"""Of the interval, either way."""


class DrainOverError(Exception):
    """Seats were released, or the process was told to end: there is no way back. ``code`` is stable."""

    code = "drain_over"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Drain:
    """One node's drain.

    Args:
        draw: Draws evenly from 0 up to 1.
    """

    def __init__(self, *, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._state = DrainState.SERVING
        self._stopping = False
        self._finished = False
        self._untold: OrderedDict[SessionId, None] = OrderedDict()
        self._told: OrderedDict[SessionId, float] = OrderedDict()
        self._unmovable: OrderedDict[SessionId, None] = OrderedDict()
        self._stranded: set[SessionId] = set()
        """Whom no other node took when they were told last."""
        self._moved = self._left = self._released = 0
        self._deadline: float | None = None
        self._number = 0
        # Until when others' tracks are waited for, and whether they have been gone once.
        self._routes_until = 0.0
        self._routes_due: float | None = None
        self._passing = self._movers = 0
        self._batch_due: float | None = None
        self._half: float = 0.0
        self._unmovable_due: float | None = None
        self._batch: int | None = None
        self._interval_s = INTERVAL_S
        self._hurry = False

    # --- the core's face ---

    @property
    def state(self) -> DrainState:
        """Where the node stands."""
        return self._state

    @property
    def number(self) -> int:
        """Which drain this is; another after each start and each undo."""
        return self._number

    def knows(self, person: SessionId) -> bool:
        """Whether somebody counts as being here."""
        return person in self._untold or person in self._told or person in self._unmovable

    def remaining(self) -> frozenset[SessionId]:
        """Who is still here."""
        return frozenset(self._untold) | frozenset(self._told) | frozenset(self._unmovable)

    def progress(self, now: float) -> DrainProgress:
        """How far it is."""
        return DrainProgress(
            state=self._state,
            stopping=self._stopping,
            moved=self._moved,
            left=self._left,
            remaining=self._count(),
            released=self._released,
            passing=self._passing if self._state is DrainState.DRAINING else 0,
            deadline_in_s=None if self._deadline is None else max(0.0, self._deadline - now),
        )

    def next_deadline(self) -> float | None:
        """When :class:`Tick` is due, if ever."""
        times = (self._deadline, self._routes_due, self._batch_due, self._unmovable_due, self._last_leg_due())
        return min((at for at in times if at is not None), default=None)

    def handle(self, event: DrainEvent, now: float) -> tuple[DrainEffect, ...]:
        """Take one event at one moment (seconds, never stepping back); what is to be done, in order.

        Raises:
            DrainOverError: There is no way back from here, and nothing has changed.
        """
        match event:
            case DrainAsked():
                return self._ask(event, now)
            case StopAsked():
                return self._stop(event, now)
            case UndoAsked():
                return self._undo()
            case _ if self._state is not DrainState.DRAINING:
                return ()
            case RoutesEnded(drain=drain) | NobodyTakes(drain=drain) | CannotMove(drain=drain) if drain != self._number:
                return ()
            case RoutesEnded():
                return (*self._end_routes(now), *self._finish_if_empty(now))
            case LegsPass(legs=legs, movers=movers):
                self._passing, self._movers = legs, movers
                return self._finish_if_empty(now)
            case Came(person=person):
                return self._welcome(person, now)
            case Moved(person=person):
                return self._go(person, now, moved=True)
            case Left(person=person):
                return self._go(person, now, moved=False)
            case NobodyTakes(people=people):
                return self._stay(people, now)
            case CannotMove(people=people):
                return self._keep_for_later(people, now)
            case EngineDied():
                self._hurry = True
                return () if self._routes_due is not None else self._next_batch(now)
            case Tick():
                return self._tick(now)

    # --- beginning and ending ---

    def _ask(self, event: DrainAsked, now: float) -> tuple[DrainEffect, ...]:
        if self._state is DrainState.RELEASED:
            raise DrainOverError("The seats of this node are released already; restart it.")
        before = self._deadline if self._stopping else None
        self._batch, self._interval_s = event.batch, event.interval_s
        opening = self._open(event.people, event.passing, event.deadline_s, now)
        if before is not None:
            self._deadline = min(before, now + event.deadline_s)  # The process does not wait any longer for it.
        if not event.moves:
            return (*opening, *self._release())
        return opening

    def _stop(self, event: StopAsked, now: float) -> tuple[DrainEffect, ...]:
        if self._stopping:
            self._enter_released()
            return self._finish()
        before = self._deadline
        self._stopping = True
        self._movers = event.movers
        if self._state is DrainState.RELEASED:
            return self._finish()
        if self._state is DrainState.SERVING:
            self._batch, self._interval_s = None, INTERVAL_S  # not what an undone drain was asked for
        opening = self._open(event.people, event.passing, event.deadline_s, now)
        if before is not None and self._deadline is not None:
            self._deadline = min(before, self._deadline)
        return (*opening, *self._finish_if_empty(now))

    def _open(
        self, people: frozenset[SessionId], passing: int, deadline_s: float, now: float
    ) -> tuple[DrainEffect, ...]:
        """Begin, or go on under a new deadline."""
        self._deadline, self._half = now + deadline_s, now + deadline_s / 2
        if self._state is DrainState.DRAINING:
            self._routes_until = min(self._routes_until, _routes_until(now, deadline_s))
            if self._routes_due is not None:
                self._routes_due = self._routes_until
            if self._unmovable_due is not None and not self._released:
                self._unmovable_due = max(now, self._half) + self._pause_s()
            return ()
        self._state = DrainState.DRAINING
        self._number += 1
        self._passing = passing
        self._untold = OrderedDict.fromkeys(sorted(people))
        self._told.clear()
        self._unmovable.clear()
        self._stranded.clear()
        self._moved = self._left = self._released = 0
        self._hurry = False
        self._routes_until = _routes_until(now, deadline_s)
        self._routes_due, self._batch_due, self._unmovable_due = self._routes_until, None, None
        number = self._number
        return RefuseNew(), LinkAhead(drain=number), Announce(draining=True), EndRoutes(drain=number)

    def _undo(self) -> tuple[DrainEffect, ...]:
        if self._stopping:
            raise DrainOverError("This node's process was told to end; start it again afterwards.")
        if self._state is DrainState.RELEASED:
            raise DrainOverError("The seats of this node are released already; restart it.")
        if self._state is DrainState.SERVING:
            return ()
        if self._released:
            raise DrainOverError("Seats of people who could not be moved are released already; restart this node.")
        self._state = DrainState.SERVING
        self._number += 1
        self._forget_times()
        self._untold.clear()
        self._told.clear()
        self._unmovable.clear()
        return AdmitNew(), Announce(draining=False), RestoreRoutes()

    def _release(self) -> tuple[DrainEffect, ...]:
        self._enter_released()
        return (Release(), *(self._finish() if self._stopping else ()))

    def _finish(self) -> tuple[DrainEffect, ...]:
        if self._finished:
            return ()
        self._finished = True
        return (Finish(),)

    def _finish_if_empty(self, now: float) -> tuple[DrainEffect, ...]:
        """A node may go as soon as nobody sits here and nobody's media goes over it."""
        passes = self._passing and now < self._routes_until
        if not self._stopping or self._count() or self._movers or passes:
            return ()
        self._enter_released()
        return self._finish()

    def _last_leg_due(self) -> float | None:
        """When an empty node waits no longer for what still passes."""
        waits = self._stopping and self._state is DrainState.DRAINING and not self._count() and not self._movers
        return self._routes_until if waits and self._passing else None

    def _enter_released(self) -> None:
        self._state = DrainState.RELEASED
        self._forget_times()
        self._released += self._count()
        self._untold.clear()
        self._told.clear()
        self._unmovable.clear()

    def _count(self) -> int:
        return len(self._untold) + len(self._told) + len(self._unmovable)

    def _forget_times(self) -> None:
        self._deadline = self._routes_due = self._batch_due = self._unmovable_due = None

    # --- people ---

    def _end_routes(self, now: float) -> tuple[DrainEffect, ...]:
        if self._routes_due is None:
            return ()
        self._routes_due = None
        return self._next_batch(now)

    def _welcome(self, person: SessionId, now: float) -> tuple[DrainEffect, ...]:
        if not self.knows(person):
            if not self._untold:
                self._batch_due = None  # which is only for those who were told before
            self._untold[person] = None
            self._arm(now)
        return ()

    def _go(self, person: SessionId, now: float, *, moved: bool) -> tuple[DrainEffect, ...]:
        if not self.knows(person):
            return ()
        self._untold.pop(person, None)
        self._told.pop(person, None)
        self._unmovable.pop(person, None)
        self._stranded.discard(person)
        if moved:
            self._moved += 1
        else:
            self._left += 1
        return self._finish_if_empty(now)

    def _stay(self, people: tuple[SessionId, ...], now: float) -> tuple[DrainEffect, ...]:
        # As if they had been told just now: they are tried again with the others.
        for person in people:
            if person in self._told:
                self._told[person] = now
                self._told.move_to_end(person)
        if not self._stopping:
            return ()
        self._stranded.update(person for person in people if self.knows(person))
        if self.remaining() <= self._stranded and not self._movers:
            return self._release()
        nobody_went = self._told and not self._moved and self._told.keys() <= self._stranded
        if nobody_went and self._routes_due is None:
            # Nobody was taken so far: whether anybody is, the others ask at once and not batch by batch.
            self._hurry = True
            return self._next_batch(now)
        return ()

    def _keep_for_later(self, people: tuple[SessionId, ...], now: float) -> tuple[DrainEffect, ...]:
        for person in people:
            if self.knows(person):
                self._untold.pop(person, None)
                self._told.pop(person, None)
                self._unmovable[person] = None
        if self._unmovable and self._unmovable_due is None:
            self._unmovable_due = max(now, self._half) + self._pause_s()
        return ()

    def _release_next(self, now: float) -> tuple[DrainEffect, ...]:
        """End the seats of the next of those who cannot move, so that the last are gone before the deadline."""
        left_s = 0.0 if self._deadline is None else self._deadline - now
        even = math.ceil(len(self._unmovable) / max(1, math.floor(left_s / self._interval_s)))
        batch = tuple(self._unmovable)[: self._batch or max(MIN_BATCH, even)]
        for person in batch:
            del self._unmovable[person]
        self._released += len(batch)
        self._unmovable_due = now + self._pause_s() if self._unmovable else None
        return (ReleaseSome(people=batch), *self._finish_if_empty(now)) if batch else ()

    def _pause_s(self) -> float:
        return self._interval_s * (1.0 + JITTER * (2.0 * self._draw() - 1.0))

    def _tick(self, now: float) -> tuple[DrainEffect, ...]:
        if self._deadline is not None and now >= self._deadline:
            if self._count() or self._stopping:
                return self._release()
            self._deadline = None  # Nobody is here: nothing is released, and all can be undone.
        if self._routes_due is not None and now >= self._routes_due:
            return (*self._end_routes(now), *self._finish_if_empty(now))
        if (due := self._last_leg_due()) is not None and now >= due:
            return self._finish_if_empty(now)
        if self._batch_due is not None and now >= self._batch_due:
            return self._next_batch(now)
        if self._unmovable_due is not None and now >= self._unmovable_due:
            return self._release_next(now)
        return ()

    def _next_batch(self, now: float) -> tuple[DrainEffect, ...]:
        while self._told and next(iter(self._told.values())) + TELL_AGAIN_S <= now:
            person, _ = self._told.popitem(last=False)
            self._untold[person] = None
        size = len(self._untold) if self._hurry else self._size(now)
        self._hurry = False
        batch = tuple(list(self._untold)[:size])
        for person in batch:
            del self._untold[person]
            self._told[person] = now
        self._stranded.difference_update(batch)
        self._batch_due = None
        self._arm(now)
        if not batch:
            return ()
        within_s = TELL_AGAIN_S if self._deadline is None else min(TELL_AGAIN_S, max(0.0, self._deadline - now))
        return (Move(drain=self._number, people=batch, within_s=within_s),)

    def _arm(self, now: float) -> None:
        """Set the time of the next batch, if there is one to come."""
        if self._routes_due is not None or self._batch_due is not None:
            return
        if self._untold:
            self._batch_due = now + self._pause_s()
        elif self._told:
            self._batch_due = next(iter(self._told.values())) + TELL_AGAIN_S

    def _size(self, now: float) -> int:
        if self._batch is not None:
            return self._batch
        left_s = 0.0 if self._deadline is None else self._deadline - now
        batches = max(1, math.floor(left_s / 2 / self._interval_s))
        return max(MIN_BATCH, math.ceil(len(self._untold) / batches))


def _routes_until(now: float, deadline_s: float) -> float:
    return now + min(ROUTES_S, deadline_s * ROUTES_SHARE)
