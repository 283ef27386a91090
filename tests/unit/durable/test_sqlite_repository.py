"""The SQLite repository keeps the contract; a file that it cannot use is refused with what to do next."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
import trio

from durable.errors import StoreOutcomeUnknownError, StoreSetupError, StoreUnavailableError
from durable.repository import Entry, Kind, Log, RepositoryStatistics, RevisionConflictError
from durable.sqlite_file import _connect, migration_names, upgrade
from durable.sqlite_repository import SqliteRepository, open_sqlite
from tests.unit.durable.repository_contract import LocalRepositoryContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DEADLINE_S = 5.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "starling.sqlite3"


@pytest.fixture
async def repository(path: Path) -> AsyncIterator[SqliteRepository]:
    async with open_sqlite(path, deadline_s=DEADLINE_S) as opened:
        yield opened


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o644)


def read(path: Path) -> bytes:
    return path.read_bytes()


class TestSqliteRepository(LocalRepositoryContract):
    pass


async def test_what_was_written_is_there_after_opening_again(path: Path) -> None:
    async with open_sqlite(path, deadline_s=DEADLINE_S) as repository:
        revision = await repository.put(Kind.ROOM, "lobby", body=b"{}")
        await repository.append(Log.CHAT, "lobby", Entry(id="1", body=b"hi"), keep=9)
    async with open_sqlite(path, deadline_s=DEADLINE_S) as repository:
        document = await repository.get(Kind.ROOM, "lobby")
        assert document is not None
        assert document.revision == revision
        assert await repository.tail(Log.CHAT, "lobby") == (Entry(id="1", body=b"hi"),)
        assert await repository.put(Kind.ROOM, "attic", body=b"{}") > revision


async def test_only_the_owner_can_read_the_files(path: Path) -> None:
    write(path, b"")
    async with open_sqlite(path, deadline_s=DEADLINE_S) as repository:
        await repository.put(Kind.ROOM, "lobby", body=b"{}")
        files = [path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


async def test_a_change_is_on_the_disk_before_it_is_acknowledged(path: Path, repository: SqliteRepository) -> None:
    settings = [
        repository._connection.connection.cursor().execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous")
    ]
    assert settings == ["wal", 2]


@pytest.mark.parametrize(
    "content", [b"not a database, but as long as the header of one" * 50, b"SQLite format 3\x00" * 99]
)
async def test_a_file_that_is_no_database_is_refused(path: Path, content: bytes) -> None:
    write(path, content)
    with pytest.raises(StoreSetupError) as caught:
        async with open_sqlite(path, deadline_s=DEADLINE_S):
            pass
    assert caught.value.code == "store_invalid"
    assert str(path) in caught.value.message
    assert read(path) == content


async def test_a_broken_file_is_refused(path: Path) -> None:
    async with open_sqlite(path, deadline_s=DEADLINE_S) as repository:
        for number in range(50):
            await repository.put(Kind.ROOM, f"room-{number}", body=bytes(3000))
    data = bytearray(read(path))
    data[3 * 4096 : 8 * 4096] = b"\xa5" * (5 * 4096)
    write(path, bytes(data))
    with pytest.raises(StoreSetupError) as caught:
        async with open_sqlite(path, deadline_s=DEADLINE_S):
            pass
    assert caught.value.code == "store_invalid"


async def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    async with open_sqlite(path, deadline_s=DEADLINE_S):
        pass
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(StoreSetupError, match="newer Starling") as caught:
        async with open_sqlite(path, deadline_s=DEADLINE_S):
            pass
    assert caught.value.code == "store_invalid"


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreSetupError) as caught:
        async with open_sqlite(tmp_path / "none" / "s.sqlite3", deadline_s=DEADLINE_S):
            pass
    assert caught.value.code == "store_file_unavailable"


def test_migrations_are_numbered_without_a_gap() -> None:
    names = migration_names()
    assert names == tuple(f"{number:04}" for number in range(1, len(names) + 1))


@pytest.mark.parametrize("version", migration_names())
async def test_a_file_of_every_earlier_version_opens_with_all_that_was_in_it(path: Path, version: str) -> None:
    connection = _connect(path, 1.0)
    upgrade(connection, version)
    with connection.begin():
        connection.exec_driver_sql(
            "INSERT INTO documents (scope, kind, key, revision, expires_at_ms, body)"
            """ VALUES ('lobby', 'room', '', 7, 0, CAST('{"version":1,"later":true}' AS BLOB))"""
        )
        connection.exec_driver_sql("INSERT INTO entries (scope, log, id, body) VALUES ('lobby', 'chat', '1', X'6869')")
        connection.exec_driver_sql("UPDATE counters SET revision = 7")
    connection.close()
    connection.engine.dispose()
    async with open_sqlite(path, deadline_s=DEADLINE_S) as repository:
        document = await repository.get(Kind.ROOM, "lobby")
        assert document is not None
        assert document.body == b'{"version":1,"later":true}'
        assert await repository.tail(Log.CHAT, "lobby") == (Entry(id="1", body=b"hi"),)
        assert await repository.put(Kind.ROOM, "lobby", body=b"{}", expected=7) > 7


async def test_a_call_behind_a_slow_one_ends_at_its_deadline_and_was_not_begun(path: Path) -> None:
    slow = threading.Event()
    async with open_sqlite(path, deadline_s=0.05) as repository:

        def work(_connection: object) -> None:
            slow.wait(DEADLINE_S)

        with pytest.raises(StoreOutcomeUnknownError):
            await repository._call(work)
        with pytest.raises(StoreUnavailableError) as caught:
            await repository.put(Kind.ROOM, "lobby", body=b"{}")
        assert not isinstance(caught.value, StoreOutcomeUnknownError)
        slow.set()
        while await trio.to_thread.run_sync(lambda: repository._limiter.borrowed_tokens):
            pass
        assert await repository.get(Kind.ROOM, "lobby") is None
        assert repository.statistics() == RepositoryStatistics(calls=3, failures=2, conflicts=0)


async def test_a_refused_change_leaves_nothing_behind(path: Path, repository: SqliteRepository) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TRIGGER full BEFORE INSERT ON documents BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    with pytest.raises(StoreUnavailableError, match="disk is full"):
        await repository.put(Kind.ROOM, "lobby", body=b"{}")
    with sqlite3.connect(path) as raw:
        raw.execute("DROP TRIGGER full")
    raw.close()
    await repository.put(Kind.ROOM, "lobby", body=b"{}")
    with pytest.raises(RevisionConflictError):
        await repository.put(Kind.ROOM, "lobby", body=b"{}", expected=99)
    assert repository.statistics() == RepositoryStatistics(calls=3, failures=1, conflicts=1)


def test_who_opens_no_file_does_not_pay_for_the_library() -> None:
    code = "import sys, durable; sys.exit('sqlalchemy' in sys.modules or 'alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
