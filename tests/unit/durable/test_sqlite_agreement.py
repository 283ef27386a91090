"""SQLite and memory agree on every sequence of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from hypothesis import HealthCheck, given, settings

from durable.sqlite_file import open_file
from durable.sqlite_repository import SqliteRepository
from tests.unit.durable.repository_agreement import Call, calls, check_agreement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    connection = open_file(tmp_path / "starling.sqlite3", busy_s=1.0)
    # What the disk promises is not asked here, and each flush costs more than all the rest.
    connection.connection.cursor().execute("PRAGMA synchronous=OFF")
    yield connection
    connection.close()
    connection.engine.dispose()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=calls)
def test_sqlite_and_memory_agree(connection: Connection, made: list[Call]) -> None:
    repository = SqliteRepository(connection, trio.CapacityLimiter(1), deadline_s=10.0)
    trio.run(check_agreement, repository, made)
