"""A path to a node that may be long, and can be cut: every connection breaks, and none comes until it is mended."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import trio

from node.demo.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAX_CHUNKS: Final = 256
"""Under way in one direction at once; signalling has a few."""


@dataclass(kw_only=True)
class Path:
    """The path: its URL, whether it is whole, and how long it is each way, which may change at any time."""

    url: str
    target: int
    is_cut: bool = False
    delay_s: float = 0.0
    carried: set[trio.CancelScope] = field(default_factory=set)

    def cut(self) -> None:
        """Break every connection, and take no more."""
        self.is_cut = True
        for scope in self.carried:
            scope.cancel()

    def mend(self) -> None:
        """Take connections again."""
        self.is_cut = False

    async def carry(self, client: trio.SocketStream) -> None:
        """Move bytes both ways until either end is gone or the path is cut."""
        with trio.CancelScope() as scope:
            self.carried.add(scope)
            try:
                async with client:
                    if not self.is_cut:
                        await self._connect(client, scope)
            finally:
                self.carried.discard(scope)

    async def _connect(self, client: trio.SocketStream, scope: trio.CancelScope) -> None:
        try:
            async with await trio.open_tcp_stream(LOOPBACK, self.target) as node, trio.open_nursery() as nursery:
                for source, sink in ((client, node), (node, client)):
                    way_in, way_out = trio.open_memory_channel[tuple[float, bytes]](MAX_CHUNKS)
                    nursery.start_soon(self._take, source, way_in, scope)
                    nursery.start_soon(_give, way_out, sink, scope)
        except OSError:
            return  # no node, no path

    async def _take(
        self, source: trio.SocketStream, way: trio.MemorySendChannel[tuple[float, bytes]], scope: trio.CancelScope
    ) -> None:
        try:
            async with way:
                async for chunk in source:
                    await way.send((trio.current_time() + self.delay_s, bytes(chunk)))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            scope.cancel()


async def _give(
    way: trio.MemoryReceiveChannel[tuple[float, bytes]], sink: trio.SocketStream, scope: trio.CancelScope
) -> None:
    """Hand on what has arrived; when that was all, everything ends."""
    try:
        async for due, chunk in way:
            await trio.sleep_until(due)
            await sink.send_all(chunk)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    scope.cancel()


@asynccontextmanager
async def open_path(node_url: str) -> AsyncIterator[Path]:
    """Have a second address for a node, for the length of the block."""
    target = urlsplit(node_url).port
    assert target is not None
    (listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK)
    port = listener.socket.getsockname()[1]
    path = Path(url=f"http://{LOOPBACK}:{port}", target=target)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, path.carry, [listener])
        yield path
        nursery.cancel_scope.cancel()
