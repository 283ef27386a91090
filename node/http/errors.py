"""Every error that leaves by HTTP, as ``{"error": {"code", "message"}}``."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from node.http.body import json_response
from signalling.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response

STATUS: Final[Mapping[ErrorCode, int]] = MappingProxyType(
    {
        ErrorCode.MALFORMED_MESSAGE: 400,
        ErrorCode.UNEXPECTED_MESSAGE: 400,
        ErrorCode.PROTOCOL_UNSUPPORTED: 400,
        ErrorCode.ROOM_INVALID: 400,
        ErrorCode.SDP_INVALID: 400,
        ErrorCode.CODEC_UNSUPPORTED: 400,
        ErrorCode.LOGIN_INVALID: 400,
        ErrorCode.PASSWORD_UNFIT: 400,
        ErrorCode.TOKEN_INVALID: 401,
        ErrorCode.TOKEN_EXPIRED: 401,
        ErrorCode.TOKEN_FOREIGN: 401,
        ErrorCode.CREDENTIALS_INVALID: 401,
        ErrorCode.LOGGED_OUT: 401,
        ErrorCode.NOT_PERMITTED: 403,
        ErrorCode.ORIGIN_REFUSED: 403,
        ErrorCode.BANNED: 403,
        ErrorCode.INVITATION_REQUIRED: 403,
        ErrorCode.INVITATION_INVALID: 403,
        ErrorCode.PIN_REQUIRED: 403,
        ErrorCode.PIN_WRONG: 403,
        ErrorCode.ROOM_LOCKED: 403,
        ErrorCode.NOT_FOUND: 404,
        ErrorCode.ROOM_UNKNOWN: 404,
        ErrorCode.ACCOUNT_UNKNOWN: 404,
        ErrorCode.TRACK_UNKNOWN: 404,
        ErrorCode.PARTICIPANT_UNKNOWN: 404,
        ErrorCode.INVITATION_UNKNOWN: 404,
        ErrorCode.METHOD_NOT_ALLOWED: 405,
        ErrorCode.HELLO_TIMEOUT: 408,
        ErrorCode.ROOM_EXISTS: 409,
        ErrorCode.TOO_MANY_ROOMS: 409,
        ErrorCode.ACCOUNT_EXISTS: 409,
        ErrorCode.ROOM_CHANGED: 409,
        ErrorCode.SEAT_OCCUPIED: 409,
        ErrorCode.ROOM_ELSEWHERE: 409,
        ErrorCode.ROOM_NOT_HERE: 409,
        ErrorCode.ATTEMPT_STALE: 409,
        ErrorCode.ALREADY_IN_ROOM: 409,
        ErrorCode.NOT_IN_ROOM: 409,
        ErrorCode.REPLACED: 409,
        ErrorCode.OFFER_STALE: 409,
        ErrorCode.REVISION_CONFLICT: 412,
        ErrorCode.MESSAGE_TOO_LARGE: 413,
        ErrorCode.RATE_LIMITED: 429,
        ErrorCode.ROOM_FULL: 503,
        ErrorCode.ROOMS_FULL: 503,
        ErrorCode.NODE_FULL: 503,
        ErrorCode.NODE_DRAINING: 503,
        ErrorCode.PARTICIPANT_UNREACHABLE: 503,
        ErrorCode.ENGINE_UNAVAILABLE: 503,
        ErrorCode.STORE_UNAVAILABLE: 503,
        ErrorCode.DEADLINE_EXCEEDED: 504,
    }
)
"""The status that says the same as a code; what is not here is a 500."""

OF_STATUS: Final[Mapping[int, tuple[ErrorCode, str]]] = MappingProxyType(
    {
        400: (ErrorCode.MALFORMED_MESSAGE, "That request is malformed."),
        404: (ErrorCode.NOT_FOUND, "There is nothing under this address."),
        405: (
            ErrorCode.METHOD_NOT_ALLOWED,
            "This address takes only the methods of its header Allow.",
        ),
        408: (ErrorCode.DEADLINE_EXCEEDED, "The request's body did not come in time."),
        413: (
            ErrorCode.MESSAGE_TOO_LARGE,
            "The request's body is longer than http.max_body_bytes; send less.",
        ),
    }
)
"""What the framework refuses by itself."""


RETRY_STATUSES: Final = frozenset({429, 503})
"""Those that are about the moment and not about the request."""

RETRY_AFTER_S: Final[Mapping[ErrorCode, int]] = MappingProxyType(
    {
        # A store that is away is asked again twice a second (durable.breaker), an engine replaced within one.
        ErrorCode.STORE_UNAVAILABLE: 1,
        ErrorCode.ENGINE_UNAVAILABLE: 1,
        # Until people leave, or a node is back; others may take them at once.
        ErrorCode.ROOM_FULL: 10,
        ErrorCode.NODE_FULL: 10,
        ErrorCode.NODE_DRAINING: 10,
    }
)
"""Seconds after which trying again makes sense, where whoever refused knows no better."""

RETRY_AFTER_ELSE_S: Final = 5


def error_response(
    code: ErrorCode, message: str, *, status: int | None = None, retry_after_s: float | None = None, **more: object
) -> Response:
    """Make the response for an error; the status follows from the code unless given. `more` stands beside them.

    A 429 or 503 says ``Retry-After`` (RFC 9110, section 10.2.3), in whole seconds and at least one.
    """
    body = {"error": {"code": code, "message": message, **more}}
    response = json_response(body, status=status or STATUS.get(code, 500))
    if response.status_code in RETRY_STATUSES:
        wait_s = RETRY_AFTER_S.get(code, RETRY_AFTER_ELSE_S) if retry_after_s is None else retry_after_s
        response.headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
    return response
