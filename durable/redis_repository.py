"""The repository of a cluster, in Redis: one Lua script a change, pipelined reads, Redis' own clock.

- `starling:{<cluster>:<scope>}:documents`: a hash, all documents of a scope. The hash tag is that of a
  room's seats, so that the script which admits somebody reads the room's definition in the same step.
- `starling:{<cluster>:<scope>}:log:<log>`: a sorted set of "id NUL body".
- `starling:{<cluster>}:scopes:<kind>`: a sorted set, the scopes that have a document of a listed kind.

A change may touch a scope and the list of scopes: one server (with its replicas), not shards.
What is acknowledged survives the server only if it writes its append-only file; see
:meth:`RedisRepository.append_only`.
"""

from __future__ import annotations

from enum import StrEnum
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from durable.errors import StoreUnavailableError
from durable.redis_connection import ScriptCall
from durable.repository import (
    Document,
    Entry,
    Kind,
    RepositoryStatistics,
    RevisionConflictError,
    check_body,
    check_document,
)

if TYPE_CHECKING:
    from durable.redis_connection import Command, RedisConnection
    from durable.repository import Log

__all__ = ["AppendOnly", "RedisRepository"]

_NUL: Final = b"\x00"

_NAME: Final = "\x00"
"""Stands for a scope where a key is told apart around it."""


def documents_script() -> str:
    """The text of documents.lua."""
    return files("durable").joinpath("documents.lua").read_text("utf-8")


