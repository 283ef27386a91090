"""Rooms that are as somebody asks for them, for tests of the way to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import UNSET

from signalling.client.rooms import (
    BanEntry,
    BanList,
    InvitationList,
    InvitationMade,
    ParticipantList,
    RoomDetails,
    RoomList,
    RoomVersion,
)
from signalling.ids import RoomId, UserId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from signalling.client.rooms import (
        BanRequest,
        InvitationRequest,
        KickRequest,
        MuteRequest,
        RoomCreation,
        RoomPatch,
    )
    from signalling.ids import ParticipantId


def version(room: RoomId, on_join: str = "replace") -> RoomVersion:
    details = RoomDetails(
        room=room,
        owner=UserId("us_1"),
        on_join=on_join,
        max_participants=5,
        grace_s=None,
        locked=False,
        access="open",
        has_pin=False,
        metadata={},
        loudest=0,
        max_height=0,
        max_bitrate_bps=0,
        codec_policy="restrict",
        created_at_ms=1,
    )
    return RoomVersion(details=details, revision=1)


@dataclass
class FakeRooms:
    """Hands what it is asked to the backend's own notes."""

    answer: Callable[[object, str], Awaitable[None]]

    async def create(self, session_token: str, request: RoomCreation) -> RoomVersion:
        await self.answer(request, session_token)
        return version(request.room, str(request.on_join) if request.on_join is not UNSET else "replace")

    async def page(self, session_token: str, *, after: str, limit: int) -> RoomList:
        await self.answer(("rooms", after, limit), session_token)
        return RoomList(rooms=())

    async def get(self, session_token: str, room: RoomId) -> RoomVersion:
        await self.answer(("room", room), session_token)
        return version(room)

    async def patch(
        self, session_token: str, room: RoomId, request: RoomPatch, *, revisions: Collection[int] | None
    ) -> RoomVersion:
        await self.answer((room, request, revisions), session_token)
        return version(room)

    async def delete(self, session_token: str, room: RoomId, *, revisions: Collection[int] | None) -> None:
        await self.answer(("delete", room, revisions), session_token)

    async def participants(self, session_token: str, room: RoomId) -> ParticipantList:
        await self.answer(("participants", room), session_token)
        return ParticipantList(participants=())

    async def kick(self, session_token: str, room: RoomId, participant: ParticipantId, request: KickRequest) -> None:
        await self.answer((room, participant, request), session_token)

    async def ask_mute(
        self, session_token: str, room: RoomId, participant: ParticipantId, request: MuteRequest
    ) -> None:
        await self.answer((room, participant, request), session_token)

    async def bans(self, session_token: str, room: RoomId, *, after: str, limit: int) -> BanList:
        await self.answer(("bans", room, after, limit), session_token)
        return BanList(bans=())

    async def ban(self, session_token: str, room: RoomId, user: UserId, request: BanRequest) -> BanEntry:
        await self.answer((room, user, request), session_token)
        return BanEntry(user=user, by=UserId("us_1"), at_ms=1)

    async def lift_ban(self, session_token: str, room: RoomId, user: UserId) -> None:
        await self.answer(("lift", room, user), session_token)

    async def invite(self, session_token: str, room: RoomId, request: InvitationRequest) -> InvitationMade:
        await self.answer((room, request), session_token)
        return InvitationMade(
            invitation="in_1", by=UserId("us_1"), expires_at_ms=1, max_uses=None, uses=0, token="invitation"
        )

    async def invitations(self, session_token: str, room: RoomId, *, after: str, limit: int) -> InvitationList:
        await self.answer(("invitations", room, after, limit), session_token)
        return InvitationList(invitations=())

    async def revoke_invitation(self, session_token: str, room: RoomId, invitation: str) -> None:
        await self.answer(("revoke", room, invitation), session_token)
