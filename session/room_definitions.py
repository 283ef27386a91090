"""Definitions of rooms as the session service needs them: refused clearly, and cached for joins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import trio

from durable.errors import StoreUnavailableError
from durable.repository import RevisionConflictError
from session.directory import StoredRoom, check_definition, define_room
from signalling.client.rooms import check_room_name
from signalling.errors import ErrorCode, Refused, RevisionConflict
from signalling.ids import RoomId
from signalling.keyed_pace import KeyedPace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from session.config import SessionConfig
    from session.directory import RoomDefinition, RoomDirectory
    from session.room_media import RoomMedia
    from signalling.ids import UserId

__all__ = ["RoomDefinitions", "or_refused"]

MAX_CHANGES: Final = 4
"""How often a change is made anew because somebody else was faster; each loses to one that won."""

ROOMS_AT_ONCE: Final = 20
ROOMS_PER_S: Final = 0.1
"""Rooms that one user makes by joining: a person makes one now and then, and all share the mesh's bound."""

_Answer = TypeVar("_Answer")


class RoomDefinitions:
    """A directory with the node's own defaults, and a cache so that a join costs one round trip.

    Args:
        config: caps and whether joining creates.
        directory: where the definitions are.
    """

    def __init__(self, config: SessionConfig, directory: RoomDirectory) -> None:
        self._config = config
        self._directory = directory
        self._cache: dict[RoomId, StoredRoom] = {}
        self._visited: dict[RoomId, None] = {}
        self._making: set[RoomId] = set()
        self._pace = KeyedPace(rate_per_s=ROOMS_PER_S, burst=ROOMS_AT_ONCE)

    def usual(self, room: str, *, owner: str = "") -> RoomDefinition:
        """A room of that name as this node's config would have it.

        Raises:
            Refused: `room_invalid`: the name.
        """
        return define_room(
            room,
            max_participants=self._config.room_max_participants,
            policy=self._config.room_policy,
            media=self._config.room_media,
            owner=owner,
            now_ms=_now_ms(),
        )

    async def create(self, definition: RoomDefinition) -> StoredRoom:
        """Add a room.

        Raises:
            Refused: `room_invalid`, `room_exists`, `rooms_full`, `too_many_rooms`, `store_unavailable`.
        """
        check_definition(definition, max_grace_s=self._config.lease_s)
        return self._keep(await or_refused(self._directory.create(definition)))

    async def get(self, room: str) -> StoredRoom:
        """The room as it stands in the store.

        Raises:
            Refused: `room_invalid`, `room_unknown`, `store_unavailable`.
        """
        found = await or_refused(self._directory.get(check_room_name(room)))
        if found is None:
            self.forget(RoomId(room))
            raise _unknown(room)
        return self._keep(found)

    async def peek(self, room: RoomId) -> StoredRoom | None:
        """The room as it stands in the store, `closing` if its deletion is decided and not done.

        While the store is away: as joins here know it, if at all.
        """
        try:
            found = await self._directory.find(room)
        except StoreUnavailableError:
            return self._cache.get(room)
        return found if found is None or found.definition.closing else self._keep(found)

    async def list(self, *, after: str, limit: int) -> tuple[StoredRoom, ...]:
        """A page of rooms by name.

        Raises:
            Refused: `store_unavailable`.
        """
        return await or_refused(self._directory.rooms(after=after, limit=limit))

    async def change(
        self, stored: StoredRoom, changed: Callable[[RoomDefinition], RoomDefinition], *, again: bool
    ) -> StoredRoom:
        """Change a room that was just read.

        Args:
            stored: the room as it was read.
            changed: makes the new definition of the old one.
            again: whether to read it again and change that when somebody else was faster, a few times.

        Raises:
            RevisionConflict: somebody else was faster.
            Refused: `room_invalid`, `room_unknown` (it was deleted), `too_many_rooms` (its new owner has enough),
                `store_unavailable`.
        """
        for _ in range(MAX_CHANGES):
            # Somebody cares for it: it is forgotten no longer.
            definition = msgspec.structs.replace(changed(stored.definition), from_join=False)
            check_definition(definition, max_grace_s=self._config.lease_s)
            try:
                return self._keep(await or_refused(self._directory.replace(stored, definition)))
            except RevisionConflictError as conflict:
                if not conflict.revision:
                    self.forget(definition.room)
                    raise _unknown(definition.room) from None
                if not again:
                    raise _conflict(conflict.revision) from None
                stored = await self.get(definition.room)
        raise _conflict(stored.revision)

    async def to_delete(self, room: RoomId) -> StoredRoom:
        """As `get`, and a room whose deletion began and did not end.

        Raises:
            Refused: `room_unknown`, `store_unavailable`.
        """
        found = await or_refused(self._directory.find(room))
        if found is None:
            self.forget(room)
            raise _unknown(room)
        return found

    async def close(self, stored: StoredRoom) -> StoredRoom:
        """Decide that a room is deleted; what follows may be repeated until :meth:`remove` succeeds.

        Raises:
            RevisionConflict: somebody else changed it since it was read.
            Refused: `store_unavailable`: it may be decided all the same.
        """
        try:
            closed = await or_refused(self._directory.close(stored))
        except RevisionConflictError as conflict:
            raise _conflict(conflict.revision) from None
        self.forget(stored.definition.room)
        return closed

    async def remove(self, closed: StoredRoom) -> None:
        """Remove a closed room with its invitations, bans and chat.

        Raises:
            Refused: `store_unavailable`.
        """
        await or_refused(self._directory.remove(closed))

    async def for_join(self, room: RoomId, by: UserId | None) -> StoredRoom:
        """The room's definition, made if need be; a store that is away keeps nobody out.

        Raises:
            Refused: `room_unknown`; `rooms_full` when no more rooms can be made, `rate_limited` when this user made
                many just now.
        """
        stored = self._cache.get(room) or await self.read_again(room, by)
        self.note_visit(room)
        return stored

    async def read_again(self, room: RoomId, by: UserId | None = None) -> StoredRoom:
        """As `for_join`, and not from the cache while the store answers: the definition known here has been passed.

        Raises:
            Refused: `room_unknown`, or `rooms_full` when no more rooms can be made.
        """
        wanted = msgspec.structs.replace(self.usual(room), from_join=True)
        try:
            found = await self._directory.find(room)
            if found is not None and found.definition.closing and not found.definition.from_join:
                self.forget(room)
                raise _unknown(room)
            if (found is None or found.definition.closing) and self._config.rooms_on_join:
                found = await self._make(wanted, by)
        except StoreUnavailableError:
            return self._cache.get(room, StoredRoom(wanted))
        if found is None:
            self.forget(room)
            raise _unknown(room)
        return self._keep(found)

    def note_visit(self, room: RoomId) -> None:
        """Somebody came, or is there: to be noted in the store for a room that would be forgotten otherwise."""
        known = self._cache.get(room)
        if known is not None and known.definition.from_join:
            self._visited[room] = None
            if len(self._visited) > self._config.max_rooms:
                del self._visited[next(iter(self._visited))]

    def visited(self) -> tuple[RoomId, ...]:
        """The rooms whose last visit is not noted in the store yet."""
        return tuple(self._visited)

    def visit_noted(self, room: RoomId) -> None:
        """It is noted in the store."""
        self._visited.pop(room, None)

    def known(self, room: RoomId) -> StoredRoom | None:
        """The definition that joins here are decided by, if there is one yet."""
        return self._cache.get(room)

    def forget(self, room: RoomId) -> None:
        """The definition known here was changed or deleted: the next join reads it."""
        self._cache.pop(room, None)
        self._visited.pop(room, None)

    def media_of(self, room: RoomId) -> RoomMedia:
        """See :meth:`session.service.Sessions.media_of`."""
        known = self._cache.get(room)
        return self._config.room_media if known is None else known.definition.media

    def residency_of(self, room: RoomId) -> tuple[str, ...]:
        """See :meth:`session.service.Sessions.residency_of`."""
        known = self._cache.get(room)
        return () if known is None else known.definition.residency

    async def _make(self, wanted: RoomDefinition, by: UserId | None) -> StoredRoom | None:
        room = wanted.room
        if room in self._making:
            # Of those who come at once, one has made it, or pays for it.
            return await self._create_or_get(wanted)
        if by is not None and not self._pace.take(by, trio.current_time()):
            raise Refused(
                ErrorCode.RATE_LIMITED,
                "You made many rooms by joining them; join one that exists, or make the next in a few seconds.",
                retry_after_s=1 / ROOMS_PER_S,
            )
        self._making.add(room)
        try:
            return await self._create_or_get(wanted)
        finally:
            self._making.discard(room)

    async def _create_or_get(self, wanted: RoomDefinition) -> StoredRoom | None:
        try:
            return await self._directory.create(wanted)
        except Refused as refused:
            if refused.code is not ErrorCode.ROOM_EXISTS:
                raise
            return await self._directory.get(wanted.room)

    def _keep(self, stored: StoredRoom) -> StoredRoom:
        """Cache a definition; the oldest goes when there are too many."""
        room = stored.definition.room
        self._cache.pop(room, None)
        self._cache[room] = stored
        if len(self._cache) > self._config.max_rooms:
            del self._cache[next(iter(self._cache))]
        return stored


async def or_refused(call: Awaitable[_Answer]) -> _Answer:
    """The answer of a call to the store; one that it did not take is refused with `store_unavailable`."""
    try:
        return await call
    except StoreUnavailableError as error:
        raise Refused(
            ErrorCode.STORE_UNAVAILABLE, "Rooms cannot be read or changed right now; try again in a moment."
        ) from error


def _unknown(room: str) -> Refused:
    return Refused(ErrorCode.ROOM_UNKNOWN, f"There is no room {room}; look at the list of rooms, GET /v1/rooms.")


def _conflict(revision: int) -> RevisionConflict:
    return RevisionConflict(
        revision, "The room was changed in the meantime; read it again, then repeat with the new ETag in If-Match."
    )


def _now_ms() -> int:
    return int(time.time() * 1000)
