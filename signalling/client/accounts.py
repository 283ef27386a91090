"""Bodies of the resources under ``/v1/accounts``. What holds a password does not show it when it is printed."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from signalling.ids import UserId

__all__ = ["LogIn", "LoggedOut", "PasswordChange", "Registration", "UserGrant"]

Login: TypeAlias = Annotated[str, msgspec.Meta(max_length=64)]

Password: TypeAlias = Annotated[str, msgspec.Meta(max_length=1024)]
"""Longer than any that is taken, so that the node can say what is."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A login with its password."""

    login: Login
    password: Password

    def __repr__(self) -> str:
        """Name the kind alone: requests end up in tracebacks."""
        return f"{type(self).__name__}(...)"


class Registration(Credentials, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """``POST /v1/accounts``: make an account.

    Attributes:
        login: 2 to 64 of a-z, digits and ``. _ @ + -``; upper case counts as lower.
        password: 10 to 256 characters.
        name: What others are to call them; empty for the login.
    """

    name: Annotated[str, msgspec.Meta(max_length=64)] = ""


class LogIn(Credentials, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /v1/accounts/login``: get a user token."""


class PasswordChange(Credentials, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``POST /v1/accounts/password``: another password; everything that was logged in is logged out."""

    new_password: Password


class UserGrant(msgspec.Struct, frozen=True, kw_only=True):
    """Who logged in, and the token for ``POST /v1/sessions``.

    Attributes:
        token: The user token.
        user: The user's id; it stays.
        login: The login, as it is kept.
        name: What others are to call them.
        expires_in_s: How long the token lives.
    """

    token: str
    user: UserId
    login: str
    name: str
    expires_in_s: float


class LoggedOut(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to ``POST /v1/accounts/logout``.

    Attributes:
        sessions_ended: On this node, at once; on others within a minute.
    """

    sessions_ended: int
