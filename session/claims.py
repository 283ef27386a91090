"""What tokens say, and which words may stand in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from session.grants import ALL_BUT_ADMIN, Grants
from signalling.ids import MAX_ATTEMPT

if TYPE_CHECKING:
    from signalling.ids import DeviceId, RoomId, SessionId, UserId

__all__ = [
    "MAX_NAME_LENGTH",
    "MAX_USER_ID_LENGTH",
    "AccountMark",
    "RoomClaims",
    "SessionClaims",
    "UserClaims",
    "is_attempt",
    "is_name",
    "is_session_id",
    "is_user_id",
]

MAX_USER_ID_LENGTH: Final = 128
"""Room for e-mail addresses and the subject ids of common identity providers."""

MAX_NAME_LENGTH: Final = 64
"""What a participant's tile can show."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountMark:
    """Which built-in account a token is of, and which generation: a log-out everywhere ends those before it."""

    login: str
    generation: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UserClaims:
    """Who somebody is, by whoever may sign for users. `expires_at` in seconds since 1970."""

    user: UserId
    name: str
    token_id: str
    expires_at: float
    account: AccountMark | None = None
    grants: Grants = ALL_BUT_ADMIN


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionClaims:
    """Who somebody is and on which device; `session` once a node has minted one.

    `born` says when the first token was issued that this one renews, seconds since 1970; None is now.
    """

    user: UserId
    device: DeviceId
    name: str
    session: SessionId | None
    token_id: str
    expires_at: float
    account: AccountMark | None = None
    grants: Grants = ALL_BUT_ADMIN
    born: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomClaims:
    """The right of one session to take one seat with one attempt.

    `invitation` is counted once it sits; `checked` is the room's revision by which it was let in, 0 before there was
    the room, None of whoever has to be checked again.
    """

    room: RoomId
    user: UserId
    device: DeviceId
    name: str
    session: SessionId
    attempt: int
    token_id: str
    expires_at: float
    grants: Grants = ALL_BUT_ADMIN
    invitation: str | None = None
    checked: int | None = None


def is_user_id(text: str) -> bool:
    """Say whether a token may name a user so."""
    return 1 <= len(text) <= MAX_USER_ID_LENGTH and text.isprintable()


def is_name(text: str) -> bool:
    """Say whether a participant may be called so."""
    return 1 <= len(text) <= MAX_NAME_LENGTH and text.isprintable()


def is_session_id(text: str) -> bool:
    """Say whether a node may have minted this session id: 128 bits in hex."""
    return len(text) == 32 and all(letter in "0123456789abcdef" for letter in text)


def is_attempt(number: int) -> bool:
    """Say whether a device may count so far."""
    return 1 <= number <= MAX_ATTEMPT
