"""What a process has used, by the kernel's own account."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from tests.bench.report import watch_machine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NS_PER_S = 1e9


def cpu_s(pid: int) -> float:
    """Seconds on a core of all threads that a process has now (proc(5), schedstat: nanoseconds on the CPU first)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return total / NS_PER_S


def pss_bytes(pid: int) -> int:
    """Memory of a process, shared pages by its share of them (proc(5), smaps_rollup)."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    assert found is not None  # every kernel since 4.14 has the line
    return int(found[1]) * 1024


def part(server: int, *others: int) -> None:
    """Give a server the first core and all others the rest, so that none is charged for making way for another.

    Where there is one core, or affinity is not ours to set, they share.
    """
    first, *rest = sorted(os.sched_getaffinity(0))
    for pid, cores in ((server, {first}), *((other, set(rest)) for other in others)):
        if not rest:
            return
        keep_on(pid, cores)


def keep_on(pid: int, cores: set[int]) -> None:
    """Keep all threads that a process has now on these cores, as far as that is ours to say."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            os.sched_setaffinity(int(task.name), cores)


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a server used while it was watched.

    Attributes:
        cpu_s: Seconds on a core.
        packets: Packets that it sent.
        seconds: How long it was watched.
        idle_percent: Share of the machine that nobody used meanwhile.
    """

    cpu_s: float
    packets: int
    seconds: float
    idle_percent: float

    @property
    def cost_us(self) -> float:
        """CPU a packet, microseconds."""
        return self.cpu_s / max(self.packets, 1) * 1e6

    @property
    def load(self) -> float:
        """Share of one core."""
        return self.cpu_s / self.seconds


async def watch(pid: int, packets: Callable[[], Awaitable[int]], seconds: float) -> Usage:
    """Watch a process for so long, and how many packets it sent meanwhile."""
    described = watch_machine()
    sent, used, began = await packets(), cpu_s(pid), trio.current_time()
    await trio.sleep(seconds)
    used, ended = cpu_s(pid) - used, trio.current_time()
    return Usage(
        cpu_s=used,
        packets=await packets() - sent,
        seconds=ended - began,
        idle_percent=described().idle_percent,
    )
