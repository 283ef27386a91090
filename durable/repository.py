"""The one interface to what outlives a process: small documents, and bounded logs of entries.

A document has a *kind* (what it is), a *scope* (what it belongs to: a room, an account) and a *key*
within both. Everything of one scope lies together, so that one step of a shared store can read it
all: the script that admits somebody to a room reads that room's definition and its bans. The body
is JSON of the domain's own, with a `version` in it: a reader takes any version and ignores fields
it does not know, so version N runs beside N-1.

Each document carries a *revision* that the store raises with every change; a writer who read one
names it, and is told when somebody else was faster. That is all the locking there is.

A log keeps the newest entries of a scope, each under an id that its writer picked: appended twice,
it stands there once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

__all__ = [
    "ABSENT",
    "MAX_BODY_BYTES",
    "Document",
    "Entry",
    "Kind",
    "LocalRepository",
    "Log",
    "Repository",
    "RepositoryStatistics",
    "RevisionConflictError",
    "check_body",
    "check_document",
]

ABSENT = 0
"""The revision of a document that is not there: `expected=ABSENT` creates and never replaces."""

MAX_BODY_BYTES = 65_536
"""One document or entry. The greatest, a room with its metadata, stays below a quarter of it."""


class Kind(StrEnum):
    """What a document is. Those whose scopes can be listed: see :meth:`Repository.scopes`."""

    ACCOUNT = "account"
    ROOM = "room"
    INVITATION = "invitation"
    BAN = "ban"
    VISIT = "visit"
    OWNED = "owned"

    @property
    def is_listed(self) -> bool:
        """Whether the scopes with a document of this kind can be listed."""
        return self in {Kind.ROOM, Kind.ACCOUNT}


class Log(StrEnum):
    """What a log is of."""

    CHAT = "chat"


class RevisionConflictError(Exception):
    """The document is not at the revision that the writer named: read it again and decide anew.

    Attributes:
        revision: where it stands, :data:`ABSENT` when it is not there.
    """

    def __init__(self, revision: int) -> None:
        super().__init__(f"the document is at revision {revision}")
        self.revision = revision


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A document as it stands.

    Attributes:
        key: its name within its kind and scope; empty for the only one.
        body: at most :data:`MAX_BODY_BYTES`.
        revision: above 0 and below 2**53, not counted from 1; raised with every change, and never used again for
            another state of this key, not even after a deletion.
    """

    key: str
    body: bytes
    revision: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An entry of a log; ids of one log are in the order of time (see :func:`signalling.ids.new_message_id`)."""

    id: str
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class RepositoryStatistics:
    """Counters since start.

    Attributes:
        calls: reads and changes asked for.
        failures: of these, ended without an answer of the store.
        conflicts: changes refused because somebody else's was faster.
    """

    calls: int
    failures: int
    conflicts: int


def check_body(body: bytes) -> None:
    """Refuse a body that no store takes.

    Raises:
        ValueError: it is longer than :data:`MAX_BODY_BYTES`.
    """
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"a body of {len(body)} bytes is longer than {MAX_BODY_BYTES}")


def check_document(kind: Kind, body: bytes, expires_at_ms: int | None) -> None:
    """Refuse a document that no store takes.

    Raises:
        ValueError: its body is too long, or it is of a listed kind and would expire: lists then name what is gone.
    """
    check_body(body)
    if kind.is_listed and expires_at_ms is not None:
        raise ValueError(f"a document of the listed kind {kind} does not expire")


class Repository(Protocol):
    """The interface of all repositories; one contract suite runs on each.

    Every call ends within the store's deadline, raises :class:`durable.errors.StoreUnavailableError` or
    :class:`durable.errors.StoreOutcomeUnknownError`, and may be cancelled: the outcome of a change is then as
    unknown as after a timeout. `ValueError` says that a body is too long or a listed kind would expire:
    a defect of the caller.
    """

    async def get(self, kind: Kind, scope: str, key: str = "") -> Document | None:
        """A document, if it is there and has not expired."""
        ...

    async def put(
        self,
        kind: Kind,
        scope: str,
        key: str = "",
        *,
        body: bytes,
        expected: int | None = None,
        expires_at_ms: int | None = None,
    ) -> int:
        """Write a document and return its new revision.

        Args:
            kind: what it is.
            scope: what it belongs to.
            key: its name.
            body: what it says.
            expected: the revision it must stand at; None takes any.
            expires_at_ms: from when on it is gone (milliseconds since 1970); None is never, as for listed kinds.

        Raises:
            RevisionConflictError: it stands at another revision.
        """
        ...

    async def delete(self, kind: Kind, scope: str, key: str = "", *, expected: int | None = None) -> bool:
        """Remove a document; says whether it was there.

        Raises:
            RevisionConflictError: it stands at another revision.
        """
        ...

    async def page(self, kind: Kind, scope: str, *, after: str = "", limit: int = 100) -> tuple[Document, ...]:
        """Up to `limit` documents of a scope by key (bytewise order), beginning behind the key `after`."""
        ...

    async def scopes(self, kind: Kind, *, after: str = "", limit: int = 100) -> tuple[str, ...]:
        """Up to `limit` scopes that have a document of a listed kind, in bytewise order, beginning behind `after`."""
        ...

    async def listed(self, kind: Kind, *, after: str = "", limit: int = 100) -> tuple[tuple[str, Document], ...]:
        """Up to `limit` scopes with their document of a listed kind, that under the empty key, in one round trip.

        In bytewise order of the scopes, beginning behind `after`; fewer only where there are no more.
        """
        ...

    async def count_scopes(self, kind: Kind) -> int:
        """How many scopes have a document of a listed kind; may be off by what is being written right now."""
        ...

    async def drop(self, scope: str, kinds: tuple[Kind, ...], logs: tuple[Log, ...] = ()) -> None:
        """Remove everything of these kinds and logs that belongs to a scope."""
        ...

    async def append(self, log: Log, scope: str, entry: Entry, *, keep: int) -> bool:
        """Add an entry and let go of all but the newest `keep`; says whether the id was new."""
        ...

    async def tail(self, log: Log, scope: str, *, before: str | None = None, limit: int = 50) -> tuple[Entry, ...]:
        """The newest `limit` entries, those below the id `before` if one is named; the oldest of them first."""
        ...

    def statistics(self) -> RepositoryStatistics:
        """How the repository fares."""
        ...


class LocalRepository(Repository, Protocol):
    """A repository that belongs to one node and lies on it: it looks over all scopes at once."""

    async def everywhere(
        self, kind: Kind, *, after: tuple[str, str] = ("", ""), limit: int = 1_000
    ) -> tuple[tuple[str, str], ...]:
        """Scope and key of up to `limit` documents of a kind, by both (bytewise), beginning behind the pair `after`."""
        ...
