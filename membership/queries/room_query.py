"""What nodes ask each other about a room while the store is away: the two messages, pure.

A Serf query carries a room's mark; the nodes on which the room lives answer with the same mark. The mark is a
hash under the cluster's name: the room's name stays with those who know it, and another cluster on the same
gossip has another mark for it, so its queries are nobody's here.

Anybody with the gossip key can ask and answer anything. An answer is a hint where to try a link, and the link is
negotiated with signatures; a query tells whether a room of a known name lives, to those who are in the mesh anyway.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from signalling.cbor import decode, encode

if TYPE_CHECKING:
    from signalling.ids import RoomId

__all__ = ["MAX_ROOM_QUERY_BYTES", "RoomMark", "RoomQuery", "decode_room_query", "encode_room_query", "mark_of"]

MAX_ROOM_QUERY_BYTES: Final = 64
"""A mark and its frame take 19; the rest is for fields of later versions. Serf itself carries 970 in an answer."""

MARK_BYTES: Final = 16
"""Two rooms of a cluster share a mark once in 2^64 rooms, and then a link is tried in vain."""

RoomMark: TypeAlias = bytes
"""What stands for a room in gossip; see :func:`mark_of`."""


class RoomQuery(msgspec.Struct, frozen=True, array_like=True):
    """Where does this room live?  The answer is the same message: here.

    Attributes:
        version: 1; a higher one may append fields.
        mark: the room's, 16 bytes.
    """

    version: Annotated[int, Meta(ge=1, le=255)]
    mark: Annotated[bytes, Meta(min_length=MARK_BYTES, max_length=MARK_BYTES)]


def mark_of(room: RoomId, *, cluster: str) -> RoomMark:
    """The mark of a room of that cluster: BLAKE2b (RFC 7693) of its name, keyed with the cluster's."""
    return hashlib.blake2b(room.encode(), digest_size=MARK_BYTES, key=cluster.encode()).digest()


def encode_room_query(mark: RoomMark) -> bytes:
    """The bytes of a question, or of its answer."""
    return encode(RoomQuery(version=1, mark=mark))


def decode_room_query(payload: bytes) -> RoomMark:
    """The mark in a question or an answer.

    Raises:
        GarbledError: it is too long, or no such message.
    """
    return decode(payload, RoomQuery, max_bytes=MAX_ROOM_QUERY_BYTES).mark
