"""The repository of one node, in a SQLite file: one connection, one call at a time, in a thread of its own.

- Write-ahead log with `synchronous=FULL`: what was acknowledged is on the disk, also when the power goes.
  The cost is one flush a change (about 1 ms on an SSD), and such changes are rare: a chat message, a ban.
- The file is checked as a whole when it is opened, and brought to the newest schema by the numbered
  migrations in `migrations/`. One from a newer Starling is refused, not guessed at.
- Only its owner can read it: password hashes lie in there.

SQLAlchemy and Alembic are imported when a file is opened, in the thread: they take some 0.4 s, which
a node on Redis and the command line's short answers need not pay.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio

from durable.errors import StoreOutcomeUnknownError, StoreUnavailableError
from durable.repository import (
    ABSENT,
    Document,
    Entry,
    Kind,
    RepositoryStatistics,
    RevisionConflictError,
    check_body,
    check_document,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from sqlalchemy.engine import Connection, Row
    from sqlalchemy.sql.elements import TextClause

    from durable.repository import Log

__all__ = ["MAX_WAITING", "SqliteRepository", "open_sqlite"]

MAX_WAITING: Final = 256
"""Calls that wait for the thread, which takes some 5,000 reads or 500 changes a second: half a second's worth."""

CLOSE_DEADLINE_S: Final = 5.0
"""For the call that runs to end and the log to be written back; the file is whole without it, too."""

_LIVE: Final = "(expires_at_ms = 0 OR expires_at_ms > :now)"

_Result = TypeVar("_Result")


@asynccontextmanager
async def open_sqlite(path: Path, *, deadline_s: float) -> AsyncIterator[SqliteRepository]:
    """Open the file, made if it is not there, for the length of the block; nobody else may have it open.

    Opening has no deadline: checking a file of 100 MB takes about a second.

    Args:
        path: the file; its folder is there. Two more lie beside it while it is open (`-wal`, `-shm`).
        deadline_s: for every call.

    Raises:
        StoreSetupError: `store_invalid`, the file is broken or of a newer version; `store_file_unavailable`, it
            cannot be opened.
    """
    connection = await trio.to_thread.run_sync(_open, path, deadline_s)
    limiter = trio.CapacityLimiter(1)
    try:
        yield SqliteRepository(connection, limiter, deadline_s=deadline_s)
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_DEADLINE_S):
            await trio.to_thread.run_sync(_close, connection, limiter=limiter, abandon_on_cancel=True)


