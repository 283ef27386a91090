"""Bodies of the resources under ``/v1/rooms``: rooms, invitations, bans and who is there.

What holds a PIN or an invitation does not show it when it is printed.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from signalling.client.messages import ParticipantInfo, PinText, TrackName
from signalling.errors import ErrorCode, Refused
from signalling.ids import NodeId, ParticipantId, RoomId, UserId, is_room_id

__all__ = [
    "MAX_PIN_CHARACTERS",
    "BanEntry",
    "BanList",
    "BanRequest",
    "DepartedEntry",
    "InvitationEntry",
    "InvitationList",
    "InvitationMade",
    "InvitationRequest",
    "KickRequest",
    "MuteRequest",
    "ParticipantEntry",
    "ParticipantList",
    "PinText",
    "RoomAccess",
    "RoomCreation",
    "RoomDetails",
    "RoomList",
    "RoomPatch",
    "RoomPolicyName",
    "RoomSummary",
    "RoomVersion",
    "check_room_name",
]

MAX_PIN_CHARACTERS: Final = 64
"""A PIN is typed by people; it is hashed, so no length costs more."""

RoomPolicyName: TypeAlias = Literal["replace", "reject", "multi"]
RoomAccess: TypeAlias = Literal["open", "invite", "pin"]
CodecPolicyName: TypeAlias = Literal["restrict", "second", "tell"]
PlacementPolicy: TypeAlias = Literal["relay", "gather", "auto"]


class _RoomWishes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may be said of a room; what is left out stays as it is, or follows the config.

    Attributes:
        on_join: What happens when a user comes in again on another device.
        max_participants: Seats at once.
        grace_s: How long a seat waits for its socket, seconds; null for the node's own.
        locked: Whether only those may come in who have a seat.
        access: Who may come in.
        pin: What ``access: pin`` asks for; null takes it away.
        metadata: Any JSON object up to 4 kB, for the operator's own pages.
        loudest: That many speakers are heard; 0 is all.
        max_height: Of a picture, in lines; 0 is any.
        max_bitrate_bps: To one subscriber, in all; 0 is any.
        codec_policy: What happens when somebody cannot play what another sends.
        residency: Regions or residency tags of the nodes on which the room may live; empty for any.
        placement: ``relay``: each is on their near node, and the nodes relay; ``gather``: all are led to one node;
            ``auto``: whichever is better for everyone; null for the node's own.
    """

    on_join: RoomPolicyName | UnsetType | None = UNSET
    max_participants: int | UnsetType | None = UNSET
    grace_s: float | UnsetType | None = UNSET
    locked: bool | UnsetType = UNSET
    access: RoomAccess | UnsetType = UNSET
    pin: PinText | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    loudest: int | UnsetType | None = UNSET
    max_height: int | UnsetType | None = UNSET
    max_bitrate_bps: int | UnsetType | None = UNSET
    codec_policy: CodecPolicyName | UnsetType | None = UNSET
    residency: tuple[str, ...] | UnsetType = UNSET
    placement: PlacementPolicy | UnsetType | None = UNSET

    def __repr__(self) -> str:
        """Name the kind alone: requests end up in tracebacks."""
        return f"{type(self).__name__}(...)"


