"""A Redis server of our own, on a socket in a temporary folder, ended by its process id."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_DEADLINE_S = 10.0


@dataclass
class PrivateRedis:
    process: subprocess.Popen[bytes]
    socket: Path

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket))

    def stop(self) -> None:
        """Let the server sleep: connections stand, nothing answers."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def private_redis(folder: Path, *settings: str) -> Iterator[PrivateRedis]:
    socket = folder / "redis.sock"
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder), *settings],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_until_it_listens(process, socket)
        yield PrivateRedis(process, socket)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)


def _wait_until_it_listens(process: subprocess.Popen[bytes], socket: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while not socket.exists():
        assert process.poll() is None, "redis-server ended at once"
        assert time.monotonic() < deadline, "redis-server does not listen"
        time.sleep(0.02)
