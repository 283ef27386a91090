"""Rooms that a join made and nobody configured are forgotten when nobody has come for a while.

A visit is a document of its own beside the room's, which expires: a room's own revision stays, and a join waits for
nothing. Each node notes who came, and who is still there, now and then; whoever looks and finds a room without a visit
asks the index of seats, closes the room, asks once more, and removes it with its chat. A join that finds it closed
makes it anew. Rooms whose deletion began and did not end are removed on the way.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog
import trio

from durable.errors import StoreUnavailableError
from durable.repository import RevisionConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from session.directory import RoomDirectory, StoredRoom
    from session.room_definitions import RoomDefinitions
    from session.store import SeatStore
    from signalling.ids import RoomId

__all__ = ["UnvisitedRooms"]

MOST_BETWEEN_S: Final = 3_600.0
"""Between two looks: a mesh of 10,000 rooms is then read in 100 questions an hour by each node."""

LOOKS_IN_TIME: Final = 8
"""At least so many looks in the time after which a room is forgotten, where that is short."""

SLACK_LOOKS: Final = 2
"""A visit is noted up to a look late: so much longer it stands, and no room is forgotten too early."""

PAGE: Final = 100

_log: structlog.stdlib.BoundLogger = structlog.get_logger("session")


class UnvisitedRooms:
    """Notes visits and forgets rooms.

    Args:
        directory: where the rooms are.
        definitions: knows who came here, and the rooms of those who are here.
        store: says whether somebody sits in a room.
        rooms_here: the rooms with a seat on this node.
        forget_after_s: after the last visit; 0 is never.
    """

    def __init__(
        self,
        directory: RoomDirectory,
        definitions: RoomDefinitions,
        store: SeatStore,
        *,
        rooms_here: Callable[[], Iterable[RoomId]],
        forget_after_s: float,
    ) -> None:
        self._directory = directory
        self._definitions = definitions
        self._store = store
        self._rooms_here = rooms_here
        self._forget_after_s = forget_after_s
        self._period_s = min(MOST_BETWEEN_S, forget_after_s / LOOKS_IN_TIME)

    async def run(self) -> None:
        """Look now and then until cancelled; ends at once where rooms are kept for ever."""
        await trio.lowlevel.checkpoint()
        while self._forget_after_s:
            await trio.sleep(self._period_s)
            try:
                await self._look()
            except StoreUnavailableError as error:
                # What was not done stays to be done.
                _log.info("rooms_not_looked_through", error=str(error))

    async def _look(self) -> None:
        for room in self._rooms_here():
            self._definitions.note_visit(room)
        for room in self._definitions.visited():
            await self._directory.note_visit(room, until_ms=self._visit_ends_ms())
            self._definitions.visit_noted(room)
        after: str | None = ""
        while after is not None:
            page = await self._directory.rooms(after=after, limit=PAGE)
            for stored in page:
                if stored.definition.closing:
                    await self._directory.remove(stored)
                elif stored.definition.from_join:
                    await self._forget_if_unvisited(stored)
            after = page[-1].definition.room if len(page) == PAGE else None

    async def _forget_if_unvisited(self, stored: StoredRoom) -> None:
        room = stored.definition.room
        if stored.definition.created_at_ms > _now_ms() - self._kept_ms or await self._directory.is_wanted(room):
            return
        if await self._store.nodes_of(room):
            # People on a node that notes no visits, as older ones do.
            await self._directory.note_visit(room, until_ms=self._visit_ends_ms())
            return
        try:
            closed = await self._directory.close(stored)
            if await self._store.nodes_of(room):
                # Somebody came between the two. Whoever comes from here on finds it closed, and makes it anew.
                await self._directory.reopen(closed)
                return
        except RevisionConflictError:
            return
        await self._directory.remove(closed)
        self._definitions.forget(room)
        _log.info("room_forgotten", room=room)

    def _visit_ends_ms(self) -> int:
        return _now_ms() + self._kept_ms

    @property
    def _kept_ms(self) -> int:
        return int((self._forget_after_s + SLACK_LOOKS * self._period_s) * 1000)


def _now_ms() -> int:
    return int(time.time() * 1000)
