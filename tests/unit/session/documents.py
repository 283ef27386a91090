"""The documents of rooms in memory: as much of a repository as a seat store reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from durable.errors import StoreUnavailableError
from durable.repository import Document, Entry, Kind, Log, RevisionConflictError

if TYPE_CHECKING:
    from collections.abc import Callable


class FewDocuments:
    """See :class:`durable.repository.Repository`; what seats have no use for is not here.

    Attributes:
        away: whether calls fail.
        asked: how many calls there were.
    """

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._documents: dict[tuple[Kind, str, str], tuple[bytes, int, int | None]] = {}
        self._revisions = 0
        self.away = False
        self.asked = 0

    async def get(self, kind: Kind, scope: str, key: str = "") -> Document | None:
        await self._gate()
        return self._find(kind, scope, key)

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
        await self._gate()
        self._compare(kind, scope, key, expected)
        self._revisions += 1
        self._documents[kind, scope, key] = (body, self._revisions, expires_at_ms)
        return self._revisions

    async def delete(self, kind: Kind, scope: str, key: str = "", *, expected: int | None = None) -> bool:
        await self._gate()
        self._compare(kind, scope, key, expected)
        return self._documents.pop((kind, scope, key), None) is not None

    async def page(self, kind: Kind, scope: str, *, after: str = "", limit: int = 100) -> tuple[Document, ...]:
        await self._gate()
        keys = sorted(key for of, where, key in self._documents if (of, where) == (kind, scope) and key > after)
        found = (self._find(kind, scope, key) for key in keys)
        return tuple(document for document in found if document is not None)[:limit]

    async def scopes(self, kind: Kind, *, after: str = "", limit: int = 100) -> tuple[str, ...]:
        raise NotImplementedError

    async def count_scopes(self, kind: Kind) -> int:
        raise NotImplementedError

    async def drop(self, scope: str, kinds: tuple[Kind, ...], logs: tuple[Log, ...] = ()) -> None:
        raise NotImplementedError

    async def append(self, log: Log, scope: str, entry: Entry, *, keep: int) -> bool:
        raise NotImplementedError

    async def tail(self, log: Log, scope: str, *, before: str | None = None, limit: int = 50) -> tuple[Entry, ...]:
        raise NotImplementedError

    def _find(self, kind: Kind, scope: str, key: str) -> Document | None:
        body, revision, expires = self._documents.get((kind, scope, key), (b"", 0, None))
        if not revision or (expires is not None and expires <= self._clock_ms()):
            return None
        return Document(key=key, body=body, revision=revision)

    def _compare(self, kind: Kind, scope: str, key: str, expected: int | None) -> None:
        found = self._find(kind, scope, key)
        revision = 0 if found is None else found.revision
        if expected is not None and expected != revision:
            raise RevisionConflictError(revision)

    async def _gate(self) -> None:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        if self.away:
            raise StoreUnavailableError("away")
