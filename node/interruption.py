"""A block that SIGINT and SIGTERM end in good order: for programs that run for a while and have things to close."""

from __future__ import annotations

import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["until_signal"]


@asynccontextmanager
async def until_signal(told: Callable[[], None]) -> AsyncIterator[None]:
    """Cancel the block at the first SIGINT or SIGTERM, after a word; what it opened closes as usual."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                async for _number in signals:
                    if not nursery.cancel_scope.cancel_called:
                        told()
                    nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            yield
            nursery.cancel_scope.cancel()
