"""Who else reads the log, live: a copy of each line goes to them, at a level of their own.

It costs nothing while nobody does. A reader that asks for more than is written lowers what is made at all, for as long
as it reads; what is written stays as it was configured. Lines may come from any thread, and reach their reader in the
one that asked.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog
import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

MAX_TEXT: Final = 2000
"""Characters of one value: a traceback's last words fit, a page that somebody logged does not."""

Plain: TypeAlias = "str | int | float | bool | None"


@dataclass(frozen=True, kw_only=True, slots=True)
class LogRecord:
    """A line of the log.

    Attributes:
        at: When, ISO 8601.
        level: ``debug``, ``info``, ``warning``, ``error`` or ``critical``.
        text: What happened.
        fields: What belongs to it, each value plain and short.
    """

    at: str
    level: str
    text: str
    fields: Mapping[str, Plain]


@dataclass(eq=False)
class _Reader:
    least: int
    put: Callable[[LogRecord], None]
    token: trio.lowlevel.TrioToken


@dataclass
class LogFeed:
    """The readers of this process' log.

    Attributes:
        written: The least important kind of line that is written.
    """

    written: int = LEVELS["info"]
    _readers: list[_Reader] = field(default_factory=list)

    @contextmanager
    def reading(self, level: str, put: Callable[[LogRecord], None]) -> Iterator[None]:
        """Hand lines of this level and above to `put`, in this thread, for the length of the block."""
        reader = _Reader(least=LEVELS[level], put=put, token=trio.lowlevel.current_trio_token())
        self._readers.append(reader)
        self._make_what_is_read()
        try:
            yield
        finally:
            self._readers.remove(reader)
            self._make_what_is_read()

    def tap(self, _logger: object, method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """Copy a line to its readers; one that is not to be written ends here."""
        level = LEVELS.get(str(line.get("level", method)), LEVELS["info"])
        readers = [one for one in self._readers if level >= one.least]
        if readers:
            record = _record(line, method)
            for one in readers:
                try:
                    one.token.run_sync_soon(one.put, record)
                except trio.RunFinishedError:  # its thread is done
                    continue
        if level < self.written:
            raise structlog.DropEvent
        return line

    def _make_what_is_read(self) -> None:
        least = min([self.written, *(one.least for one in self._readers)])
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(least))


FEED: Final = LogFeed()
"""There is one log in a process, so there is one feed of it."""


def _record(line: structlog.typing.EventDict, method: str) -> LogRecord:
    rest = {key: _plain(value) for key, value in line.items() if key not in ("timestamp", "level", "event", "exc_info")}
    error = line.get("exc_info")
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        rest["exception"] = _plain(f"{type(error).__name__}: {error}")
    return LogRecord(
        at=str(line.get("timestamp", "")),
        level=str(line.get("level", method)),
        text=str(line.get("event", ""))[:MAX_TEXT],
        fields=rest,
    )


def _plain(value: object) -> Plain:
    return value if isinstance(value, bool | int | float) or value is None else str(value)[:MAX_TEXT]
