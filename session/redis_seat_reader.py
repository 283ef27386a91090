"""The whole index of seats in Redis, read for an audit; how it lies there is told in redis_store.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from durable.errors import StoreUnavailableError
from session.audit import StoredSeat
from session.store import SlotId
from signalling.ids import DeviceId, NodeId, RoomId, SessionId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from durable.redis_connection import RedisConnection

__all__ = ["RedisSeatReader"]

T = TypeVar("T")

KEYS_EACH_TRIP: Final = 1000
"""Keys that one SCAN looks at: some 0.5 ms of the server."""

READS_EACH_TRIP: Final = 500
"""As many as the store changes at once."""


class RedisSeatReader:
    """See :class:`session.audit.SeatReader`. Walks all keys of the database for `rooms`.

    Args:
        connection: to Redis.
        cluster: name of the cluster, part of every key.
    """

    def __init__(self, connection: RedisConnection, *, cluster: str) -> None:
        self._connection = connection
        self._prefix = f"starling:{{{cluster}:"

    async def rooms(self) -> frozenset[RoomId]:
        """See :meth:`SeatReader.rooms`."""
        suffix = "}:index"
        found: set[RoomId] = set()
        cursor = b"0"
        while True:
            scan = ("SCAN", cursor, "MATCH", f"{self._prefix}*{suffix}", "COUNT", KEYS_EACH_TRIP)
            ((next_cursor, keys),) = await self._connection.run((scan,))
            found |= {RoomId(_text(key)[len(self._prefix) : -len(suffix)]) for key in keys}
            cursor = str(int(next_cursor)).encode()
            if cursor == b"0":
                return frozenset(found)

    async def seats_in(self, rooms: Collection[RoomId]) -> tuple[StoredSeat, ...]:
        """See :meth:`SeatReader.seats_in`."""
        ((seconds, micros),) = await self._connection.run((("TIME",),))
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        places: list[tuple[RoomId, SlotId]] = []
        for some in _batched(tuple(rooms)):
            indexes = tuple(
                ("ZRANGE", f"{self._prefix}{room}}}:index", f"({now_ms}", "+inf", "BYSCORE") for room in some
            )
            for room, members in zip(some, await self._connection.run(indexes), strict=True):
                places += [(room, SlotId(_text(member).partition("/")[2])) for member in members]
        seats: list[StoredSeat] = []
        for these in _batched(tuple(places)):
            reads = tuple(
                ("HMGET", f"{self._prefix}{room}}}:seat:{slot}", "sid", "dev", "att", "node", "exp")
                for room, slot in these
            )
            for (room, slot), record in zip(these, await self._connection.run(reads), strict=True):
                # The index and the seat are read one after the other: a seat may have gone between.
                if None not in record and int(record[4]) > now_ms:
                    seats.append(_seat(room, slot, record))
        return tuple(seats)


def _batched(all_of_them: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    for first in range(0, len(all_of_them), READS_EACH_TRIP):
        yield all_of_them[first : first + READS_EACH_TRIP]


def _seat(room: RoomId, slot: SlotId, record: list[Any]) -> StoredSeat:
    session, device, attempt, node = (_text(item) for item in record[:4])
    return StoredSeat(
        room=room,
        slot=slot,
        session=SessionId(session),
        device=DeviceId(device),
        attempt=int(attempt),
        node=NodeId(node),
    )


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise StoreUnavailableError("the store holds something that is not ours") from error
