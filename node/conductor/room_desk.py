"""Rooms as REST and moderators ask for them: a :class:`node.http.room_backend.RoomBackend`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import trio
from cryptography.fernet import Fernet, InvalidToken
from msgspec import UNSET

from node.conductor import room_views as views
from session.access import Caller, may_moderate
from session.claims import is_user_id
from session.directory import Access
from session.grants import matches
from session.store import RoomPolicy
from signalling.client.rooms import (
    MAX_PIN_CHARACTERS,
    BanList,
    InvitationList,
    InvitationMade,
    ParticipantEntry,
    ParticipantList,
    RoomList,
    RoomVersion,
)
from signalling.errors import ErrorCode, Refused, RevisionConflict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from accounts import Passwords
    from node.conductor.moderation import Moderation
    from node.conductor.stage import Stage
    from session import RoomDefinition, Sessions, StoredRoom
    from session.bans import Bans
    from session.invitations import Invitations
    from signalling.client.rooms import (
        BanEntry,
        BanRequest,
        InvitationRequest,
        KickRequest,
        MuteRequest,
        RoomCreation,
        RoomPatch,
    )
    from signalling.ids import ParticipantId, RoomId, TrackId, UserId


_SEALED: Final = "~"
"""Before a sealed name; no room's name begins so."""


DELETE_DEADLINE_S: Final = 5.0
"""For deleting a room, its caller gone or not: five questions to the store."""


