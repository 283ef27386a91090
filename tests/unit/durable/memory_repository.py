"""A repository in memory for tests on a clock of their own, where threads must not be waited for.

It keeps the contract of the real ones; `failure` makes every call fail as a store that is away does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from durable.repository import (
    ABSENT,
    Document,
    Entry,
    Kind,
    Log,
    RepositoryStatistics,
    RevisionConflictError,
    check_body,
    check_document,
)

if TYPE_CHECKING:
    from durable.errors import StoreUnavailableError


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class MemoryRepository:
    failure: StoreUnavailableError | None = None
    calls: int = 0
    _documents: dict[tuple[str, Kind, str], tuple[Document, int | None]] = field(default_factory=dict)
    _logs: dict[tuple[str, Log], dict[str, Entry]] = field(default_factory=dict)
    _revision: int = 0

    async def get(self, kind: Kind, scope: str, key: str = "") -> Document | None:
        await self._pass()
        return self._live(scope, kind, key)

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
        check_document(kind, body, expires_at_ms)
        await self._pass()
        self._expect(scope, kind, key, expected)
        self._revision += 1
        document = Document(key=key, body=body, revision=self._revision)
        self._documents[scope, kind, key] = (document, expires_at_ms)
        return self._revision

    async def delete(self, kind: Kind, scope: str, key: str = "", *, expected: int | None = None) -> bool:
        await self._pass()
        was_there = self._expect(scope, kind, key, expected) != ABSENT
        self._documents.pop((scope, kind, key), None)
        return was_there

    async def page(self, kind: Kind, scope: str, *, after: str = "", limit: int = 100) -> tuple[Document, ...]:
        await self._pass()
        keys = sorted(place[2].encode() for place in self._documents if place[:2] == (scope, kind))
        found = [self._live(scope, kind, key.decode()) for key in keys if not after or key > after.encode()]
        return tuple(document for document in found if document is not None)[:limit]

    async def scopes(self, kind: Kind, *, after: str = "", limit: int = 100) -> tuple[str, ...]:
        await self._pass()
        names = sorted({place[0].encode() for place in self._documents if place[1] is kind})
        return tuple(name.decode() for name in names if name > after.encode())[:limit]

    async def listed(self, kind: Kind, *, after: str = "", limit: int = 100) -> tuple[tuple[str, Document], ...]:
        await self._pass()
        found = {
            scope: document for (scope, of, key), (document, _) in self._documents.items() if (of, key) == (kind, "")
        }
        names = sorted(name.encode() for name in found if name.encode() > after.encode())
        return tuple((name.decode(), found[name.decode()]) for name in names)[:limit]

    async def everywhere(
        self, kind: Kind, *, after: tuple[str, str] = ("", ""), limit: int = 1_000
    ) -> tuple[tuple[str, str], ...]:
        await self._pass()
        found = [(scope, key) for scope, of, key in self._documents if of is kind and self._live(scope, of, key)]
        later = [place for place in found if tuple(map(str.encode, place)) > tuple(map(str.encode, after))]
        return tuple(sorted(later, key=lambda place: tuple(map(str.encode, place)))[:limit])

    async def count_scopes(self, kind: Kind) -> int:
        await self._pass()
        return len({place[0] for place in self._documents if place[1] is kind})

    async def drop(self, scope: str, kinds: tuple[Kind, ...], logs: tuple[Log, ...] = ()) -> None:
        await self._pass()
        for place in [place for place in self._documents if place[0] == scope and place[1] in kinds]:
            del self._documents[place]
        for log in logs:
            self._logs.pop((scope, log), None)

    async def append(self, log: Log, scope: str, entry: Entry, *, keep: int) -> bool:
        check_body(entry.body)
        await self._pass()
        entries = self._logs.setdefault((scope, log), {})
        is_new = entry.id not in entries
        entries.setdefault(entry.id, entry)
        for id_ in sorted(entries, key=str.encode)[:-keep]:
            del entries[id_]
        return is_new

    async def tail(self, log: Log, scope: str, *, before: str | None = None, limit: int = 50) -> tuple[Entry, ...]:
        await self._pass()
        entries = self._logs.get((scope, log), {})
        ids = sorted(id_.encode() for id_ in entries if before is None or id_.encode() < before.encode())
        return tuple(entries[id_.decode()] for id_ in ids[-limit:])

    def statistics(self) -> RepositoryStatistics:
        return RepositoryStatistics(calls=self.calls, failures=0, conflicts=0)

    async def _pass(self) -> None:
        self.calls += 1
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure

    def _live(self, scope: str, kind: Kind, key: str) -> Document | None:
        document, expires_at_ms = self._documents.get((scope, kind, key), (None, None))
        return None if expires_at_ms is not None and expires_at_ms <= _wall_clock_ms() else document

    def _expect(self, scope: str, kind: Kind, key: str, expected: int | None) -> int:
        document = self._live(scope, kind, key)
        revision = ABSENT if document is None else document.revision
        if expected is not None and expected != revision:
            raise RevisionConflictError(revision)
        return revision
