"""Definitions of rooms as the session service needs them: refused clearly, and cached for joins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from durable.errors import StoreUnavailableError
from session.directory import StoredRoom, check_room_name, define_room
from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from session.config import SessionConfig
    from session.directory import RoomDefinition, RoomDirectory
    from session.room_media import RoomMedia
    from session.store import RoomPolicy
    from signalling.ids import RoomId

__all__ = ["RoomDefinitions"]

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

    async def create(
        self, room: str, *, max_participants: int | None, policy: RoomPolicy, media: RoomMedia | None
    ) -> RoomDefinition:
        """See :meth:`session.service.Sessions.create_room`."""
        cap = self._config.room_max_participants if max_participants is None else max_participants
        media = media or self._config.room_media
        definition = define_room(room, max_participants=cap, policy=policy, media=media, now_ms=_now_ms())
        return self._keep(await _or_refused(self._directory.create(definition))).definition

    async def get(self, room: str) -> RoomDefinition:
        """See :meth:`session.service.Sessions.room`."""
        found = await _or_refused(self._directory.get(check_room_name(room)))
        if found is None:
            raise _unknown(room)
        return self._keep(found).definition

    async def list(self, *, after: str, limit: int) -> tuple[RoomDefinition, ...]:
        """See :meth:`session.service.Sessions.rooms`."""
        return await _or_refused(self._directory.rooms(after=after, limit=limit))

    async def for_join(self, room: RoomId) -> StoredRoom:
        """The room's definition, made if need be; a store that is away keeps nobody out.

        Raises:
            Refused: `room_unknown`, or `node_full` when no more rooms can be made.
        """
        known = self._cache.get(room)
        return await self.read_again(room) if known is None else known

    async def read_again(self, room: RoomId) -> StoredRoom:
        """As `for_join`, and not from the cache while the store answers: the definition known here has been passed.

        Raises:
            Refused: `room_unknown`, or `node_full` when no more rooms can be made.
        """
        wanted = define_room(
            room,
            max_participants=self._config.room_max_participants,
            policy=self._config.room_policy,
            media=self._config.room_media,
            now_ms=_now_ms(),
        )
        try:
            found = await self._directory.get(room)
            if found is None and self._config.rooms_on_join:
                found = await self._create_or_get(wanted)
        except StoreUnavailableError:
            return self._cache.get(room, StoredRoom(wanted))
        if found is None:
            self.forget(room)
            raise _unknown(room)
        return self._keep(found)

    def forget(self, room: RoomId) -> None:
        """The definition known here was changed or deleted: the next join reads it."""
        self._cache.pop(room, None)

    def media_of(self, room: RoomId) -> RoomMedia:
        """See :meth:`session.service.Sessions.media_of`."""
        known = self._cache.get(room)
        return self._config.room_media if known is None else known.definition.media

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


async def _or_refused(call: Awaitable[_Answer]) -> _Answer:
    try:
        return await call
    except StoreUnavailableError as error:
        raise Refused(
            ErrorCode.STORE_UNAVAILABLE, "The list of rooms cannot be read right now; try again in a moment."
        ) from error


def _unknown(room: str) -> Refused:
    return Refused(ErrorCode.ROOM_UNKNOWN, f"There is no room {room}; create it first.")


def _now_ms() -> int:
    return int(time.time() * 1000)
