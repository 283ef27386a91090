"""JSON in and out of HTTP bodies, by msgspec."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from quart import Response, request

from signalling.errors import ErrorCode, Refused

T = TypeVar("T")


def json_response(body: object, *, status: int = 200) -> Response:
    """Make a JSON response that nobody caches: answers hold tokens and states of now."""
    response = Response(msgspec.json.encode(body), status=status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


async def read_body(kind: type[T]) -> T:
    """Read the request's JSON body; an empty one counts as an empty object.

    Raises:
        Refused: ``malformed_message``; the sentence says what and where, and repeats no value.
    """
    data = await request.get_data(as_text=False)
    try:
        return msgspec.json.decode(data or b"{}", type=kind)
    except msgspec.ValidationError as error:
        # Such a sentence names fields and types; only an unknown field's name is the client's own.
        raise Refused(ErrorCode.MALFORMED_MESSAGE, f"The body does not fit: {error}.") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Refused(ErrorCode.MALFORMED_MESSAGE, "The body is not JSON.") from None


def bearer_token() -> str:
    """Give the token of the ``Authorization`` header (RFC 6750, section 2.1).

    Raises:
        Refused: There is none.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(ErrorCode.TOKEN_INVALID, "Send a session token: Authorization: Bearer <token>.")
    return token.strip()
