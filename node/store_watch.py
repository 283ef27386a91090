"""Whether the store answers, asked every few seconds: a node in which nobody does anything would never notice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
import trio

from durable import StoreOutcomeUnknownError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["MISSES", "PING_S", "StoreWatch"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

PING_S: Final = 2.0
"""Between two pings: half a round trip per second and node is nothing to Redis, and calls notice within their own."""

MISSES: Final = 2
"""In a row until the store is away: one slow answer is no outage."""


class StoreWatch:
    """Asks, and says once that the store went and once that it is back.

    Args:
        ping: One round trip with a deadline of its own; raises as calls to the store do.
        is_away: Whether it is known not to answer.
    """

    def __init__(self, ping: Callable[[], Awaitable[object]], *, is_away: bool = False) -> None:
        self._ping = ping
        self._missed = MISSES if is_away else 0
        self.answered = trio.Event()
        """Set once it answered for the first time."""

    @property
    def is_away(self) -> bool:
        """Whether the store does not answer now."""
        return self._missed >= MISSES

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._ask()
            await trio.sleep(PING_S)

    async def _ask(self) -> None:
        try:
            await self._ping()
        except (StoreUnavailableError, StoreOutcomeUnknownError) as error:
            self._missed += 1
            if self._missed == MISSES:
                log.warning(
                    "store_away",
                    code="store_unavailable",
                    reason=f"{error}; calls go on, joins are checked by what this node knows; start Redis again",
                )
        else:
            if self.is_away:
                log.warning("store_back")
            self._missed = 0
            self.answered.set()
