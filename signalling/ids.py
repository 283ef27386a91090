"""Names of things: one type per kind of id, so that a checker keeps them apart.

Ids are text on every wire. Random ones carry their kind as a two-letter prefix, so that a
reader of a log knows what they are looking at. Derived ones (:func:`participant_id`) are the
same on every node without asking anybody.
"""

from __future__ import annotations

import functools
import hashlib
import re
import secrets
from typing import Final, NewType

NodeId = NewType("NodeId", str)
"""A node, stable over restarts; the operator picks it. Matches :data:`NODE_ID_PATTERN`."""

RoomId = NewType("RoomId", str)
"""A room, under the name its creator picked. Matches :data:`ROOM_ID_PATTERN`."""

UserId = NewType("UserId", str)
"""A user, as the signer of their user token names them (guests get a random one)."""

DeviceId = NewType("DeviceId", str)
"""One device of a user; every browser tab is a device of its own. Random, kept by the client."""

SessionId = NewType("SessionId", str)
"""One WebSocket connection: 128 random bits in hex, minted by the node that accepted it."""

ParticipantId = NewType("ParticipantId", str)
"""A user's device in a room; survives rejoins, see :func:`participant_id`."""

TrackId = NewType("TrackId", str)
"""One published audio or video source: 64 random bits, kept over an engine restart."""

MessageId = NewType("MessageId", str)
"""One chat message, minted by the node that accepted it; in the order of time, see :func:`new_message_id`."""

PeerId = NewType("PeerId", str)
"""One peer connection or link inside the engine of one node; means nothing elsewhere."""

NODE_ID_PATTERN: Final = r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$"
"""Lower-case letters, digits and inner hyphens, 32 at most: also a valid Serf and DNS label."""

ROOM_ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""What a URL path segment and a Redis key carry without escaping, 64 characters at most."""

DEVICE_ID_PATTERN: Final = r"^[A-Za-z0-9_-]{8,64}$"
"""What browsers make with ``crypto.randomUUID`` or base64url; long enough not to be guessed by luck."""

TRACK_ID_PATTERN: Final = r"^[A-Za-z0-9_-]{1,64}\Z"
"""What a client or another node may call a track: it is told to everybody, and stands in SDP. Ours are 19 long."""

MAX_ATTEMPT: Final = 2**53 - 1
"""The greatest integer that JavaScript counts without a gap."""


def is_node_id(text: str) -> bool:
    """Say whether ``text`` can name a node."""
    return re.fullmatch(NODE_ID_PATTERN, text) is not None


def is_room_id(text: str) -> bool:
    """Say whether ``text`` can name a room."""
    return re.fullmatch(ROOM_ID_PATTERN, text) is not None


def is_device_id(text: str) -> bool:
    """Say whether ``text`` can name a device."""
    return re.fullmatch(DEVICE_ID_PATTERN, text) is not None


def new_session_id() -> SessionId:
    """Mint a session id: 128 random bits, never reused, never taken from a token."""
    return SessionId(secrets.token_hex(16))


def new_user_id() -> UserId:
    """Mint a user id for a guest."""
    return UserId(f"us_{secrets.token_hex(8)}")


def new_device_id() -> DeviceId:
    """Mint a device id for a client that brought none."""
    return DeviceId(f"de_{secrets.token_hex(8)}")


def new_track_id() -> TrackId:
    """Mint a track id."""
    return TrackId(f"tr_{secrets.token_hex(8)}")


def new_message_id(at_ms: int, node: NodeId) -> MessageId:
    """Mint the id of a chat message that was said at this time (milliseconds since 1970) on this node.

    ``me_``, 12 hex digits of milliseconds, ``-``, 8 that name the node, 8 random ones: bytewise order is the order of
    time, until the year 10889. Two nodes never mint the same, nor does one after a restart within a millisecond.
    """
    return MessageId(f"me_{at_ms:012x}-{_named(node)}{secrets.token_hex(4)}")


def is_minted_by(message: MessageId, node: NodeId) -> bool:
    """Whether :func:`new_message_id` made this id on that node: told by the 8 digits that name the node."""
    return message.partition("-")[2].startswith(_named(node))


@functools.lru_cache(maxsize=64)
def _named(node: NodeId) -> str:
    return hashlib.blake2b(node.encode(), digest_size=4).hexdigest()


def first_id_at(at_ms: int) -> MessageId:
    """What every message of this time and later is above, and every earlier one below."""
    return MessageId(f"me_{at_ms:012x}")


def participant_id(room: RoomId, user: UserId, device: DeviceId) -> ParticipantId:
    """Name the participant that a user's device is in a room.

    Derived, not drawn: every node computes the same id without a store, and a rejoin keeps it,
    so nobody sees the same person twice. The inputs are joined by a byte that none may contain.
    """
    seed = "\x00".join((room, user, device)).encode()
    return ParticipantId(f"pa_{hashlib.blake2b(seed, digest_size=8).hexdigest()}")
