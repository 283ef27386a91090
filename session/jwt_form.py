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


def read_header(token: str, *, others: bool, advice: str) -> Header:
    """Check everything that can be checked before a signature.

    Args:
        token: the token.
        others: whether the keys of others may have signed it.
        advice: where a right token is to be had, as a clause.

    Raises:
        Refused: `token_invalid`.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise Refused(ErrorCode.TOKEN_INVALID, f"A token has at most {MAX_TOKEN_BYTES} bytes: {advice}.")
    parts = token.split(".")
    if len(parts) != 3 or not token.isascii():
        _refuse_form(advice)
    decoded = [_from_base64url(part, advice) for part in parts]
    if len(decoded[0]) > MAX_HEADER_BYTES:
        _refuse_form(advice)
    try:
        header = _header_decoder.decode(decoded[0])
    except (msgspec.DecodeError, UnicodeDecodeError):
        _refuse_form(advice)
    if header.alg == ALGORITHM_OF_OTHERS and not others:
        raise Refused(
            ErrorCode.TOKEN_INVALID,
            f"This token says {ALGORITHM_OF_OTHERS}, as user tokens of a service of yours may, and the cluster's own "
            f"say {ALGORITHM}: {advice}.",
        )
    allowed = (ALGORITHM, ALGORITHM_OF_OTHERS) if others else (ALGORITHM,)
    if header.alg not in allowed:
        raise Refused(
            ErrorCode.TOKEN_INVALID, f"A token is signed with {ALGORITHM}, and this one names another way: {advice}."
        )
    if header.typ not in ("JWT", "jwt"):
        _refuse_form(advice)
    return header


def _from_base64url(part: str, advice: str) -> bytes:
    """Decode unpadded base64url in its one canonical spelling, so that a token has one text."""
    try:
        data = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        _refuse_form(advice)
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != part:
        _refuse_form(advice)
    return data


def _refuse_form(advice: str) -> NoReturn:
    raise Refused(ErrorCode.TOKEN_INVALID, f"This has not the form of a token: {advice}.") from None
