"""What stands at the other end of the benchmark of joins: a node as a process of its own, and servers that echo."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

from session import ClusterKeys, Tokens
from signalling.ids import new_device_id, new_user_id
from tests.cluster.durable.private_redis import private_redis
from tests.cluster.processes import descendants, program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.cluster.durable.private_redis import PrivateRedis

START_DEADLINE_S: Final = 20.0
CLUSTER: Final = "bench"

SETTINGS: Final = (
    "node.cluster=bench",
    "store.kind=redis",
    # All clients come from one address here, and those who go make room at once.
    "http.sessions_per_minute=1000000",
    "http.sessions_burst=1000000",
    "rooms.grace_s=0",
    "media.workers=1",
    "log.level=warning",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A node that serves.

    Attributes:
        pid: Its Python process.
        url: Address of its WebSocket.
        redis: Its store.
        tokens: Signs as its cluster does.
    """

    pid: int
    url: str
    redis: PrivateRedis
    tokens: Tokens

    @property
    def engine_pid(self) -> int:
        """The engine's process."""
        return next(pid for pid in descendants(self.pid) if program(pid) == "starling-sfu")

    def session_token(self) -> str:
        """Somebody new."""
        return self.tokens.issue_session(user=new_user_id(), device=new_device_id(), name="Ada")

    def redis_trips(self) -> int:
        """How often the store has read from a socket since its start: a pipeline counts once."""
        return int(self.redis.client().info("stats")["total_reads_processed"])


@asynccontextmanager
async def open_node(folder: Path) -> AsyncIterator[Node]:
    """Run a node with a Redis of its own."""
    keys = ClusterKeys.generate()
    keys.save(folder / "cluster-keys.json")
    with _redis(folder) as redis:
        settings = (*SETTINGS, f"store.url={redis.url}", f"tokens.cluster_keys_file={folder}/cluster-keys.json")
        arguments = [word for setting in settings for word in ("--set", setting)]
        command = ["-m", "node", "up", "--node-id", "bench", "--http-port", "0", *arguments]
        async with _python(*command, state=folder) as (process, line):
            url = line.split()[-1]
            yield Node(
                pid=process.pid,
                url=f"ws{url.removeprefix('http').rstrip('/')}/v1/session",
                redis=redis,
                tokens=Tokens(keys, cluster=CLUSTER),
            )


@asynccontextmanager
async def open_echo(kind: str) -> AsyncIterator[tuple[int, str]]:
    """Run a server that echoes; gives its process id and its address."""
    async with _python("-m", "tests.bench.echo", kind, state=None) as (process, port):
        yield process.pid, f"ws://127.0.0.1:{port}/v1/session"


@contextmanager
def _redis(folder: Path) -> Iterator[PrivateRedis]:
    (folder / "redis").mkdir()
    with private_redis(folder / "redis") as redis:
        yield redis


@asynccontextmanager
async def _python(*arguments: str, state: Path | None) -> AsyncIterator[tuple[trio.Process, str]]:
    """Run a Python program whose first line says where it serves; ended when the block is left."""
    environment = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "STARLING_SFU"}}
    if state is not None:
        environment["XDG_STATE_HOME"] = str(state)
    process = await trio.lowlevel.open_process(
        [sys.executable, *arguments], stdout=subprocess.PIPE, env=environment, cwd=Path.cwd()
    )
    try:
        yield process, await _first_line(process)
    finally:
        with trio.CancelScope(shield=True):
            process.terminate()
            with trio.move_on_after(START_DEADLINE_S):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
            assert process.stdout is not None
            await process.stdout.aclose()


async def _first_line(process: trio.Process) -> str:
    assert process.stdout is not None
    line = b""
    with trio.fail_after(START_DEADLINE_S):
        while not line.endswith(b"\n"):
            part = await process.stdout.receive_some(4096)
            assert part, "it ended before it served"
            line += part
    return line.decode().strip()
