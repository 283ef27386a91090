"""The kinds of token, as people are told of them: which one came, which is wanted, and where that is to be had."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from session.payloads import INVITATION_AUDIENCE, ROOM_AUDIENCE, SESSION_AUDIENCE, USER_AUDIENCE, RegisteredPayload
from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_kind", "name_of", "refuse_contents", "refuse_unread", "source_of"]

_decoder: Final = msgspec.json.Decoder(RegisteredPayload)

_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        USER_AUDIENCE: "user token",
        SESSION_AUDIENCE: "session token",
        ROOM_AUDIENCE: "room token",
        INVITATION_AUDIENCE: "invitation",
    }
)

_SOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        USER_AUDIENCE: "your service's key (`starling token create`) or POST /v1/accounts/login gives one, and guests "
        "send none",
        SESSION_AUDIENCE: "POST /v1/sessions gives one, to guests and to who sends a user token as `token`",
        ROOM_AUDIENCE: "POST /v1/rooms/{room}/join with your session token gives one",
        INVITATION_AUDIENCE: "the room's owner makes one with POST /v1/rooms/{room}/invitations",
    }
)


def name_of(audience: str) -> str:
    """What people call a token for this audience."""
    return _NAMES.get(audience, "token")


def source_of(audience: str) -> str:
    """Where a token for this audience is to be had, as a clause."""
    return _SOURCES.get(audience, "ask for a new one")


def check_kind(payload: RegisteredPayload, wanted: str) -> None:
    """Refuse a token that is not for the audience `wanted`.

    An audience that is none of ours is not repeated: it is whatever its signer wrote.

    Raises:
        Refused: `token_invalid`.
    """
    came = (payload.aud,) if isinstance(payload.aud, str) else payload.aud
    if wanted in came:
        return
    known = [_NAMES[audience] for audience in came if audience in _NAMES]
    what = f"This is {_with_article(known[0])}" if known else "This token is for something else"
    raise Refused(
        ErrorCode.TOKEN_INVALID, f"{what}, and {_with_article(name_of(wanted))} is wanted: {source_of(wanted)}."
    )


def refuse_unread(data: bytes, wanted: str, *, issuer: str) -> NoReturn:
    """Refuse signed contents that are not those of a token for `wanted`: as the token of another kind that they may be.

    Raises:
        Refused: `token_invalid`.
    """
    try:
        payload = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        refuse_contents(wanted)
    if payload.iss == issuer:
        check_kind(payload, wanted)
    refuse_contents(wanted)


def refuse_contents(wanted: str) -> NoReturn:
    """Refuse a token for `wanted` whose claims are not what they must be.

    Raises:
        Refused: `token_invalid`.
    """
    raise Refused(
        ErrorCode.TOKEN_INVALID, f"This {name_of(wanted)} does not say what it must: {source_of(wanted)}."
    ) from None


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] == 'i' else 'a'} {noun}"
