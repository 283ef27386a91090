"""What is kept of an account: one JSON document under its login."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from signalling.ids import UserId

__all__ = ["Account", "AccountRecord", "StoredAccount", "read_account"]

VERSION: Final = 1
"""Of the record: raised when a field changes its meaning; a new field alone does not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Who logged in, or an account as a list shows it.

    Attributes:
        login: Its name, folded; what the password goes with.
        user: Its user id, drawn once: it stays whatever the account is called, and says nothing of it.
        name: What others are to call them.
        generation: From 1; older ones are logged out.
        created_at_ms: Milliseconds since 1970.
    """

    login: str
    user: UserId
    name: str
    generation: int
    created_at_ms: int


class AccountRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The body of the document. Fields as in :class:`Account`; `password_hash` in the PHC string format."""

    login: str
    user: UserId
    name: str
    password_hash: str
    generation: int
    created_at_ms: int
    version: int = VERSION

    @property
    def account(self) -> Account:
        """Without the hash."""
        return Account(
            login=self.login,
            user=self.user,
            name=self.name,
            generation=self.generation,
            created_at_ms=self.created_at_ms,
        )

    def __repr__(self) -> str:
        """Name it without the hash: records end up in tracebacks."""
        return f"AccountRecord(user={self.user!r}, generation={self.generation})"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class StoredAccount:
    """A record as it was read.

    Attributes:
        record: What this version understands.
        fields: All of it: what a newer version wrote survives our change.
        revision: Where the document stands.
    """

    record: AccountRecord
    fields: dict[str, Any]
    revision: int

    def changed(self, **changes: object) -> bytes:
        """Give the body with these fields changed."""
        return msgspec.json.encode({**self.fields, **changes})


def read_account(body: bytes, revision: int) -> StoredAccount:
    """Read a document.

    Raises:
        msgspec.DecodeError: It is not an account's.
    """
    fields = msgspec.json.decode(body, type=dict[str, Any])
    return StoredAccount(record=msgspec.convert(fields, AccountRecord), fields=fields, revision=revision)
