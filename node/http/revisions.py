"""Revisions of documents as entity tags (RFC 9110, sections 8.8.3 and 13.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quart import request

from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from quart import Response


MAX_DIGITS: Final = 16
"""Of a revision: all are below 2**53."""


def with_revision(response: Response, revision: int) -> Response:
    """Say which revision a response shows. It is for whoever asked, and to be asked for again each time."""
    response.set_etag(str(revision))
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def has_revision(revision: int) -> bool:
    """Whether the caller says in ``If-None-Match`` that it has this revision; weak tags count (section 13.1.2)."""
    return request.if_none_match.contains_weak(str(revision))


def revisions_asked_for() -> frozenset[int] | None:
    """The revisions that the caller's change was made of, by ``If-Match``; None where any will do.

    Raises:
        Refused: `malformed_message`: it names none. Weak tags never match (section 13.1.1): who sends one would be told
            for ever that somebody else was faster.
    """
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return None
    tags = request.if_match.as_set()
    revisions = frozenset(int(tag) for tag in tags if tag.isascii() and tag.isdigit() and len(tag) <= MAX_DIGITS)
    if not revisions:
        raise Refused(
            ErrorCode.MALFORMED_MESSAGE,
            'If-Match takes an ETag as GET gave it, such as "7", and no weak one (W/"7"); '
            "send that, * for any state, or leave it out.",
        )
    return revisions
