"""How busy the machine was, without which no figure of a run says much: everything of it shares few cores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MACHINE", "CpuTimes", "parse_cpu_times", "read_cpu_times", "trouble"]

MACHINE: Final = "machine"
"""Under which a run's figures have it."""

LEAST_IDLE: Final = 0.05
"""With less to spare, packets wait for processors as much as for the network."""

LATE_MS: Final = 20.0
"""A packet that the network handed over so late was not delayed by what is emulated."""


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


def trouble(figures: Mapping[str, float]) -> str | None:
    """Why a run's figures are not to be trusted, in words; None if nothing speaks against them."""
    if figures.get("crowded_out", 0.0) > 0:
        return "the network dropped packets for want of memory"
    if figures.get("idle", 1.0) < LEAST_IDLE:
        return f"the machine was idle for only {figures['idle']:.0%} of the time"
    if figures.get("late_ms", 0.0) > LATE_MS:
        return f"the network handed a packet over {figures['late_ms']:.0f} ms too late"
    return None
