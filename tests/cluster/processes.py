"""Which processes there are, read from ``/proc``: the kernel's word, not ours."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def with_environment(entry: str) -> set[int]:
    """Find the processes that were started with this ``NAME=value`` in their environment."""
    return {pid for pid in _pids() if entry.encode() in _read(pid, "environ").split(b"\0")}


def descendants(pid: int) -> set[int]:
    """Find the children of a process, and theirs."""
    parents = {one: _parent(one) for one in _pids()}
    found: set[int] = set()
    front = {pid}
    while front:
        front = {one for one, parent in parents.items() if parent in front} - found
        found |= front
    return found


def program(pid: int) -> str:
    """Say which program a process runs; empty when it is gone."""
    words = _read(pid, "cmdline").split(b"\0")
    return Path(words[0].decode()).name if words[0] else ""


def arguments(pid: int) -> list[str]:
    """The words it was started with."""
    return _read(pid, "cmdline").decode().split("\0")


def alive(pids: set[int]) -> set[int]:
    """Of these processes, the ones that still run; a zombie does not."""
    return {pid for pid in pids if _state(pid) not in ("", "Z")}


def wait_for(holds: Callable[[], bool], *, within_s: float) -> float:
    """Wait until something holds; returns after how many seconds it did.

    Raises:
        AssertionError: It did not in time.
    """
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < within_s, f"not within {within_s} s"
        time.sleep(0.02)
    return time.monotonic() - started


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _stat(pid: int) -> list[str]:
    # The program's name stands in parentheses and may hold anything; what counts comes after it.
    return _read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0
