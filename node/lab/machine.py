"""How busy the machine was, without which no figure of a run says much: everything of it shares few cores."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["CpuTimes", "parse_cpu_times", "read_cpu_times"]


class CpuTimes(NamedTuple):
    """Of all processors together, in the kernel's ticks since boot."""

    idle: int
    total: int

    def idle_since(self, before: CpuTimes) -> float:
        """The share that was idle, 0 to 1."""
        total = self.total - before.total
        return (self.idle - before.idle) / total if total > 0 else 0.0


def read_cpu_times() -> CpuTimes:
    """Read them from the kernel."""
    return parse_cpu_times(Path("/proc/stat").read_text())


def parse_cpu_times(text: str) -> CpuTimes:
    """Read the first line of `/proc/stat` (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal, ..."""
    fields = [int(field) for field in text.split("\n", 1)[0].split()[1:9]]
    return CpuTimes(idle=fields[3] + fields[4], total=sum(fields))
