"""Invitations: signed, so that nobody makes one up, and a document each, so that they can be revoked and counted.

The token says for which room and until when, and names the document; whoever holds it may come in. Where an
invitation is good for so many users, its document remembers who they were: a user who comes again with it
counts once. Two nodes that let somebody in at the same moment both name the revision that they read, so one
of them reads again.

Whoever comes with one is checked before there is a seat, and counted once the seat is there: a join that was
refused, cancelled or never made has used nothing.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from durable.errors import StoreUnavailableError
from durable.kept_fields import rewritten
from durable.repository import ABSENT, Kind, RevisionConflictError
from session.payloads import INVITATION_AUDIENCE, RegisteredPayload
from session.room_definitions import or_refused
from signalling.errors import ErrorCode, Refused
from signalling.ids import RoomId, UserId

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable.repository import Document, Repository
    from session.tokens import Tokens

__all__ = ["MAX_USES", "Invitation", "Invitations", "Use"]


MAX_LIFETIME_S: Final = 366 * 86_400.0
"""A year, and a day for those that begin with a leap."""

MAX_INVITATIONS: Final = 200
"""In one room, each until it expires; they lie in one hash with its bans."""

MAX_USES: Final = 1_000
"""Users that one invitation remembers: as many as a room holds, at 19 bytes each."""

MAX_TRIES: Final = 16
"""How often a use is counted anew because somebody else's was counted first; each loses to one that won."""

