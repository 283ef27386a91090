"""Rooms, bans and invitations as REST shows them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from signalling.client.rooms import BanEntry, DepartedEntry, InvitationEntry, RoomDetails, RoomSummary, RoomVersion

if TYPE_CHECKING:
    from session import RoomDefinition, StoredRoom
    from session.bans import Ban
    from session.invitations import Invitation
    from session.room_visits import Seen
    from signalling.client.messages import ParticipantInfo


def version(stored: StoredRoom) -> RoomVersion:
    """A definition with its revision; the PIN's hash stays here."""
    definition = stored.definition
    details = RoomDetails(
        room=definition.room,
        owner=definition.owner,
        on_join=definition.policy.value,
        max_participants=definition.max_participants,
        grace_s=definition.grace_s,
        locked=definition.locked,
        access=definition.access.value,
        has_pin=bool(definition.pin_hash),
        metadata=definition.metadata,
        created_at_ms=definition.created_at_ms,
        residency=definition.residency,
        placement=definition.placement,
        **msgspec.structs.asdict(definition.media),
    )
    return RoomVersion(details=details, revision=stored.revision)


def summary(definition: RoomDefinition, present: tuple[ParticipantInfo, ...]) -> RoomSummary:
    """A room for a list, with who of it this node sees."""
    return RoomSummary(
        room=definition.room,
        participants=len(present),
        nodes=tuple(sorted({one.node for one in present})),
        on_join=definition.policy.value,
        max_participants=definition.max_participants,
        locked=definition.locked,
        access=definition.access.value,
        **msgspec.structs.asdict(definition.media),
    )


def departed_entry(seen: Seen) -> DepartedEntry:
    """Somebody who left, and when this node saw them last."""
    return DepartedEntry(
        participant=seen.participant,
        user=seen.user,
        name=seen.name,
        node=seen.node,
        region=seen.region,
        since_ms=seen.since_ms,
        last_seen_ms=seen.left_ms,
    )


def ban_entry(ban: Ban) -> BanEntry:
    """A ban without its record's version."""
    return BanEntry(user=ban.user, by=ban.by, at_ms=ban.at_ms, until_ms=ban.until_ms, reason=ban.reason)


def invitation_entry(key: str, record: Invitation) -> InvitationEntry:
    """An invitation without those whom it let in."""
    return InvitationEntry(
        invitation=key,
        by=record.by,
        expires_at_ms=record.expires_at_ms,
        max_uses=record.max_uses,
        uses=len(record.used_by),
        note=record.note,
    )
