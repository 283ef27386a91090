"""The store watch: it asks by itself, calls two misses an outage, and says so once each way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
import trio

from durable import StoreOutcomeUnknownError
from node.store_watch import MISSES, PING_S, StoreWatch

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_an_outage_that_nobody_else_would_notice(autojump_clock: MockClock) -> None:
    downs: list[str] = []

    async def ping() -> None:
        await trio.lowlevel.checkpoint()
        if downs:
            raise StoreOutcomeUnknownError("no answer from the store in 0.4 s")

    def away() -> bool:
        return watch.is_away

    watch = StoreWatch(ping)
    with structlog.testing.capture_logs() as said:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.run)
            await trio.sleep(PING_S / 2)
            assert not away()
            downs.append("it was killed")
            await trio.sleep(PING_S)
            assert not away(), "one slow answer is no outage"
            await trio.sleep((MISSES + 5) * PING_S)
            assert away()
            downs.clear()
            await trio.sleep(2 * PING_S)
            assert not away()
            nursery.cancel_scope.cancel()
    assert [one["event"] for one in said] == ["store_away", "store_back"]
    assert said[0]["code"] == "store_unavailable"
