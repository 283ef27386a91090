"""Definitions of rooms for a cluster, in Redis: one hash of JSON records by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from durable.errors import StoreUnavailableError
from session.directory import RoomDefinition, StoredRoom
from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from durable.redis_connection import RedisConnection
    from signalling.ids import RoomId

__all__ = ["RedisRoomDirectory"]

_decoder = msgspec.json.Decoder(RoomDefinition)


class RedisRoomDirectory:
    """See :class:`session.directory.RoomDirectory`.

    Args:
        connection: to Redis.
        cluster: name of the cluster, part of the key `starling:{<cluster>}:rooms`.
        max_rooms: more are refused; checked before the change, so creators at the same moment may pass it by a few.
    """

    def __init__(self, connection: RedisConnection, *, cluster: str, max_rooms: int) -> None:
        self._connection = connection
        self._key = f"starling:{{{cluster}}}:rooms"
        self._max_rooms = max_rooms

    async def create(self, definition: RoomDefinition) -> StoredRoom:
        """See :meth:`RoomDirectory.create`."""
        known, count = await self._connection.run((("HEXISTS", self._key, definition.room), ("HLEN", self._key)))
        if not known and count >= self._max_rooms:
            raise Refused(ErrorCode.NODE_FULL, "No more rooms can be made here.")
        record = msgspec.json.encode(definition)
        (added,) = (0,) if known else await self._connection.run((("HSETNX", self._key, definition.room, record),))
        if not added:
            raise Refused(ErrorCode.ROOM_EXISTS, f"There is a room {definition.room} already; join it or pick another.")
        return StoredRoom(definition)

    async def get(self, room: RoomId) -> StoredRoom | None:
        """See :meth:`RoomDirectory.get`."""
        (record,) = await self._connection.run((("HGET", self._key, room),))
        return None if record is None else StoredRoom(_decode(record))

    async def rooms(self, *, after: str = "", limit: int = 100) -> tuple[RoomDefinition, ...]:
        """See :meth:`RoomDirectory.rooms`. Walks all names: a list of rooms is asked seldom."""
        (names,) = await self._connection.run((("HKEYS", self._key),))
        page = sorted(name for name in names if name > after.encode())[:limit]
        if not page:
            return ()
        (records,) = await self._connection.run((("HMGET", self._key, *page),))
        return tuple(_decode(record) for record in records if record is not None)


def _decode(record: bytes) -> RoomDefinition:
    try:
        return _decoder.decode(record)
    except msgspec.DecodeError as error:
        raise StoreUnavailableError("a room's record in the store cannot be read") from error
