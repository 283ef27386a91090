"""Which rooms there are: definitions under the names that their creators picked, one document each.

A definition's document lies in the scope that is the room's name, so that the store decides a join by the
definition of that very moment; see `durable/repository.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from durable.errors import StoreUnavailableError
from durable.kept_fields import rewritten
from durable.repository import ABSENT, Kind, Log, RevisionConflictError
from session.owned_rooms import OwnedRooms
from session.room_media import RoomMedia, check_media
from session.store import RoomPolicy, RoomRules
from signalling.client.rooms import PlacementPolicy, check_room_name
from signalling.errors import ErrorCode, Refused
from signalling.ids import RoomId, UserId

if TYPE_CHECKING:
    from durable.repository import Document, Repository

__all__ = [
    "MAX_ROOM_PARTICIPANTS",
    "Access",
    "RoomDefinition",
    "RoomDirectory",
    "StoredRoom",
    "check_definition",
    "define_room",
]

MAX_ROOM_PARTICIPANTS: Final = 1_000
"""The greatest cap a creator may ask for: every answer of a seat store walks the room's live seats once."""

MAX_ROOMS_PER_OWNER: Final = 1_000
"""Of one user, where nobody says otherwise: a tenth of what a mesh takes."""

MAX_METADATA_BYTES: Final = 4096
"""As JSON: it goes to everybody in the room with every change."""

MAX_RESIDENCIES: Final = 16
"""Regions in which one room may live; a node is held against each at every join."""

_RESIDENCY: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,30}[a-z0-9])?", re.ASCII)

RECORD_VERSION: Final = 2
"""Version of :class:`RoomDefinition`; a reader takes any version and ignores fields it does not know. Version 1
had neither owner, grace, lock, access nor metadata: it reads as nobody's open room."""


class Access(StrEnum):
    """Who may come into a room, besides its owner and admins."""

    OPEN = "open"
    INVITE = "invite"
    PIN = "pin"


class RoomDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A room as its creator defined it.

    Attributes:
        room: its name.
        owner: who may change it; empty for one that a join made.
        max_participants: seats at once.
        policy: what happens when a user comes in again on another device.
        grace_s: how long a seat waits for its socket to come back, seconds; None is the node's own, and the
            store's lease the most.
        locked: whether only those may come in who have a seat.
        access: who may come in at all.
        pin_hash: argon2id of the PIN, in the PHC string format; empty without one. Shown to nobody.
        metadata: whatever the operator's pages keep about it.
        media: what is forwarded in it.
        residency: regions or residency tags of the nodes on which it may live; empty for any. Nodes of a version that
            does not know it take everybody.
        placement: whether its people gather on one node; None is the node's own. See `relay.planner`.
        created_at_ms: milliseconds since 1970.
        from_join: whether a join made it and nobody has changed it since: it is forgotten when nobody comes. False in
            a record that does not say: of an older node, it is kept.
        version: of this record.
    """

    room: RoomId
    owner: UserId = UserId("")
    max_participants: int
    policy: RoomPolicy = RoomPolicy.REPLACE
    grace_s: float | None = None
    locked: bool = False
    access: Access = Access.OPEN
    pin_hash: str = ""
    metadata: dict[str, Any] = {}
    media: RoomMedia = RoomMedia()
    residency: tuple[str, ...] = ()
    placement: PlacementPolicy | None = None
    created_at_ms: int = 0
    from_join: bool = False
    closing: bool = False
    version: int = RECORD_VERSION


_decoder: Final = msgspec.json.Decoder(RoomDefinition)


@dataclass(frozen=True, slots=True)
class StoredRoom:
    """A definition, the revision of its document (0 where it is not stored), and the document as it was read.

    What a newer version wrote into it survives a change by this one.
    """

    definition: RoomDefinition
    revision: int = 0
    body: bytes = field(default=b"{}", compare=False, repr=False)

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


class RoomDirectory:
    """The definitions of rooms in a repository.

    All calls raise :class:`durable.StoreUnavailableError` and its kin, also for a record that cannot be read.

    Args:
        repository: where they are.
        max_rooms: more are refused; checked before the change, so creators at the same moment may pass it by a few.
        max_per_owner: of one user; likewise.
    """

    def __init__(self, repository: Repository, *, max_rooms: int, max_per_owner: int = MAX_ROOMS_PER_OWNER) -> None:
        self._repository = repository
        self._max_rooms = max_rooms
        self._owned = OwnedRooms(repository, max_per_owner=max_per_owner, owner_of=self._owner_of)

    async def create(self, definition: RoomDefinition) -> StoredRoom:
        """Add a room; one of that name that is being deleted goes first.

        Raises:
            Refused: `room_exists`, `rooms_full` when the directory takes no more rooms, `too_many_rooms` when its owner
                has as many as one may.
        """
        room = definition.room
        before = await self.find(room)
        if before is not None:
            if not before.definition.closing:
                raise _taken(room)
            await self.remove(before)
        # The last tenth is for rooms that somebody makes on purpose.
        most = self._max_rooms - self._max_rooms // 10 if definition.from_join else self._max_rooms
        if await self._repository.count_scopes(Kind.ROOM) >= most:
            raise Refused(
                ErrorCode.ROOMS_FULL,
                "This mesh has as many rooms as it takes; delete one that is not needed, or ask its operator.",
            )
        if definition.owner:
            await self._owned.add(definition.owner, room)
        body = msgspec.json.encode(definition)
        try:
            revision = await self._repository.put(Kind.ROOM, room, body=body, expected=ABSENT)
        except RevisionConflictError:
            if definition.owner and await self._owner_of(room) != definition.owner:
                await self._owned.remove(definition.owner, room)
            raise _taken(room) from None
        return StoredRoom(definition, revision, body)

    async def get(self, room: RoomId) -> StoredRoom | None:
        """The room of that name, if there is one."""
        stored = await self.find(room)
        return None if stored is None or stored.definition.closing else stored

    async def find(self, room: RoomId) -> StoredRoom | None:
        """As :meth:`get`, one that is being deleted included."""
        document = await self._repository.get(Kind.ROOM, room)
        return None if document is None else _read(document)

    async def replace(self, stored: StoredRoom, definition: RoomDefinition) -> StoredRoom:
        """Change a room that stands as it was read; fields that this version does not know stay.

        Raises:
            RevisionConflictError: somebody else changed it.
            Refused: `too_many_rooms`: it has a new owner, who has as many as one may.
        """
        before, after = stored.definition.owner, definition.owner
        if after and after != before:
            await self._owned.add(after, definition.room)
        body = rewritten(stored.body, definition)
        revision = await self._repository.put(Kind.ROOM, definition.room, body=body, expected=stored.revision)
        if before and after != before:
            await self._owned.remove(before, definition.room)
        return StoredRoom(definition, revision, body)

    async def close(self, stored: StoredRoom) -> StoredRoom:
        """Decide that a room is deleted: from here on nobody finds it, and whatever fails then is done again.

        Raises:
            RevisionConflictError: somebody else changed it since it was read.
        """
        if stored.definition.closing:
            return stored
        return await self.replace(stored, msgspec.structs.replace(stored.definition, closing=True))

    async def reopen(self, closed: StoredRoom) -> StoredRoom:
        """Take :meth:`close` back.

        Raises:
            RevisionConflictError: it is gone already, or there is another of that name.
        """
        return await self.replace(closed, msgspec.structs.replace(closed.definition, closing=False))

    async def remove(self, closed: StoredRoom) -> None:
        """Remove a closed room and all that belongs to it, the room itself last; again is fine."""
        room, owner = closed.definition.room, closed.definition.owner
        await self._repository.drop(room, (Kind.INVITATION, Kind.BAN, Kind.VISIT), (Log.CHAT,))
        try:
            await self._repository.delete(Kind.ROOM, room, expected=closed.revision)
        except RevisionConflictError:
            # Somebody was as fast, and there may be another room of that name by now.
            return
        if owner:
            await self._owned.remove(owner, room)

    async def note_visit(self, room: RoomId, *, until_ms: int) -> None:
        """Somebody was in a room: until then (milliseconds since 1970) it is not unvisited."""
        await self._repository.put(Kind.VISIT, room, body=b"{}", expires_at_ms=until_ms)

    async def is_wanted(self, room: RoomId) -> bool:
        """Whether somebody was in a room lately, or keeps an invitation to it or a ban from it."""
        if await self._repository.get(Kind.VISIT, room) is not None:
            return True
        for kind in (Kind.INVITATION, Kind.BAN):
            if await self._repository.page(kind, room, limit=1):
                return True
        return False

    async def rooms(self, *, after: str = "", limit: int = 100) -> tuple[StoredRoom, ...]:
        """Up to `limit` rooms by name, beginning behind the name `after`; fewer only where there are no more.

        Those that are being deleted are among them.
        """
        listed = await self._repository.listed(Kind.ROOM, after=after, limit=limit)
        return tuple(_read(document) for _, document in listed)

    async def _owner_of(self, room: str) -> UserId | None:
        stored = await self.get(RoomId(room))
        return None if stored is None else stored.definition.owner


def define_room(
    room: str,
    *,
    max_participants: int,
    policy: RoomPolicy = RoomPolicy.REPLACE,
    media: RoomMedia | None = None,
    owner: str = "",
    now_ms: int,
) -> RoomDefinition:
    """A new definition; see :func:`check_definition` for what may be in it.

    Raises:
        Refused: `room_invalid` with what a name looks like.
    """
    return RoomDefinition(
        room=check_room_name(room),
        owner=UserId(owner),
        max_participants=max_participants,
        policy=policy,
        media=media or RoomMedia(),
        created_at_ms=now_ms,
    )


def check_definition(definition: RoomDefinition, *, max_grace_s: float) -> None:
    """Refuse a definition that no room can have.

    Args:
        definition: what somebody asks for.
        max_grace_s: the store's lease: no seat waits longer for its socket.

    Raises:
        Refused: `room_invalid`, with what is wrong and what would do.
    """
    check_room_name(definition.room)
    check_media(definition.media)
    if not 1 <= definition.max_participants <= MAX_ROOM_PARTICIPANTS:
        raise Refused(ErrorCode.ROOM_INVALID, f"A room holds 1 to {MAX_ROOM_PARTICIPANTS} participants.")
    grace_s = definition.grace_s
    if grace_s is not None and not 0 <= grace_s <= max_grace_s:
        raise Refused(ErrorCode.ROOM_INVALID, f"grace_s is 0 to {max_grace_s:g} seconds, or null for the node's own.")
    if definition.access is Access.PIN and not definition.pin_hash:
        raise Refused(ErrorCode.ROOM_INVALID, "A room with access `pin` needs a pin; send one along.")
    if len(definition.residency) > MAX_RESIDENCIES or not all(map(_RESIDENCY.fullmatch, definition.residency)):
        raise Refused(
            ErrorCode.ROOM_INVALID,
            f"residency is up to {MAX_RESIDENCIES} regions or tags of nodes: short words of a-z, 0-9, '-' and '.'.",
        )
    try:
        size = len(msgspec.json.encode(definition.metadata))
    except RecursionError:
        raise Refused(ErrorCode.ROOM_INVALID, "metadata is nested too deep; make it flatter.") from None
    if size > MAX_METADATA_BYTES:
        raise Refused(
            ErrorCode.ROOM_INVALID, f"metadata takes {size} bytes of JSON; send at most {MAX_METADATA_BYTES}."
        )


def _taken(room: RoomId) -> Refused:
    return Refused(ErrorCode.ROOM_EXISTS, f"There is a room {room} already; join it or pick another.")


def _read(document: Document) -> StoredRoom:
    try:
        return StoredRoom(_decoder.decode(document.body), document.revision, document.body)
    except msgspec.DecodeError as error:
        raise StoreUnavailableError("a room's record in the store cannot be read") from error