class AppendOnly(StrEnum):
    """Whether Redis writes what it acknowledges to its append-only file."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"


class RedisRepository:
    """See :class:`durable.repository.Repository`.

    Args:
        connection: to Redis; its deadline is that of every call.
        cluster: name of the cluster, part of every key.
        script: another text of the script, for a test of the tests.
    """

    def __init__(self, connection: RedisConnection, *, cluster: str, script: str | None = None) -> None:
        self._connection = connection
        self._script = documents_script() if script is None else script
        self._cluster = cluster
        self._calls = 0
        self._failures = 0
        self._conflicts = 0

    async def get(self, kind: Kind, scope: str, key: str = "") -> Document | None:
        """See :meth:`Repository.get`."""
        value, time = await self._read(("HGET", self._documents(scope), f"{kind}:{key}"), ("TIME",))
        return None if value is None else _document(key, value, _milliseconds(time))

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
        return await self._change(kind, scope, ("put", *_target(kind, scope, key, expected), expires, body))

    async def delete(self, kind: Kind, scope: str, key: str = "", *, expected: int | None = None) -> bool:
        """See :meth:`Repository.delete`."""
        return await self._change(kind, scope, ("delete", *_target(kind, scope, key, expected))) == 1

    async def page(self, kind: Kind, scope: str, *, after: str = "", limit: int = 100) -> tuple[Document, ...]:
        """See :meth:`Repository.page`. Reads the whole scope: it holds one room's things, or one account's."""
        fields, time = await self._read(("HGETALL", self._documents(scope)), ("TIME",))
        prefix = f"{kind}:".encode()
        values = {name.removeprefix(prefix): value for name, value in fields.items() if name.startswith(prefix)}
        now_ms = _milliseconds(time)
        documents: list[Document] = []
        for name in sorted(name for name in values if not after or name > after.encode()):
            if len(documents) == limit:
                break
            document = _document(name.decode(), values[name], now_ms)
            if document is not None:
                documents.append(document)
        await self._forget_expired(kind, scope, values, now_ms)
        return tuple(documents)

    async def scopes(self, kind: Kind, *, after: str = "", limit: int = 100) -> tuple[str, ...]:
        """See :meth:`Repository.scopes`."""
        start = f"({after}" if after else "-"
        (names,) = await self._read(("ZRANGEBYLEX", self._scopes(kind), start, "+", "LIMIT", 0, limit))
        return tuple(name.decode() for name in names)

    async def listed(self, kind: Kind, *, after: str = "", limit: int = 100) -> tuple[tuple[str, Document], ...]:
        """See :meth:`Repository.listed`."""
        before, behind = self._documents(_NAME).split(_NAME)
        arguments = ("list", before, behind, f"{kind}:", after, limit)
        self._calls += 1
        try:
            (found,) = await self._connection.run_script(self._script, (ScriptCall((self._scopes(kind),), arguments),))
        except StoreUnavailableError:
            self._failures += 1
            raise
        pairs = zip(found[::2], found[1::2], strict=True)
        documents = ((name.decode(), _document("", value, 0)) for name, value in pairs)
        return tuple((name, document) for name, document in documents if document is not None)

    async def count_scopes(self, kind: Kind) -> int:
        """See :meth:`Repository.count_scopes`."""
        (count,) = await self._read(("ZCARD", self._scopes(kind)))
        return int(count)

    async def drop(self, scope: str, kinds: tuple[Kind, ...], logs: tuple[Log, ...] = ()) -> None:
        """See :meth:`Repository.drop`."""
        sets = [self._scopes(kind) for kind in kinds if kind.is_listed]
        keys = (self._documents(scope), *sets, *(self._log(log, scope) for log in logs))
        await self._run(ScriptCall(keys, ("drop", scope, len(sets), *kinds)))

    async def append(self, log: Log, scope: str, entry: Entry, *, keep: int) -> bool:
        """See :meth:`Repository.append`."""
        check_body(entry.body)
        return await self._run(ScriptCall((self._log(log, scope),), ("append", entry.id, entry.body, keep))) == 1

    async def tail(self, log: Log, scope: str, *, before: str | None = None, limit: int = 50) -> tuple[Entry, ...]:
        """See :meth:`Repository.tail`."""
        end = "+" if before is None else b"(" + before.encode() + _NUL
        (members,) = await self._read(("ZREVRANGEBYLEX", self._log(log, scope), end, "-", "LIMIT", 0, limit))
        pairs = (member.partition(_NUL) for member in reversed(members))
        return tuple(Entry(id=name.decode(), body=body) for name, _, body in pairs)

    async def append_only(self) -> AppendOnly:
        """Whether an acknowledged change survives the server; `UNKNOWN` if it does not say.

        Many hosted servers forbid CONFIG. Ends within the connection's deadline and never raises.
        """
        try:
            (settings,) = await self._connection.run((("CONFIG GET", "appendonly"),))
        except StoreUnavailableError:
            return AppendOnly.UNKNOWN
        said = {_as_text(name): _as_text(value) for name, value in dict(settings).items()}.get("appendonly", "")
        return {"yes": AppendOnly.ON, "no": AppendOnly.OFF}.get(said, AppendOnly.UNKNOWN)

    def statistics(self) -> RepositoryStatistics:
        """How the repository fares; the connection counts its own calls beside it."""
        return RepositoryStatistics(calls=self._calls, failures=self._failures, conflicts=self._conflicts)

    async def _read(self, *commands: Command) -> tuple[Any, ...]:
        self._calls += 1
        try:
            return await self._connection.run(commands)
        except StoreUnavailableError:
            self._failures += 1
            raise

    async def _change(self, kind: Kind, scope: str, arguments: tuple[str | bytes | int, ...]) -> int:
        return await self._run(ScriptCall((self._documents(scope), self._scopes(kind)), arguments))

    async def _run(self, call: ScriptCall) -> int:
        self._calls += 1
        try:
            ((verdict, number),) = await self._connection.run_script(self._script, (call,))
        except StoreUnavailableError:
            self._failures += 1
            raise
        if verdict == b"conflict":
            self._conflicts += 1
            raise RevisionConflictError(int(number))
        return int(number)

    async def _forget_expired(self, kind: Kind, scope: str, values: dict[bytes, bytes], now_ms: int) -> None:
        """Remove what a reader found expired; each only if it still is what was read."""
        keys = (self._documents(scope), self._scopes(kind))
        calls = tuple(
            ScriptCall(keys, ("forget", kind, name, scope, int(kind.is_listed), value))
            for name, value in values.items()
            if _has_expired(value, now_ms)
        )
        await self._connection.run_script(self._script, calls)

    def _documents(self, scope: str) -> str:
        return f"starling:{{{self._cluster}:{scope}}}:documents"

    def _log(self, log: Log, scope: str) -> str:
        return f"starling:{{{self._cluster}:{scope}}}:log:{log}"

    def _scopes(self, kind: Kind) -> str:
        return f"starling:{{{self._cluster}}}:scopes:{kind}"


def _target(kind: Kind, scope: str, key: str, expected: int | None) -> tuple[str | int, ...]:
    return kind, key, scope, int(kind.is_listed), "" if expected is None else expected


def _document(key: str, value: bytes, now_ms: int) -> Document | None:
    revision, _, body = _parts(value)
    return None if _has_expired(value, now_ms) else Document(key=key, body=body, revision=revision)


def _has_expired(value: bytes, now_ms: int) -> bool:
    _, expires_at_ms, _ = _parts(value)
    return 0 < expires_at_ms <= now_ms


def _parts(value: bytes) -> tuple[int, int, bytes]:
    try:
        revision, expires_at_ms, body = value.split(b":", 2)
        return int(revision), int(expires_at_ms), body
    except ValueError as error:
        raise StoreUnavailableError("a document in the store is not ours") from error


def _milliseconds(time: tuple[int, int]) -> int:
    seconds, microseconds = time
    return int(seconds) * 1000 + int(microseconds) // 1000


def _as_text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
