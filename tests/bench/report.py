"""What a benchmark says: goals with what was measured, the raw rounds, and the machine they ran on."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import msgspec
from rich.console import Console
from rich.table import Table

OUTPUT = Path(__file__).resolve().parents[2] / "build/bench"


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A ratio over all rounds."""

    median: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, rounds: Sequence[float]) -> Self:
        """Sum up rounds.

        Raises:
            ValueError: There are none.
        """
        if not rounds:
            raise ValueError("a benchmark without rounds says nothing")
        return cls(median=statistics.median(rounds), minimum=min(rounds), maximum=max(rounds))


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that should hold."""

    what: str
    """The ratio in words, such as `CPU per forward / bare loop`."""

    goal: float
    """What it should at most be."""

    measured: Spread
    """What it was."""

    met: bool
    """Whether the median kept to the goal."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where and under what foreign load it was measured."""

    system: str
    processor: str
    cores: int
    idle_percent: float
    """Share of all cores that nobody used while the benchmark ran, the benchmark included."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark's outcome, as it is written to `build/bench/<name>.json`."""

    name: str
    goals: tuple[Goal, ...]
    raw: Mapping[str, object]
    machine: Machine


def at_most(what: str, limit: float, rounds: Sequence[float]) -> Goal:
    """Judge a ratio that should not exceed a limit, by the median of its rounds."""
    measured = Spread.of(rounds)
    return Goal(what=what, goal=limit, measured=measured, met=measured.median <= limit)


def watch_machine() -> Callable[[], Machine]:
    """Start watching; call what is returned, once, when the benchmark has ended."""
    started, idle = time.monotonic(), _idle_s()

    def describe() -> Machine:
        offered = (time.monotonic() - started) * (os.cpu_count() or 1)
        unused = _idle_s() - idle
        return Machine(
            system=platform.platform(),
            processor=_processor(),
            cores=os.cpu_count() or 1,
            idle_percent=round(100 * min(1.0, unused / offered), 1) if offered else 0.0,
        )

    return describe


def publish(report: Report, folder: Path = OUTPUT) -> Path:
    """Print the table and write the file; return its path."""
    table = Table(title=f"{report.name} ({report.machine.idle_percent} % idle)")
    for column in ("goal", "at most", "median", "minimum", "maximum", "met"):
        table.add_column(column)
    for goal in report.goals:
        spread = (goal.measured.median, goal.measured.minimum, goal.measured.maximum)
        table.add_row(goal.what, f"{goal.goal:g}", *(f"{value:.3g}" for value in spread), "yes" if goal.met else "NO")
    Console().print(table)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.name}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return path


def _idle_s() -> float:
    """Return the seconds that all cores together have been idle since boot (proc(5), /proc/stat).

    A core that goes to sleep notes when; what it works is only sampled at ticks, and short turns fall between them.
    """
    fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    idle, waiting = int(fields[4]), int(fields[5])
    return (idle + waiting) / os.sysconf("SC_CLK_TCK")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
