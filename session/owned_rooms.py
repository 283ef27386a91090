"""How many rooms somebody has: one small document for each, in a scope of its owner.

It is written before the room and removed after it, so what goes wrong between the two leaves one too many, never one
too few; such a one is found when its owner is at the bound. Rooms of older nodes are not counted.
"""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING, Final

from durable.repository import Kind
from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from durable.repository import Document, Repository
    from signalling.ids import RoomId, UserId

__all__ = ["OwnedRooms"]

LOOKED_AT: Final = 32
"""Rooms of somebody at the bound that are looked for, one question each: an owner who asks again finds all of them."""


class OwnedRooms:
    """The rooms of each owner.

    All calls raise :class:`durable.StoreUnavailableError` and its kin.

    Args:
        repository: where they are noted.
        max_per_owner: more are refused; checked before the change, so calls at the same moment may pass it by a few.
        owner_of: says whose a room is; None where there is no such room.
    """

    def __init__(
        self, repository: Repository, *, max_per_owner: int, owner_of: Callable[[str], Awaitable[UserId | None]]
    ) -> None:
        self._repository = repository
        self._max_per_owner = max_per_owner
        self._owner_of = owner_of

    async def add(self, owner: UserId, room: RoomId) -> None:
        """Note a room that is about to be made; again is fine.

        Raises:
            Refused: `too_many_rooms`.
        """
        noted = await self._repository.page(Kind.OWNED, _scope(owner), limit=self._max_per_owner)
        if len(noted) >= self._max_per_owner and not await self._forget_gone(owner, noted):
            raise Refused(
                ErrorCode.TOO_MANY_ROOMS,
                f"Nobody may have more than {len(noted)} rooms; delete one that is not needed, then ask again.",
            )
        await self._repository.put(Kind.OWNED, _scope(owner), room, body=b"{}")

    async def remove(self, owner: UserId, room: RoomId) -> None:
        """A room of theirs is gone, or was not made; one that is not noted is fine."""
        await self._repository.delete(Kind.OWNED, _scope(owner), room)

    async def _forget_gone(self, owner: UserId, noted: tuple[Document, ...]) -> bool:
        """Whether some of what is noted is no room of theirs; that is then noted no longer."""
        gone = [
            document.key
            for document in random.sample(noted, min(LOOKED_AT, len(noted)))
            if await self._owner_of(document.key) != owner
        ]
        for room in gone:
            await self._repository.delete(Kind.OWNED, _scope(owner), room)
        return bool(gone)


def _scope(owner: UserId) -> str:
    """No room's name and no account's scope begins so."""
    return f"~{hashlib.blake2b(owner.encode(), digest_size=16).hexdigest()}"