class RoomCreation(_RoomWishes, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /v1/rooms``: make a room under a name of my choice; unset fields follow the config."""

    room: RoomId


class RoomPatch(_RoomWishes, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``PATCH /v1/rooms/{room}``: change what is named, and nothing else. A new ``owner`` takes the room over."""

    owner: UserId | UnsetType = UNSET


class RoomSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A room as a list shows it."""

    room: RoomId
    participants: int
    nodes: tuple[NodeId, ...]
    on_join: str
    max_participants: int
    locked: bool = False
    access: str = "open"
    loudest: int = 0
    max_height: int = 0
    max_bitrate_bps: int = 0
    codec_policy: str = "restrict"


class RoomList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of rooms by name; ``next`` is the ``after`` of the page behind it, null on the last.

    Rooms that are by invitation only are left out for strangers, so a page may be shorter than its limit.
    """

    rooms: tuple[RoomSummary, ...]
    next: str | None = None


class RoomDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A room as it is defined; its revision is the ETag. Who is in it is a resource of its own.

    ``warnings`` come with what was just made or changed: it holds, and is likely not what was meant.
    """

    room: RoomId
    owner: UserId
    on_join: str
    max_participants: int
    grace_s: float | None
    locked: bool
    access: str
    has_pin: bool
    metadata: dict[str, Any]
    loudest: int
    max_height: int
    max_bitrate_bps: int
    codec_policy: str
    created_at_ms: int
    residency: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    placement: PlacementPolicy | None = None


class RoomVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A definition and the revision that it stands at."""

    details: RoomDetails
    revision: int


class InvitationRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /v1/rooms/{room}/invitations``.

    Attributes:
        expires_in_s: How long it holds, seconds.
        max_uses: How many users it lets in; null for any number.
        note: For whoever made it.
    """

    expires_in_s: float = 86_400.0
    max_uses: int | None = None
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""


class InvitationEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation as a list shows it: without what lets somebody in.

    Attributes:
        invitation: Its id.
        by: Who made it.
        expires_at_ms: Milliseconds since 1970.
        max_uses: How many users it lets in; null for any number.
        uses: How many it has let in; counted only where there is a bound.
        note: As its maker wrote it.
    """

    invitation: str
    by: UserId
    expires_at_ms: int
    max_uses: int | None
    uses: int
    note: str = ""


class InvitationMade(InvitationEntry, frozen=True, kw_only=True):
    """A new invitation. ``token`` is shown this once: it goes into ``join`` as ``invitation``."""

    token: str

    def __repr__(self) -> str:
        """Name the id alone."""
        return f"InvitationMade({self.invitation})"


class InvitationList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of invitations by id."""

    invitations: tuple[InvitationEntry, ...]
    next: str | None = None


class BanRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``PUT /v1/rooms/{room}/bans/{user}``; without ``ban_s`` it holds until it is lifted."""

    ban_s: float | None = None
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


class BanEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A ban; ``until_ms`` in milliseconds since 1970, null until it is lifted."""

    user: UserId
    by: UserId
    at_ms: int
    until_ms: int | None = None
    reason: str = ""


class BanList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of bans by user."""

    bans: tuple[BanEntry, ...]
    next: str | None = None


class KickRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /v1/rooms/{room}/participants/{participant}/kick``; with ``ban_s`` the user stays out for so long."""

    ban_s: float | None = None


class MuteRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /v1/rooms/{room}/participants/{participant}/mute``: ask for this track to be muted."""

    track: TrackName


class ParticipantEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is in a room; ``since_ms`` in milliseconds since 1970, 0 where it is not known."""

    participant: ParticipantId
    user: UserId
    name: str
    node: NodeId
    region: str
    since_ms: int

    @classmethod
    def of(cls, info: ParticipantInfo) -> ParticipantEntry:
        """The same without tracks."""
        return cls(
            participant=info.participant,
            user=info.user,
            name=info.name,
            node=info.node,
            region=info.region,
            since_ms=info.since_ms,
        )


class DepartedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was in a room and left it.

    Attributes:
        participant: Who.
        user: Likewise; who may, bans them by it.
        name: As the others saw it.
        node: Where they were last.
        region: Likewise.
        since_ms: When they came, milliseconds since 1970; 0 where it is not known.
        last_seen_ms: When they were last in the room, as the node that was asked saw it.
    """

    participant: ParticipantId
    user: UserId
    name: str
    node: NodeId
    region: str
    since_ms: int
    last_seen_ms: int


class ParticipantList(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody in a room, and who ``left`` it, the last one first.

    Up to 100 who left are remembered, by each node for itself and for as long as anybody is in the room.
    """

    participants: tuple[ParticipantEntry, ...]
    left: tuple[DepartedEntry, ...] = ()


def check_room_name(room: str) -> RoomId:
    """The name as an id.

    Raises:
        Refused: ``room_invalid``, with what a name looks like.
    """
    if not is_room_id(room):
        raise Refused(
            ErrorCode.ROOM_INVALID,
            "A room name has 1 to 64 letters, digits, '.', '_' or '-', and begins with a letter or a digit.",
        )
    return RoomId(room)
