"""JSON in and out of HTTP bodies, by msgspec."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec
from msgspec.inspect import LiteralType, StructType, UnionType, type_info
from quart import Response, request

from signalling.errors import ErrorCode, Refused
from signalling.plain_words import plain_words

T = TypeVar("T")

_FIELD_AT_THE_END: Final = re.compile(r"\$\.(\w+)`$")
"""Where a validation error says that it is, for a field of the body itself."""


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
        sentence = f"The body does not fit: {plain_words(error, 'it')}. {_what_fits(kind, error)}"
        raise Refused(ErrorCode.MALFORMED_MESSAGE, sentence) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Refused(
            ErrorCode.MALFORMED_MESSAGE, "The body is not JSON; send one object, as Content-Type application/json."
        ) from None


def _what_fits(kind: object, error: msgspec.ValidationError) -> str:
    """What a field may be, by the name at the end of the error's path; all fields, where it names none of ours."""
    shape = type_info(kind)
    assert isinstance(shape, StructType), "every body is one object"
    fields = {field.encode_name: field.type for field in shape.fields}
    found = _FIELD_AT_THE_END.search(str(error))
    asked = fields.get(found[1]) if found else None
    parts = asked.types if isinstance(asked, UnionType) else (asked,)
    choices = [str(value) for part in parts if isinstance(part, LiteralType) for value in part.values]
    if choices:
        return f"It is one of: {', '.join(choices)}."
    return f"Its fields are: {', '.join(fields)}."


def bearer_token(wanted: str = "a session token, which POST /v1/sessions gives") -> str:
    """Give the token of the ``Authorization`` header (RFC 6750, section 2.1).

    Args:
        wanted: Which token it is, and where to get it, for the sentence.

    Raises:
        Refused: There is none.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(
            ErrorCode.TOKEN_INVALID,
            f"Send {wanted}: Authorization: Bearer <token>.",
        )
    return token.strip()