class SqliteRepository:
    """See :class:`durable.repository.Repository`; made by :func:`open_sqlite`."""

    def __init__(self, connection: Connection, limiter: trio.CapacityLimiter, *, deadline_s: float) -> None:
        self._connection = connection
        self._limiter = limiter
        self._deadline_s = deadline_s
        self._calls = 0
        self._failures = 0
        self._conflicts = 0

    async def get(self, kind: Kind, scope: str, key: str = "") -> Document | None:
        """See :meth:`Repository.get`."""
        rows = await self._read(
            "SELECT key, body, revision FROM documents"
            f" WHERE scope = :scope AND kind = :kind AND key = :key AND {_LIVE}",
            {"kind": str(kind), "scope": scope, "key": key, "now": _now_ms()},
        )
        return _document(rows[0]) if rows else None

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
        """See :meth:`Repository.put`."""
        check_document(kind, body, expires_at_ms)
        # A time before 1970 is as much in the past as its first millisecond; 0 stands for never.
        expires = 0 if expires_at_ms is None else max(1, expires_at_ms)
        where = {"kind": str(kind), "scope": scope, "key": key}

        def put(connection: Connection) -> int:
            _expect(connection, where, expected)
            # What expired in this scope goes with the next change to it.
            connection.execute(
                _text("DELETE FROM documents WHERE scope = :scope AND expires_at_ms BETWEEN 1 AND :now"),
                {"scope": scope, "now": _now_ms()},
            )
            revision = _next_revision(connection)
            connection.execute(
                _text(
                    "INSERT OR REPLACE INTO documents (scope, kind, key, revision, expires_at_ms, body)"
                    " VALUES (:scope, :kind, :key, :revision, :expires, :body)"
                ),
                {**where, "revision": revision, "expires": expires, "body": body},
            )
            return revision

        return await self._call(put)

    async def delete(self, kind: Kind, scope: str, key: str = "", *, expected: int | None = None) -> bool:
        """See :meth:`Repository.delete`."""
        where = {"kind": str(kind), "scope": scope, "key": key}

        def delete(connection: Connection) -> bool:
            revision = _expect(connection, where, expected)
            connection.execute(
                _text("DELETE FROM documents WHERE scope = :scope AND kind = :kind AND key = :key"), where
            )
            return revision != ABSENT

        return await self._call(delete)

    async def page(self, kind: Kind, scope: str, *, after: str = "", limit: int = 100) -> tuple[Document, ...]:
        """See :meth:`Repository.page`."""
        rows = await self._read(
            "SELECT key, body, revision FROM documents WHERE scope = :scope AND kind = :kind"
            f" AND (key > :after OR :after = '') AND {_LIVE} ORDER BY key LIMIT :limit",
            {"kind": str(kind), "scope": scope, "after": after, "limit": limit, "now": _now_ms()},
        )
        return tuple(map(_document, rows))

    async def scopes(self, kind: Kind, *, after: str = "", limit: int = 100) -> tuple[str, ...]:
        """See :meth:`Repository.scopes`."""
        rows = await self._read(
            "SELECT DISTINCT scope FROM documents WHERE kind = :kind AND scope > :after ORDER BY scope LIMIT :limit",
            {"kind": str(kind), "after": after, "limit": limit},
        )
        return tuple(row.scope for row in rows)

    async def listed(self, kind: Kind, *, after: str = "", limit: int = 100) -> tuple[tuple[str, Document], ...]:
        """See :meth:`Repository.listed`."""
        rows = await self._read(
            "SELECT scope, key, body, revision FROM documents WHERE kind = :kind AND key = ''"
            " AND scope > :after ORDER BY scope LIMIT :limit",
            {"kind": str(kind), "after": after, "limit": limit},
        )
        return tuple((row.scope, _document(row)) for row in rows)

    async def everywhere(
        self, kind: Kind, *, after: tuple[str, str] = ("", ""), limit: int = 1_000
    ) -> tuple[tuple[str, str], ...]:
        """See :meth:`durable.repository.LocalRepository.everywhere`."""
        rows = await self._read(
            "SELECT scope, key FROM documents WHERE kind = :kind AND (scope, key) > (:scope, :key)"
            f" AND {_LIVE} ORDER BY scope, key LIMIT :limit",
            {"kind": str(kind), "scope": after[0], "key": after[1], "limit": limit, "now": _now_ms()},
        )
        return tuple((row.scope, row.key) for row in rows)

    async def count_scopes(self, kind: Kind) -> int:
        """See :meth:`Repository.count_scopes`."""
        rows = await self._read(
            "SELECT count(DISTINCT scope) AS scopes FROM documents WHERE kind = :kind", {"kind": str(kind)}
        )
        return int(rows[0].scopes)

    async def drop(self, scope: str, kinds: tuple[Kind, ...], logs: tuple[Log, ...] = ()) -> None:
        """See :meth:`Repository.drop`."""

        def drop(connection: Connection) -> None:
            for kind in kinds:
                connection.execute(
                    _text("DELETE FROM documents WHERE scope = :scope AND kind = :kind"),
                    {"scope": scope, "kind": str(kind)},
                )
            for log in logs:
                connection.execute(
                    _text("DELETE FROM entries WHERE scope = :scope AND log = :log"), {"scope": scope, "log": str(log)}
                )

        await self._call(drop)

    async def append(self, log: Log, scope: str, entry: Entry, *, keep: int) -> bool:
        """See :meth:`Repository.append`."""
        check_body(entry.body)
        where = {"log": str(log), "scope": scope}

        def append(connection: Connection) -> bool:
            added = connection.execute(
                _text("INSERT OR IGNORE INTO entries (scope, log, id, body) VALUES (:scope, :log, :id, :body)"),
                {**where, "id": entry.id, "body": entry.body},
            )
            connection.execute(
                _text(
                    "DELETE FROM entries WHERE scope = :scope AND log = :log AND id <= (SELECT id FROM entries"
                    " WHERE scope = :scope AND log = :log ORDER BY id DESC LIMIT 1 OFFSET :keep)"
                ),
                {**where, "keep": keep},
            )
            return added.rowcount == 1

        return await self._call(append)

    async def tail(self, log: Log, scope: str, *, before: str | None = None, limit: int = 50) -> tuple[Entry, ...]:
        """See :meth:`Repository.tail`."""
        rows = await self._read(
            "SELECT id, body FROM entries WHERE scope = :scope AND log = :log"
            " AND (:before IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit",
            {"log": str(log), "scope": scope, "before": before, "limit": limit},
        )
        return tuple(Entry(id=row.id, body=row.body) for row in reversed(rows))

    def statistics(self) -> RepositoryStatistics:
        """How the repository fares."""
        return RepositoryStatistics(calls=self._calls, failures=self._failures, conflicts=self._conflicts)

    async def _read(self, sql: str, values: Mapping[str, object]) -> list[Row[Any]]:
        return await self._call(lambda connection: list(connection.execute(_text(sql), values)))

    async def _call(self, work: Callable[[Connection], _Result]) -> _Result:
        """Run one transaction in the thread, whole or not at all.

        Raises:
            StoreUnavailableError: it was not begun, or was taken back.
            StoreOutcomeUnknownError: the deadline came while it ran.
        """
        self._calls += 1
        begun = False

        def in_thread() -> _Result:
            nonlocal begun
            begun = True
            return _transact(self._connection, work)

        try:
            if self._limiter.statistics().tasks_waiting >= MAX_WAITING:
                raise StoreUnavailableError("too many calls wait for the store")
            with trio.fail_after(self._deadline_s):
                return await trio.to_thread.run_sync(in_thread, abandon_on_cancel=True, limiter=self._limiter)
        except trio.TooSlowError as error:
            self._failures += 1
            kind = StoreOutcomeUnknownError if begun else StoreUnavailableError
            raise kind(f"no answer from the store in {self._deadline_s} s") from error
        except StoreUnavailableError:
            self._failures += 1
            raise
        except RevisionConflictError:
            self._conflicts += 1
            raise


