"""Bans: who may not come into a room, and until when. The store itself looks at them; see `store.py`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from durable.errors import StoreUnavailableError
from durable.repository import Kind
from session.claims import is_user_id
from session.room_definitions import or_refused
from signalling.errors import ErrorCode, Refused
from signalling.ids import UserId

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable.repository import Document, Repository
    from signalling.ids import RoomId

__all__ = ["Ban", "Bans"]

MAX_BAN_S: Final = 100 * 366 * 86_400.0
"""A century; who means for ever says nothing."""

MAX_BANS: Final = 1_000
"""In one room; a node alone reads all of them at each renewal, Redis keeps them in one hash."""

RECORD_VERSION: Final = 1


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """A ban's record.

    Attributes:
        user: who is banned.
        by: who banned them.
        at_ms: when, milliseconds since 1970.
        until_ms: until when; None until it is lifted.
        reason: for whoever reads the list.
        version: of this record.
    """

    user: UserId
    by: UserId
    at_ms: int
    until_ms: int | None = None
    reason: str = ""
    version: int = RECORD_VERSION


_decoder: Final = msgspec.json.Decoder(Ban)


class Bans:
    """The bans of all rooms.

    Args:
        repository: where they are.
        clock: seconds since 1970.
    """

    def __init__(self, repository: Repository, *, clock: Callable[[], float] = time.time) -> None:
        self._repository = repository
        self._clock = clock

    async def put(self, room: RoomId, user: UserId, *, by: UserId, ban_s: float | None, reason: str = "") -> Ban:
        """Ban somebody, or say anew for how long; without `ban_s` until it is lifted.

        Raises:
            Refused: `malformed_message`: a bound; `room_full`: of bans; `store_unavailable`.
        """
        if ban_s is not None and not 0 < ban_s <= MAX_BAN_S:
            raise Refused(
                ErrorCode.MALFORMED_MESSAGE,
                f"ban_s is above 0 and at most {MAX_BAN_S:.0f} seconds; leave it out for a ban until it is lifted.",
            )
        if not is_user_id(user):
            raise Refused(ErrorCode.MALFORMED_MESSAGE, "That is no user id; take one of the room's participants.")
        if len(await self.page(room, after="", limit=MAX_BANS)) >= MAX_BANS:
            raise Refused(ErrorCode.ROOM_FULL, f"A room has at most {MAX_BANS} bans; lift some, or lock it.")
        now_ms = int(self._clock() * 1000)
        until_ms = None if ban_s is None else now_ms + max(1, int(ban_s * 1000))
        ban = Ban(user=user, by=by, at_ms=now_ms, until_ms=until_ms, reason=reason)
        body = msgspec.json.encode(ban)
        await or_refused(self._repository.put(Kind.BAN, room, user, body=body, expires_at_ms=until_ms))
        return ban

    async def lift(self, room: RoomId, user: UserId) -> bool:
        """Lift a ban; says whether there was one.

        Raises:
            Refused: `store_unavailable`.
        """
        return await or_refused(self._repository.delete(Kind.BAN, room, user))

    async def page(self, room: RoomId, *, after: str, limit: int) -> tuple[Ban, ...]:
        """Up to `limit` bans by user, beginning behind the user `after`.

        Raises:
            Refused: `store_unavailable`.
        """
        found = await or_refused(self._repository.page(Kind.BAN, room, after=after, limit=limit))
        return tuple(_decode(document) for document in found)


def _decode(document: Document) -> Ban:
    try:
        return _decoder.decode(document.body)
    except msgspec.DecodeError as error:
        raise StoreUnavailableError("a ban's record in the store cannot be read") from error
