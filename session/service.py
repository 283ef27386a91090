"""The session service."""
from __future__ import annotations
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from session.config import SessionConfig
from session.directory import RoomDefinition, RoomDirectory
from session.records import Admitted, SessionEvent, SessionRecord, SessionStatistics
from session.store import RoomPolicy, SeatStore
from session.tokens import SessionClaims
from signalling.ids import RoomId, SessionId


class Sessions:
    """A running session service; made by `open_sessions`."""

    @property
    def events(self) -> AsyncIterator[SessionEvent]:
        """What happened unasked, in order: one reader. Holds at most one event per seat and one per room."""
        raise NotImplementedError
    def mint_session(self, claims: SessionClaims) -> SessionRecord:
        """Record a new socket under a fresh id.  Raises Refused: node_draining, node_full."""
        raise NotImplementedError
    def record(self, session: SessionId) -> SessionRecord | None:
        raise NotImplementedError
    async def join(self, session: SessionId, room: RoomId, attempt: int) -> Admitted:
        """Take a seat.  Raises Refused (AttemptStale carries highest_attempt)."""
        raise NotImplementedError
    def leave(self, session: SessionId, room: RoomId) -> None:
        """Give the seat back. Raises Refused not_in_room."""
        raise NotImplementedError
    def socket_closed(self, session: SessionId) -> None:
        raise NotImplementedError
    def socket_timed_out(self, session: SessionId) -> None:
        raise NotImplementedError
    def peer_closed(self, session: SessionId) -> None:
        raise NotImplementedError
    def check_seat(self, session: SessionId, room: RoomId) -> None:
        """Ask the store now whether a seat still stands (Rooms' `Doubt` effect)."""
        raise NotImplementedError
    def start_drain(self) -> None:
        raise NotImplementedError
    def undo_drain(self) -> None:
        raise NotImplementedError
    async def release_all(self) -> None:
        """End every seat with node_drained; returns when the store has been told or its deadline passed."""
        raise NotImplementedError
    async def create_room(self, room: str, *, max_participants: int | None = None, policy: RoomPolicy = RoomPolicy.REPLACE) -> RoomDefinition:
        raise NotImplementedError
    async def room(self, room: str) -> RoomDefinition:
        """Raises Refused room_unknown / room_invalid / store_unavailable."""
        raise NotImplementedError
    async def rooms(self, *, after: str = "", limit: int = 100) -> tuple[RoomDefinition, ...]:
        raise NotImplementedError
    def statistics(self) -> SessionStatistics:
        raise NotImplementedError

@asynccontextmanager
async def open_sessions(config: SessionConfig, *, store: SeatStore, directory: RoomDirectory) -> AsyncIterator[Sessions]:
    raise NotImplementedError
    yield Sessions()