class RoomDesk:
    """Checks who asks and answers from the definitions, the live rooms and the moderation.

    Args:
        caller: Says who asks, by their session token.
        sessions: Has the definitions of rooms.
        stage: Knows who is where.
        moderation: Carries decisions out.
        bans: Who is kept out.
        invitations: What lets somebody in.
        pins: Hashes them in threads of its own.
        has_home: Whether a node that lives is of one of these regions or residency tags; true for none.
    """

    def __init__(
        self,
        *,
        caller: Callable[[str], Awaitable[Caller]],
        sessions: Sessions,
        stage: Stage,
        moderation: Moderation,
        bans: Bans,
        invitations: Invitations,
        pins: Passwords,
        has_home: Callable[[tuple[str, ...]], bool],
    ) -> None:
        self._has_home = has_home
        self._caller = caller
        # Where a page ends may be a room that its reader must not know of: its name is sealed, good on this node alone.
        self._marks = Fernet(Fernet.generate_key())
        self._definitions = sessions.definitions
        self._stage = stage
        self._moderation = moderation
        self._bans = bans
        self._invitations = invitations
        self._pins = pins

    # --- rooms ------------------------------------------------------------------------------

    async def create(self, session_token: str, request: RoomCreation) -> RoomVersion:
        """See :class:`node.http.room_backend.RoomBackend`."""
        caller = await self._caller(session_token)
        caller.grants.check_room(request.room)
        usual = self._definitions.usual(request.room, owner=caller.user)
        changes = await self._changes(request)
        return self._answered(await self._definitions.create(_changed(usual, changes)))

    def _answered(self, stored: StoredRoom) -> RoomVersion:
        """What was made or changed. A room may be there before its nodes are, so that none is there is a warning."""
        version = views.version(stored)
        if self._has_home(stored.definition.residency):
            return version
        where = ", ".join(stored.definition.residency)
        warning = f"No node that lives now is of {where}: nobody gets in until one is. GET /v1/nodes names the regions."
        return msgspec.structs.replace(version, details=msgspec.structs.replace(version.details, warnings=(warning,)))

    async def page(self, session_token: str, *, after: str, limit: int) -> RoomList:
        """See :class:`node.http.room_backend.RoomBackend`."""
        caller = await self._caller(session_token)
        found = await self._definitions.list(after=self._opened(after), limit=limit)
        shown = [stored for stored in found if self._may_know(stored, caller)]
        return RoomList(
            rooms=tuple(
                views.summary(stored.definition, self._stage.rooms.snapshot(stored.definition.room)) for stored in shown
            ),
            next=self._next(found[-1], shown) if len(found) == limit else None,
        )

    def _next(self, last: StoredRoom, shown: list[StoredRoom]) -> str:
        name = last.definition.room
        return name if last in shown else _SEALED + self._marks.encrypt(name.encode()).decode()

    def _opened(self, after: str) -> str:
        if not after.startswith(_SEALED):
            return after
        try:
            return self._marks.decrypt(after.removeprefix(_SEALED).encode()).decode()
        except InvalidToken:
            sentence = "after is of another node, or of this one before it was started anew; begin with the first page."
            raise Refused(ErrorCode.MALFORMED_MESSAGE, sentence) from None

    async def get(self, session_token: str, room: RoomId) -> RoomVersion:
        """See :class:`node.http.room_backend.RoomBackend`."""
        stored, _ = await self._known(session_token, room)
        return views.version(stored)

    async def patch(
        self, session_token: str, room: RoomId, request: RoomPatch, *, revisions: Collection[int] | None
    ) -> RoomVersion:
        """See :class:`node.http.room_backend.RoomBackend`."""
        stored = await self._decided(session_token, room)
        _check_revision(stored, revisions)
        changes = await self._changes(request)
        return self._answered(await self._change(stored, changes, again=revisions is None))

    async def delete(self, session_token: str, room: RoomId, *, revisions: Collection[int] | None) -> None:
        """See :class:`node.http.room_backend.RoomBackend`."""
        caller = await self._caller(session_token)
        stored = await self._definitions.to_delete(room)
        self._check_may_decide(stored, caller)
        if not stored.definition.closing:
            _check_revision(stored, revisions)
        is_done = False
        # Whoever asked may hang up: what is decided is done all the same.
        with trio.move_on_after(DELETE_DEADLINE_S, shield=True):
            closed = await self._definitions.close(stored)
            await self._moderation.room_deleted(room)
            await self._definitions.remove(closed)
            is_done = True
        if not is_done:
            raise Refused(ErrorCode.STORE_UNAVAILABLE, "The room is not wholly deleted yet; send the same once more.")

    async def participants(self, session_token: str, room: RoomId) -> ParticipantList:
        """See :class:`node.http.room_backend.RoomBackend`."""
        await self._known(session_token, room)
        await self._moderation.check_reach(room)
        return ParticipantList(
            participants=tuple(ParticipantEntry.of(info) for info in self._stage.rooms.snapshot(room)),
            left=tuple(views.departed_entry(seen) for seen in self._stage.rooms.last_seen(room)),
        )

    # --- moderation -------------------------------------------------------------------------

    async def kick(self, session_token: str, room: RoomId, participant: ParticipantId, request: KickRequest) -> None:
        """See :class:`node.http.room_backend.RoomBackend`."""
        await self.kick_by(await self._caller(session_token), room, participant, request.ban_s)

    async def kick_by(self, caller: Caller, room: RoomId, participant: ParticipantId, ban_s: float | None) -> None:
        """End somebody's seat, and keep the user out for so many seconds.

        Raises:
            Refused: `not_permitted`, `participant_unknown`, `room_elsewhere`, `store_unavailable`.
        """
        stored = await self._decided_by(caller, room)
        info = await self._moderation.find_to_kick(room, participant)
        if ban_s is not None:
            _check_bannable(stored.definition, info.user)
            await self._bans.put(room, info.user, by=caller.user, ban_s=ban_s)
            self._moderation.kick_user(room, info.user)
        else:
            await self._moderation.kick(room, info)

    async def ask_mute(
        self, session_token: str, room: RoomId, participant: ParticipantId, request: MuteRequest
    ) -> None:
        """See :class:`node.http.room_backend.RoomBackend`."""
        await self.ask_mute_by(await self._caller(session_token), room, participant, request.track)

    async def ask_mute_by(self, caller: Caller, room: RoomId, participant: ParticipantId, track: TrackId) -> None:
        """Ask somebody to mute a track.

        Raises:
            Refused: `not_permitted`, `participant_unknown`, `track_unknown`, `room_elsewhere`,
                `participant_unreachable`.
        """
        await self._decided_by(caller, room)
        info = await self._moderation.find(room, participant)
        me = None if caller.session is None else self._stage.rooms.participant(caller.session)
        self._moderation.ask_mute(room, info, track, None if me is None else me.participant)

    async def lock_by(self, caller: Caller, room: RoomId, *, locked: bool) -> None:
        """Let nobody more in, or let people in again.

        Raises:
            Refused: `not_permitted`, `store_unavailable`.
        """
        stored = await self._decided_by(caller, room)
        await self._change(stored, {"locked": locked}, again=True)

    async def bans(self, session_token: str, room: RoomId, *, after: str, limit: int) -> BanList:
        """See :class:`node.http.room_backend.RoomBackend`."""
        await self._decided(session_token, room)
        found = await self._bans.page(room, after=after, limit=limit)
        return BanList(
            bans=tuple(views.ban_entry(ban) for ban in found), next=found[-1].user if len(found) == limit else None
        )

    async def ban(self, session_token: str, room: RoomId, user: UserId, request: BanRequest) -> BanEntry:
        """See :class:`node.http.room_backend.RoomBackend`."""
        caller = await self._caller(session_token)
        stored = await self._decided_by(caller, room)
        _check_bannable(stored.definition, user)
        ban = await self._bans.put(room, user, by=caller.user, ban_s=request.ban_s, reason=request.reason)
        self._moderation.kick_user(room, user)
        return views.ban_entry(ban)

    async def lift_ban(self, session_token: str, room: RoomId, user: UserId) -> None:
        """See :class:`node.http.room_backend.RoomBackend`."""
        await self._decided(session_token, room)
        await self._bans.lift(room, user)

    # --- invitations ------------------------------------------------------------------------

    async def invite(self, session_token: str, room: RoomId, request: InvitationRequest) -> InvitationMade:
        """See :class:`node.http.room_backend.RoomBackend`."""
        caller = await self._caller(session_token)
        await self._decided_by(caller, room)
        key, record, token = await self._invitations.make(
            room, by=caller.user, lifetime_s=request.expires_in_s, max_uses=request.max_uses, note=request.note
        )
        entry = views.invitation_entry(key, record)
        return InvitationMade(**msgspec.structs.asdict(entry), token=token)

    async def invitations(self, session_token: str, room: RoomId, *, after: str, limit: int) -> InvitationList:
        """See :class:`node.http.room_backend.RoomBackend`."""
        await self._decided(session_token, room)
        found = await self._invitations.page(room, after=after, limit=limit)
        return InvitationList(
            invitations=tuple(views.invitation_entry(key, record) for key, record in found),
            next=found[-1][0] if len(found) == limit else None,
        )

    async def revoke_invitation(self, session_token: str, room: RoomId, invitation: str) -> None:
        """See :class:`node.http.room_backend.RoomBackend`."""
        await self._decided(session_token, room)
        await self._invitations.revoke(room, invitation)

    # --- who may ----------------------------------------------------------------------------

    def _may_know(self, stored: StoredRoom, caller: Caller) -> bool:
        definition = stored.definition
        if definition.closing or not matches(caller.grants.rooms, definition.room):
            return False
        if definition.access is not Access.INVITE or may_moderate(definition, caller):
            return True
        return any(info.user == caller.user for info in self._stage.rooms.snapshot(definition.room))

    async def _known(self, session_token: str, room: RoomId) -> tuple[StoredRoom, Caller]:
        caller = await self._caller(session_token)
        stored = await self._definitions.get(room)
        if not self._may_know(stored, caller):
            raise Refused(ErrorCode.ROOM_UNKNOWN, f"There is no room {room}; look at the list of rooms, GET /v1/rooms.")
        return stored, caller

    async def _decided(self, session_token: str, room: RoomId) -> StoredRoom:
        return await self._decided_by(await self._caller(session_token), room)

    async def _decided_by(self, caller: Caller, room: RoomId) -> StoredRoom:
        stored = await self._definitions.get(room)
        self._check_may_decide(stored, caller)
        return stored

    def _check_may_decide(self, stored: StoredRoom, caller: Caller) -> None:
        if may_moderate(stored.definition, caller):
            return
        if not self._may_know(stored, caller):
            raise Refused(
                ErrorCode.ROOM_UNKNOWN, f"There is no room {stored.definition.room}; look at the list of rooms."
            )
        raise _may_not_decide(stored.definition)

    # --- changes ----------------------------------------------------------------------------

    async def _change(self, stored: StoredRoom, changes: dict[str, object], *, again: bool) -> StoredRoom:
        changed = await self._definitions.change(stored, lambda old: _changed(old, changes), again=again)
        self._moderation.room_changed(changed)
        return changed

    async def _changes(self, wishes: RoomCreation | RoomPatch) -> dict[str, object]:
        """The fields of a definition that somebody names; those of its media by their own names."""
        named = {
            name: getattr(wishes, name)
            for name in ("max_participants", "loudest", "max_height", "max_bitrate_bps", "codec_policy")
            if getattr(wishes, name) is not None
        }
        changes: dict[str, object] = {name: value for name, value in named.items() if value is not UNSET}
        for name in ("grace_s", "locked", "metadata", "residency", "placement"):
            if getattr(wishes, name) is not UNSET:
                changes[name] = getattr(wishes, name)
        if wishes.on_join is not UNSET and wishes.on_join is not None:
            changes["policy"] = RoomPolicy(wishes.on_join)
        if wishes.access is not UNSET:
            changes["access"] = Access(wishes.access)
        owner = getattr(wishes, "owner", UNSET)
        if owner is not UNSET:
            changes["owner"] = _check_owner(owner)
        if wishes.pin is not UNSET:
            changes["pin_hash"] = "" if wishes.pin is None else await self._pins.hash(_check_pin(wishes.pin))
        return changes


