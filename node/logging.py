"""The log: structlog on stderr, for people on a terminal and as JSON elsewhere.

Ids come first in a line. Tokens and client addresses never reach it; who logs sees to that, and
tests look.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Final

import structlog

from node.log_feed import FEED, LEVELS

if TYPE_CHECKING:
    from node.config import LogConfig

FIRST: Final = ("timestamp", "level", "node", "event")
"""What a reader of a JSON line looks for first."""


def set_up_logging(config: LogConfig, *, node_id: str) -> None:
    """Direct all logging of this process to stderr in the configured form."""
    is_console = config.format == "console" or (config.format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        FEED.tap,
    ]
    if is_console:
        # The default formatter of exceptions shows local variables, and those hold tokens.
        shared.append(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))
    else:
        shared += [
            structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
            _most_asked_first,
            structlog.processors.JSONRenderer(),
        ]
    FEED.written = LEVELS[config.level]
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[config.level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(node=node_id)
    # Libraries log by the standard module; only what is wrong is of interest.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s", force=True)


def _most_asked_first(_logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    first = {key: line.pop(key) for key in FIRST if key in line}
    return {**first, **line}
