"""Which page of a list a query asks for."""

from __future__ import annotations

from typing import Final

from quart import request

from signalling.errors import ErrorCode, Refused

MAX_PAGE: Final = 100
"""Entries of a page: each room is read by itself, 0.1 ms or so from Redis."""

MAX_AFTER_CHARACTERS: Final = 256
"""The longest key there is, a user id of 128, and a sealed name."""


def named_page() -> tuple[str, int]:
    """Where the page begins, and how long it may be: ``after`` and ``limit`` of the query.

    Raises:
        Refused: ``malformed_message``.
    """
    after = request.args.get("after", "")
    if len(after) > MAX_AFTER_CHARACTERS or not after.isprintable():
        raise Refused(ErrorCode.MALFORMED_MESSAGE, "after is the `next` of the page before; leave it out at first.")
    return after, named_limit(MAX_PAGE, usual=MAX_PAGE)


def named_limit(most: int, *, usual: int) -> int:
    """How long a page may be: ``limit`` of the query, or as long as usual.

    Raises:
        Refused: ``malformed_message``.
    """
    text = request.args.get("limit", str(usual))
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        raise Refused(ErrorCode.MALFORMED_MESSAGE, f"limit is a number from 1 to {most}.")
    return int(text)