# --- in the thread ------------------------------------------------------------------------


def _open(path: Path, deadline_s: float) -> Connection:
    from durable.sqlite_file import open_file

    return open_file(path, busy_s=deadline_s)


def _close(connection: Connection) -> None:
    connection.close()
    connection.engine.dispose()


def _transact(connection: Connection, work: Callable[[Connection], _Result]) -> _Result:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with connection.begin():
            return work(connection)
    except (SQLAlchemyError, sqlite3.Error) as error:
        # Its words may name values; the kind of error says enough.
        raise StoreUnavailableError(f"the store refused the call: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "orig", None) or type(error).__name__)


def _text(sql: str) -> TextClause:
    from sqlalchemy import text

    return text(sql)


def _expect(connection: Connection, where: Mapping[str, str], expected: int | None) -> int:
    found = connection.execute(
        _text(f"SELECT revision FROM documents WHERE scope = :scope AND kind = :kind AND key = :key AND {_LIVE}"),
        {**where, "now": _now_ms()},
    ).scalar()
    revision = ABSENT if found is None else int(found)
    if expected is not None and expected != revision:
        raise RevisionConflictError(revision)
    return revision


def _next_revision(connection: Connection) -> int:
    """One counter for all documents: no revision comes twice, whatever was deleted in between."""
    return int(connection.execute(_text("UPDATE counters SET revision = revision + 1 RETURNING revision")).scalar_one())


def _document(row: Row[Any]) -> Document:
    return Document(key=row.key, body=row.body, revision=row.revision)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
