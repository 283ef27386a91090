"""Events for one slow reader, bounded by what there is instead of by a queue's size.

A seat can only be lost once before somebody takes it again, and of a room's nodes only the newest
set counts; whether somebody is there, or where a room lives, is asked once, however many wait for it. So at most one
event of a kind waits per seat and one per room, and nothing is ever dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from session.records import AskHolder, AskMesh, RoomNodes, SeatLost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from session.records import SessionEvent

__all__ = ["EventOutbox"]


class EventOutbox:
    """Holds events until its one reader takes them, in order; a newer one replaces its elder."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, ...], SessionEvent] = {}
        self._filled = trio.Event()

    def put(self, event: SessionEvent) -> None:
        """Add an event."""
        key: tuple[str, ...]
        match event:
            case SeatLost(room=room, session=session):
                key = (room, session)
            case RoomNodes(room=room):
                key = (room,)
            case AskHolder(room=room, holder=holder):
                key = ("ask", room, holder)
            case AskMesh(room=room):
                key = ("mesh", room, "")
        self._waiting.pop(key, None)
        self._waiting[key] = event
        self._filled.set()

    def __len__(self) -> int:
        return len(self._waiting)

    async def take(self) -> SessionEvent:
        """The oldest event, as soon as there is one."""
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            self._filled = trio.Event()
            await self._filled.wait()
        return self._waiting.pop(next(iter(self._waiting)))

    async def __aiter__(self) -> AsyncIterator[SessionEvent]:
        while True:
            yield await self.take()
