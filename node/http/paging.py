"""What many addresses have in common: a room's name in the path, and a page of a list."""

from __future__ import annotations

from typing import Final

from quart import request

from signalling.errors import ErrorCode, Refused
from signalling.ids import RoomId, is_room_id

MAX_PAGE: Final = 100
"""Entries of a page: each room is read by itself, 0.1 ms or so from Redis."""

MAX_AFTER_CHARACTERS: Final = 256
"""The longest key there is, a user id of 128, and a sealed name."""


def room_named(text: str) -> RoomId:
    """The room that a path or a body names.

    Raises:
        Refused: ``room_invalid``.
    """
    if not is_room_id(text):
        raise Refused(
            ErrorCode.ROOM_INVALID,
            "A room's name has 1 to 64 letters, digits, dots, hyphens and underscores, and starts with one of "
            "the first two.",
        )
    return RoomId(text)


def named_page() -> tuple[str, int]:
    """Where the page begins, and how long it may be: ``after`` and ``limit`` of the query.

    Raises:
        Refused: ``malformed_message``.
    """
    after, limit = request.args.get("after", ""), request.args.get("limit", str(MAX_PAGE))
    if len(after) > MAX_AFTER_CHARACTERS or not after.isprintable():
        raise Refused(ErrorCode.MALFORMED_MESSAGE, "after is the `next` of the page before; leave it out at first.")
    if not (limit.isascii() and limit.isdigit() and len(limit) <= len(str(MAX_PAGE)) and 1 <= int(limit) <= MAX_PAGE):
        raise Refused(ErrorCode.MALFORMED_MESSAGE, f"limit is a number from 1 to {MAX_PAGE}.")
    return after, int(limit)
