"""What a token looks like, before any of it is believed: RFC 7515's compact form and nothing beside it."""

from __future__ import annotations

import base64
from typing import Final, NoReturn

import msgspec

from signalling.errors import ErrorCode, Refused

__all__ = ["ALGORITHM", "ALGORITHM_OF_OTHERS", "MAX_TOKEN_BYTES", "Header", "read_header"]

MAX_TOKEN_BYTES: Final = 4_096
"""Ours take under 700 bytes; a user token of another signer may carry claims we ignore."""

MAX_HEADER_BYTES: Final = 512
"""A header is `alg`, `typ` and `kid`: 100 bytes with a thumbprint for the key id."""

ALGORITHM: Final = "Ed25519"
ALGORITHM_OF_OTHERS: Final = "EdDSA"
"""The same algorithm under the name of RFC 8037, the only one that PyJWT writes."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a header may say: `crit`, `b64`, embedded keys and key addresses are refused by absence."""

    alg: str
    typ: str = "JWT"
    kid: str | None = None


_header_decoder: Final = msgspec.json.Decoder(Header)


def read_header(token: str, *, others: bool) -> Header:
    """Check everything that can be checked before a signature."""
    if len(token) > MAX_TOKEN_BYTES:
        raise Refused(ErrorCode.TOKEN_INVALID, f"A token has at most {MAX_TOKEN_BYTES} bytes.")
    parts = token.split(".")
    if len(parts) != 3 or not token.isascii():
        _refuse_form()
    decoded = [_from_base64url(part) for part in parts]
    if len(decoded[0]) > MAX_HEADER_BYTES:
        _refuse_form()
    try:
        header = _header_decoder.decode(decoded[0])
    except (msgspec.DecodeError, UnicodeDecodeError):
        _refuse_form()
    allowed = (ALGORITHM, ALGORITHM_OF_OTHERS) if others else (ALGORITHM,)
    if header.alg not in allowed:
        raise Refused(ErrorCode.TOKEN_INVALID, f"A token is signed with {ALGORITHM}; this one names another way.")
    if header.typ not in ("JWT", "jwt"):
        _refuse_form()
    return header


def _from_base64url(part: str) -> bytes:
    """Decode unpadded base64url in its one canonical spelling, so that a token has one text."""
    try:
        data = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        _refuse_form()
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != part:
        _refuse_form()
    return data


def _refuse_form() -> NoReturn:
    raise Refused(ErrorCode.TOKEN_INVALID, "This is no token of ours; get one from POST /v1/sessions.") from None
