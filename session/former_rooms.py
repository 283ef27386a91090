"""Rooms from before they were documents: in a cluster they lay in one Redis hash, JSON records by name.

A node of that version may still run beside this one, so the hash stays as it is. What was brought over is
noted by name: a room that is deleted later does not come back with the next start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from durable.repository import ABSENT, Kind, RevisionConflictError
from signalling.ids import is_room_id

if TYPE_CHECKING:
    from durable.redis_connection import RedisConnection
    from durable.repository import Repository

__all__ = ["bring_over_rooms"]

_log = structlog.get_logger("session")


async def bring_over_rooms(connection: RedisConnection, repository: Repository, *, cluster: str) -> int:
    """Make documents of the rooms in the hash that were not brought over before; says how many there were.

    A room that exists as a document already is left as it is. May be cancelled and repeated.

    Raises:
        StoreUnavailableError: the store went away; the next start goes on.
    """
    key, moved_key = f"starling:{{{cluster}}}:rooms", f"starling:{{{cluster}}}:rooms:moved"
    names, moved = await connection.run((("HKEYS", key), ("SMEMBERS", moved_key)))
    fresh = sorted(set(names) - set(moved))
    for name in fresh:
        (record,) = await connection.run((("HGET", key, name),))
        room = name.decode(errors="replace")
        if record is not None and is_room_id(room):
            try:
                await repository.put(Kind.ROOM, room, body=record, expected=ABSENT)
            except RevisionConflictError:
                _log.info("room_known_already", room=room)
        await connection.run((("SADD", moved_key, name),))
    if fresh:
        _log.info("rooms_brought_over", rooms=len(fresh))
    return len(fresh)
