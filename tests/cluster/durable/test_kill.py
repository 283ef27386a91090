"""A process killed with -9 in the middle of its writes: whatever it was told is written, is there."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
import trio

from durable.redis_connection import open_redis
from durable.redis_repository import RedisRepository
from durable.repository import Kind, Log, Repository
from durable.sqlite_repository import open_sqlite
from tests.cluster.durable.private_redis import private_redis

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.cluster

ENOUGH: Final = 40
"""Acknowledged writes before the kill: several pages of the write-ahead log."""

DEADLINE_S: Final = 30.0

WRITER: Final = """
import sys, trio
from pathlib import Path
from durable import Entry, Kind, Log, open_sqlite

async def write():
    async with open_sqlite(Path(sys.argv[1]), deadline_s=20.0) as repository:
        for number in range(1_000_000):
            await repository.put(Kind.BAN, "lobby", f"{number:06}", body=b"x" * 500)
            await repository.append(Log.CHAT, "lobby", Entry(id=f"{number:06}", body=b"x"), keep=1_000_000)
            print(number, flush=True)

trio.run(write)
"""


async def missing(repository: Repository, last: int) -> list[int]:
    """Which of the writes up to this one are not there."""
    entries = {entry.id for entry in await repository.tail(Log.CHAT, "lobby", limit=last + 100)}
    documents = {document.key for document in await repository.page(Kind.BAN, "lobby", limit=last + 100)}
    return [number for number in range(last + 1) if f"{number:06}" not in entries & documents]


async def test_sqlite_keeps_what_it_acknowledged(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "starling.sqlite3"
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=root
    )
    assert process.stdout is not None
    said = b""
    try:
        with trio.fail_after(DEADLINE_S):
            while said.count(b"\n") < ENOUGH:
                part = await process.stdout.receive_some(4096)
                assert part, "the writer ended by itself"
                said += part
    finally:
        process.send_signal(signal.SIGKILL)
        async with process.stdout:
            async for part in process.stdout:
                said += part
        assert await process.wait() == -signal.SIGKILL
    last = int(said[: said.rindex(b"\n")].splitlines()[-1])
    async with open_sqlite(path, deadline_s=5.0) as repository:
        assert await missing(repository, last) == []


async def test_redis_with_its_append_only_file_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    settings = ("--appendonly", "yes", "--appendfsync", "always")
    with private_redis(tmp_path, *settings) as server:
        async with open_redis(server.url, deadline_s=5.0) as connection:
            repository = RedisRepository(connection, cluster="kill")
            revisions = [await repository.put(Kind.ROOM, f"room-{number}", body=b"{}") for number in range(ENOUGH)]
            server.process.kill()
            server.process.wait(timeout=5)
    server.socket.unlink(missing_ok=True)
    with private_redis(tmp_path, *settings) as server:
        async with open_redis(server.url, deadline_s=5.0) as connection:
            repository = RedisRepository(connection, cluster="kill")
            found = [await repository.get(Kind.ROOM, f"room-{number}") for number in range(ENOUGH)]
            assert [document and document.revision for document in found] == revisions
            assert await repository.count_scopes(Kind.ROOM) == ENOUGH
