"""What the HTTP side asks about rooms; see :mod:`node.http.backend` for what holds of every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from signalling.client.rooms import (
        BanEntry,
        BanList,
        BanRequest,
        InvitationList,
        InvitationMade,
        InvitationRequest,
        KickRequest,
        MuteRequest,
        ParticipantList,
        RoomCreation,
        RoomList,
        RoomPatch,
        RoomVersion,
    )
    from signalling.ids import ParticipantId, RoomId, UserId


class RoomBackend(Protocol):
    """Rooms as REST has them. Each call comes with a session token, and is refused without a good one.

    Whoever may not know of a room gets `room_unknown`; whoever may not decide there gets `not_permitted`. A
    change may name the revisions that it was made of: at another one it is refused with `revision_conflict`.
    """

    async def create(self, session_token: str, request: RoomCreation) -> RoomVersion:
        """Make a room; refused with ``room_exists`` when there is one of that name."""
        ...

    async def page(self, session_token: str, *, after: str, limit: int) -> RoomList:
        """Rooms by name, for somebody with a session: a room's name is half an invitation."""
        ...

    async def get(self, session_token: str, room: RoomId) -> RoomVersion:
        """A room's definition."""
        ...

    async def patch(
        self, session_token: str, room: RoomId, request: RoomPatch, *, revisions: Collection[int] | None
    ) -> RoomVersion:
        """Change it."""
        ...

    async def delete(self, session_token: str, room: RoomId, *, revisions: Collection[int] | None) -> None:
        """Delete it; whoever is inside loses the seat with ``room_deleted``."""
        ...

    async def participants(self, session_token: str, room: RoomId) -> ParticipantList:
        """Who is there, and who was."""
        ...

    async def kick(self, session_token: str, room: RoomId, participant: ParticipantId, request: KickRequest) -> None:
        """End somebody's seat."""
        ...

    async def ask_mute(
        self, session_token: str, room: RoomId, participant: ParticipantId, request: MuteRequest
    ) -> None:
        """Ask somebody to mute a track."""
        ...

    async def bans(self, session_token: str, room: RoomId, *, after: str, limit: int) -> BanList:
        """Who is banned, by user."""
        ...

    async def ban(self, session_token: str, room: RoomId, user: UserId, request: BanRequest) -> BanEntry:
        """Ban somebody; who is inside loses the seat."""
        ...

    async def lift_ban(self, session_token: str, room: RoomId, user: UserId) -> None:
        """Lift a ban; nothing happens where there is none."""
        ...

    async def invite(self, session_token: str, room: RoomId, request: InvitationRequest) -> InvitationMade:
        """Make an invitation."""
        ...

    async def invitations(self, session_token: str, room: RoomId, *, after: str, limit: int) -> InvitationList:
        """The invitations that hold, by id."""
        ...

    async def revoke_invitation(self, session_token: str, room: RoomId, invitation: str) -> None:
        """Make one worth nothing; refused with ``invitation_unknown`` where there is none."""
        ...
