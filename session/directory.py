"""Which rooms there are: definitions under the names that their creators picked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from session.room_media import RoomMedia, check_media
from session.store import RoomPolicy, RoomRules
from signalling.errors import ErrorCode, Refused
from signalling.ids import RoomId, is_room_id

__all__ = [
    "MAX_ROOM_PARTICIPANTS",
    "MemoryRoomDirectory",
    "RoomDefinition",
    "RoomDirectory",
    "StoredRoom",
    "check_room_name",
    "define_room",
]

MAX_ROOM_PARTICIPANTS: Final = 1_000
"""The greatest cap a creator may ask for: every answer of a seat store walks the room's live seats once."""

RECORD_VERSION: Final = 1
"""Version of :class:`RoomDefinition`; a reader takes any version and ignores fields it does not know."""


class RoomDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A room as its creator defined it.

    Attributes:
        room: its name.
        max_participants: seats at once.
        policy: what happens when a user comes in again on another device.
        grace_s: how long a seat waits for its socket to come back, seconds; None is the node's own, and the
            store's lease the most.
        locked: whether only those may come in who have a seat.
        media: what is forwarded in it.
        created_at_ms: milliseconds since 1970.
        version: of this record.
    """

    room: RoomId
    max_participants: int
    policy: RoomPolicy = RoomPolicy.REPLACE
    grace_s: float | None = None
    locked: bool = False
    media: RoomMedia = RoomMedia()
    created_at_ms: int = 0
    version: int = RECORD_VERSION


@dataclass(frozen=True, slots=True)
class StoredRoom:
    """A definition and the revision of its document; 0 where definitions have none."""

    definition: RoomDefinition
    revision: int = 0

    @property
    def rules(self) -> RoomRules:
        """What a join is decided by."""
        return RoomRules(
            cap=self.definition.max_participants,
            policy=self.definition.policy,
            locked=self.definition.locked,
            grace_s=self.definition.grace_s,
            revision=self.revision,
        )


class RoomDirectory(Protocol):
    """The interface of all room directories.

    Calls of a shared one raise :class:`session.store.StoreUnavailableError`.
    """

    async def create(self, definition: RoomDefinition) -> StoredRoom:
        """Add a room.

        Raises:
            Refused: `room_exists`, or `node_full` when the directory takes no more rooms.
        """
        ...

    async def get(self, room: RoomId) -> StoredRoom | None:
        """The room of that name, if there is one."""
        ...

    async def rooms(self, *, after: str = "", limit: int = 100) -> tuple[RoomDefinition, ...]:
        """Up to `limit` rooms by name, beginning behind the name `after`."""
        ...


def check_room_name(room: str) -> RoomId:
    """The name as an id.

    Raises:
        Refused: `room_invalid`, with what a name looks like.
    """
    if not is_room_id(room):
        raise Refused(
            ErrorCode.ROOM_INVALID,
            "A room name has 1 to 64 letters, digits, '.', '_' or '-', and begins with a letter or a digit.",
        )
    return RoomId(room)


def define_room(
    room: str,
    *,
    max_participants: int,
    policy: RoomPolicy = RoomPolicy.REPLACE,
    media: RoomMedia | None = None,
    now_ms: int,
) -> RoomDefinition:
    """A checked definition from what a caller asked for.

    Raises:
        Refused: `room_invalid` with what is wrong with the name, the cap or the limits on media.
    """
    name = check_room_name(room)
    if not 1 <= max_participants <= MAX_ROOM_PARTICIPANTS:
        raise Refused(ErrorCode.ROOM_INVALID, f"A room holds 1 to {MAX_ROOM_PARTICIPANTS} participants.")
    return RoomDefinition(
        room=name,
        max_participants=max_participants,
        policy=policy,
        media=check_media(media or RoomMedia()),
        created_at_ms=now_ms,
    )


class MemoryRoomDirectory:
    """Rooms of one node, forgotten when it ends.

    Args:
        max_rooms: more are refused with `node_full`.
    """

    def __init__(self, *, max_rooms: int) -> None:
        self._max_rooms = max_rooms
        self._rooms: dict[RoomId, RoomDefinition] = {}

    async def create(self, definition: RoomDefinition) -> StoredRoom:
        """See :meth:`RoomDirectory.create`."""
        if definition.room in self._rooms:
            raise Refused(ErrorCode.ROOM_EXISTS, f"There is a room {definition.room} already; join it or pick another.")
        if len(self._rooms) >= self._max_rooms:
            raise Refused(ErrorCode.NODE_FULL, "No more rooms can be made here.")
        self._rooms[definition.room] = definition
        return StoredRoom(definition)

    async def get(self, room: RoomId) -> StoredRoom | None:
        """See :meth:`RoomDirectory.get`."""
        found = self._rooms.get(room)
        return None if found is None else StoredRoom(found)

    async def rooms(self, *, after: str = "", limit: int = 100) -> tuple[RoomDefinition, ...]:
        """See :meth:`RoomDirectory.rooms`."""
        names = sorted(name for name in self._rooms if name > after)
        return tuple(self._rooms[name] for name in names[:limit])
