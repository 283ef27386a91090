"""What one run is made of: its dice, its clocks, its names and its story."""

from __future__ import annotations

import hashlib
import random
import secrets
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from unittest import mock

import structlog
import trio
from trio._core import _run as scheduler

from sfu import supervision

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Universe", "here"]

EPOCH_S = 1_800_000_000
"""What the clocks on the walls show at the start, seconds since 1970."""

QUIET_S = 3_600.0
"""Between two looks after an engine that has nothing to do."""

here: ContextVar[str] = ContextVar("here", default="")
"""The node whose code runs."""


@dataclass
class Universe:
    """One run.

    Args:
        seed: decides it.
    """

    seed: int
    skews: dict[str, float] = field(default_factory=dict)
    """By how many seconds each node's clock is off."""
    is_calm: bool = True
    """Nothing breaks in this run."""
    story: list[str] = field(default_factory=list)
    cap: int = 10
    """How many the room takes."""
    is_moderated: bool = False
    """A moderator gave orders in this run."""
    locked_at: float | None = None
    """Since when the room is locked, if it is."""
    banned: dict[str, float] = field(default_factory=dict)
    """Who is banned, and since when."""
    kicked: dict[tuple[str, int], float] = field(default_factory=dict)
    """Whose seats, by session and attempt, stood when they were kicked, and when that was done."""
    former: set[str] = field(default_factory=set)
    """Sessions of nodes that were killed: nobody is left to release their seats."""

    def dice(self, name: str) -> random.Random:
        """Dice of one part: what another part throws does not move them."""
        return random.Random(f"{self.seed}/{name}")

    def tell(self, who: str, what: str) -> None:
        """Add a line to the story."""
        self.story.append(f"{trio.current_time():9.4f} {who}: {what}")

    def fingerprint(self) -> str:
        """The story in a few letters."""
        return hashlib.blake2b("\n".join(self.story).encode(), digest_size=8).hexdigest()

    def wall_s(self) -> float:
        """The clock on the wall of whoever asks."""
        return EPOCH_S + trio.current_time() + self.skews.get(here.get(), 0.0)

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Let the dice decide what the system would: ids, the time of day, who of two tasks goes first."""
        names = self.dice("names")
        order = self.dice("scheduler")
        with (
            mock.patch.object(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", True),
            mock.patch.object(scheduler, "_r", order),
            mock.patch.object(secrets, "token_hex", lambda length=16: names.randbytes(length).hex()),
            mock.patch.object(secrets, "token_urlsafe", lambda length=16: names.randbytes(length).hex()),
            mock.patch.object(supervision, "LOOK_EVERY_S", QUIET_S),
            mock.patch.object(time, "time", self._time_s),
            mock.patch.object(time, "time_ns", self._time_ns),
            _quiet(),
        ):
            yield

    def _time_s(self) -> float:
        try:
            return self.wall_s()
        except RuntimeError:  # Outside of Trio: before the start, or after the end.
            return float(EPOCH_S)

    def _time_ns(self) -> int:
        return int(self._time_s() * 1_000_000_000)


def _drop(*_: object) -> str:
    raise structlog.DropEvent


@contextmanager
def _quiet() -> Iterator[None]:
    """Ten thousand lines of log are no part of a story."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    try:
        yield
    finally:
        structlog.configure(**before)
