"""Revisions of documents as entity tags (RFC 9110, sections 8.8.3 and 13.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import request

if TYPE_CHECKING:
    from quart import Response


def with_revision(response: Response, revision: int) -> Response:
    """Say which revision a response shows. It is for whoever asked, and to be asked for again each time."""
    response.set_etag(str(revision))
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def revisions_asked_for() -> frozenset[int] | None:
    """The revisions that the caller's change was made of, by ``If-Match``; None where any will do.

    A tag that is none of ours stands for a revision that nothing has.
    """
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return None
    tags = request.if_match.as_set()
    return frozenset(int(tag) if tag.isascii() and tag.isdigit() and len(tag) < 20 else -1 for tag in tags)