def _changed(definition: RoomDefinition, changes: dict[str, object]) -> RoomDefinition:
    limits = {name: value for name, value in changes.items() if name in definition.media.__struct_fields__}
    others = {name: value for name, value in changes.items() if name not in limits}
    return msgspec.structs.replace(definition, media=msgspec.structs.replace(definition.media, **limits), **others)


def _check_revision(stored: StoredRoom, revisions: Collection[int] | None) -> None:
    if revisions is not None and stored.revision not in revisions:
        raise RevisionConflict(
            stored.revision, "The room was changed since you read it; read it again, then repeat with its new ETag."
        )


def _check_bannable(definition: RoomDefinition, user: UserId) -> None:
    if user == definition.owner:
        raise Refused(ErrorCode.NOT_PERMITTED, "The owner of a room cannot be banned from it.")


def _check_owner(user: UserId) -> UserId:
    if not is_user_id(user):
        raise Refused(ErrorCode.ROOM_INVALID, "That is no user id; take one of the room's participants.")
    return user


def _check_pin(pin: str) -> str:
    if not 4 <= len(pin) <= MAX_PIN_CHARACTERS or not pin.isprintable():
        raise Refused(
            ErrorCode.ROOM_INVALID, f"A pin has 4 to {MAX_PIN_CHARACTERS} printable characters; send another one."
        )
    return pin


def _may_not_decide(definition: RoomDefinition) -> Refused:
    if definition.owner:
        return Refused(ErrorCode.NOT_PERMITTED, "Only this room's owner or an admin may do this.")
    return Refused(ErrorCode.NOT_PERMITTED, "Only an admin may do this: the room was made by a join and has no owner.")