RECORD_VERSION: Final = 1


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation's record.

    Attributes:
        by: who made it.
        expires_at_ms: milliseconds since 1970.
        max_uses: how many users it lets in; None is any number, and then nobody is remembered.
        used_by: digests of those users.
        note: for whoever made it.
        created_at_ms: milliseconds since 1970.
        version: of this record.
    """

    by: UserId
    expires_at_ms: int
    max_uses: int | None = None
    used_by: tuple[str, ...] = ()
    note: str = ""
    created_at_ms: int = 0
    version: int = RECORD_VERSION


class _InvitationPayload(RegisteredPayload, frozen=True, kw_only=True):
    room: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """Somebody's first coming with an invitation that remembers its users.

    Attributes:
        invitation: its id.
        user: who comes.
        seen: its document when it was checked; None where that was on another node.
    """

    invitation: str
    user: UserId
    seen: Document | None = None


_record_decoder: Final = msgspec.json.Decoder(Invitation)
_payload_decoder: Final = msgspec.json.Decoder(_InvitationPayload)


class Invitations:
    """The invitations of all rooms.

    Args:
        repository: where they are.
        tokens: signs and verifies.
        clock: seconds since 1970.
    """

    def __init__(self, repository: Repository, tokens: Tokens, *, clock: Callable[[], float] = time.time) -> None:
        self._repository = repository
        self._tokens = tokens
        self._clock = clock

    async def make(
        self, room: RoomId, *, by: UserId, lifetime_s: float, max_uses: int | None, note: str
    ) -> tuple[str, Invitation, str]:
        """Make one; returns its id, its record, and the token that lets somebody in.

        Raises:
            Refused: `malformed_message`: a bound; `room_full`: of invitations; `store_unavailable`.
        """
        if not 1 <= lifetime_s <= MAX_LIFETIME_S:
            raise Refused(
                ErrorCode.MALFORMED_MESSAGE, f"expires_in_s is 1 to {MAX_LIFETIME_S:.0f} seconds; ask for one of these."
            )
        if max_uses is not None and not 1 <= max_uses <= MAX_USES:
            raise Refused(ErrorCode.MALFORMED_MESSAGE, f"max_uses is 1 to {MAX_USES}, or null for any number.")
        if len(await self.page(room, after="", limit=MAX_INVITATIONS)) >= MAX_INVITATIONS:
            sentence = f"A room has at most {MAX_INVITATIONS} invitations; revoke some."
            raise Refused(ErrorCode.ROOM_FULL, sentence)
        now = self._clock()
        key = f"in_{secrets.token_hex(8)}"
        record = Invitation(
            by=by,
            expires_at_ms=int((now + lifetime_s) * 1000),
            max_uses=max_uses,
            note=note,
            created_at_ms=int(now * 1000),
        )
        await or_refused(self._put(room, key, record, expected=ABSENT))
        token = self._tokens.sign(
            lambda issuer: _InvitationPayload(
                iss=issuer, aud=INVITATION_AUDIENCE, sub=by, exp=int(now + lifetime_s), iat=int(now), jti=key, room=room
            )
        )
        return key, record, token

    async def page(self, room: RoomId, *, after: str, limit: int) -> tuple[tuple[str, Invitation], ...]:
        """Up to `limit` invitations by id, beginning behind the id `after`.

        Raises:
            Refused: `store_unavailable`.
        """
        found = await or_refused(self._repository.page(Kind.INVITATION, room, after=after, limit=limit))
        return tuple((document.key, _decode(document)) for document in found)

    async def revoke(self, room: RoomId, key: str) -> None:
        """Make one worth nothing.

        Raises:
            Refused: `invitation_unknown`, `store_unavailable`.
        """
        if not await or_refused(self._repository.delete(Kind.INVITATION, room, key)):
            raise Refused(ErrorCode.INVITATION_UNKNOWN, "There is no such invitation; it may have expired.")

    async def check(self, token: str, *, room: RoomId, user: UserId) -> Use | None:
        """Whether an invitation lets a user in; returns what is to be counted once the user sits, if anything is.

        While the store is away, signature and expiry have to do, and nothing is counted.

        Raises:
            Refused: `invitation_invalid`.
        """
        key = self._key_of(token, room)
        try:
            document = await self._repository.get(Kind.INVITATION, room, key)
            is_new = _with(document, user) is not None
        except StoreUnavailableError:
            return None
        return Use(invitation=key, user=user, seen=document) if is_new else None

    async def count(self, use: Use, *, room: RoomId) -> bool:
        """Count a user who sits; says whether that was new. While the store is away, nobody is sent out again.

        Cancelled, it may have counted: see :meth:`uncount`.

        Raises:
            Refused: `invitation_invalid`: others were faster, or it was revoked; `rate_limited`: too many use it now.
        """
        document = use.seen
        for _ in range(MAX_TRIES):
            try:
                document = document or await self._repository.get(Kind.INVITATION, room, use.invitation)
                used = _with(document, use.user)
                if used is None or document is None:
                    return False
                await self._rewrite(room, document, used)
            except RevisionConflictError:
                document = None
            except StoreUnavailableError:
                return False
            else:
                return True
        raise Refused(ErrorCode.RATE_LIMITED, "Too many people use this invitation right now; try again in a moment.")

    async def uncount(self, use: Use, *, room: RoomId) -> None:
        """Take back a use of somebody who does not sit after all. Without the store it stays counted."""
        for _ in range(MAX_TRIES):
            try:
                document = await self._repository.get(Kind.INVITATION, room, use.invitation)
                if document is not None:
                    record = _decode(document)
                    others = tuple(each for each in record.used_by if each != _digest(use.user))
                    if others != record.used_by:
                        await self._rewrite(room, document, msgspec.structs.replace(record, used_by=others))
            except RevisionConflictError:
                continue
            except StoreUnavailableError:
                return
            return

    def _key_of(self, token: str, room: RoomId) -> str:
        try:
            payload = self._tokens.verify(token, _payload_decoder, INVITATION_AUDIENCE)
        except Refused as refused:
            what = "has expired" if refused.code is ErrorCode.TOKEN_EXPIRED else "does not hold"
            raise _invalid(f"This invitation {what}; ask for a new one.") from None
        if payload.room != room:
            raise _invalid("This invitation is for another room; ask for one to this.")
        return payload.jti

    async def _rewrite(self, room: RoomId, document: Document, record: Invitation) -> None:
        await self._put(room, document.key, record, read=document.body, expected=document.revision)

    async def _put(self, room: RoomId, key: str, record: Invitation, *, expected: int, read: bytes = b"{}") -> int:
        return await self._repository.put(
            Kind.INVITATION,
            room,
            key,
            body=rewritten(read, record),
            expected=expected,
            expires_at_ms=record.expires_at_ms,
        )


def _with(document: Document | None, user: UserId) -> Invitation | None:
    """The record with a user counted; None where there is nothing to count."""
    if document is None:
        raise _invalid("This invitation was revoked or has expired; ask for a new one.")
    record, digest = _decode(document), _digest(user)
    if record.max_uses is None or digest in record.used_by:
        return None
    if len(record.used_by) >= record.max_uses:
        raise _invalid("This invitation has been used as often as it may be; ask for a new one.")
    return msgspec.structs.replace(record, used_by=(*record.used_by, digest))


def _invalid(message: str) -> Refused:
    return Refused(ErrorCode.INVITATION_INVALID, message)


def _digest(user: UserId) -> str:
    return hashlib.blake2b(user.encode(), digest_size=8).hexdigest()


def _decode(document: Document) -> Invitation:
    try:
        return _record_decoder.decode(document.body)
    except msgspec.DecodeError as error:
        raise StoreUnavailableError("an invitation's record in the store cannot be read") from error
