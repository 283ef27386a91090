"""Seats of people whom the door could not check: the store was away and nobody here knew the room.

They are let in, for a store that is away keeps nobody out, but they are told nothing of what was said before: they may
not read the history, and what comes late from other nodes or out of the store is not for them. As soon
as the room's definition can be read they are checked by it, with what they had shown; who does not pass is sent away.
Where too many are checked at once, the others wait for their turn inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
import trio

from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from session import Sessions, StoredRoom
    from session.access import Caller
    from signalling.ids import RoomId, SessionId

LOOK_AGAIN_S: Final = 1.0
"""How often the store is asked for a room that it could not name; while it is away, one question for all rooms."""

MAX_TURNS: Final = 30
"""How often somebody waits for their turn: three times as long as a wrong PIN takes to be forgiven (10 s)."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger("conductor")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What somebody has to show at the door."""

    invitation: str | None = None
    pin: str | None = None


@dataclass(kw_only=True, slots=True)
class _Unchecked:
    caller: Caller
    shown: Shown
    turns: int = 0


class UncheckedSeats:
    """Remembers who came in unchecked, and checks them later.

    Args:
        sessions: Has the seats, ends them, and reads definitions.
        check: Checks somebody by a definition; raises :class:`signalling.errors.Refused`.
        passed: Is told who passed, or whose seat needs no check any more.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        check: Callable[[StoredRoom, Caller, Shown], Awaitable[object]],
        passed: Callable[[SessionId], None],
    ) -> None:
        self._sessions = sessions
        self._check = check
        self._passed = passed
        self._seats: dict[RoomId, dict[SessionId, _Unchecked]] = {}
        self._added = trio.Event()

    def add(self, session: SessionId, room: RoomId, caller: Caller, shown: Shown) -> None:
        """Somebody took a seat unchecked."""
        self._seats.setdefault(room, {})[session] = _Unchecked(caller=caller, shown=shown)
        self._added.set()

    def discard(self, session: SessionId, room: RoomId) -> None:
        """Somebody was checked, here or at the door."""
        if self._forget(session, room):
            self._passed(session)

    def _forget(self, session: SessionId, room: RoomId) -> bool:
        seats = self._seats.get(room, {})
        was_here = seats.pop(session, None) is not None
        if not seats:
            self._seats.pop(room, None)
        return was_here

    def has(self, session: SessionId, room: RoomId) -> bool:
        """Whether somebody still has to be checked."""
        return session in self._seats.get(room, ())

    async def settle(self) -> None:
        """Check everybody as soon as that can be done; runs until cancelled."""
        while True:
            if not self._seats:
                self._added = trio.Event()
                await self._added.wait()
            await self._settle_all()
            await trio.sleep(LOOK_AGAIN_S)

    async def _settle_all(self) -> None:
        for room in tuple(self._seats):
            self._forget_gone(room)
            if room not in self._seats:
                continue
            try:
                stored = await self._sessions.definitions.get(room)
            except Refused as refused:
                if refused.code is not ErrorCode.ROOM_UNKNOWN:
                    return  # The store is still away, for all rooms.
                # Nobody defined it: there is nothing to be kept out of.
                for session in tuple(self._seats.get(room, ())):
                    self.discard(session, room)
                continue
            for session, seat in tuple(self._seats.get(room, {}).items()):
                await self._settle(session, stored, seat)

    async def _settle(self, session: SessionId, stored: StoredRoom, seat: _Unchecked) -> None:
        room = stored.definition.room
        try:
            await self._check(stored, seat.caller, seat.shown)
        except Refused as refused:
            if refused.code is ErrorCode.STORE_UNAVAILABLE:
                return
            if refused.code is ErrorCode.RATE_LIMITED and seat.turns < MAX_TURNS:
                seat.turns += 1
                return
            if self.has(session, room):
                _log.info("unchecked_refused", room=room, session=session, code=refused.code)
                self._sessions.expel(session, room, "kicked")
            self._forget(session, room)
        else:
            self.discard(session, room)

    def _forget_gone(self, room: RoomId) -> None:
        for session in tuple(self._seats[room]):
            if self._sessions.seat(session, room) is None:
                self._forget(session, room)
