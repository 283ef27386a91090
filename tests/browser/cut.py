"""A path to a node that can be cut: every connection breaks, and no new one comes about until it is mended."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import trio

from node.demo.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHUNK_BYTES: Final = 65_536


@dataclass(kw_only=True)
class Path:
    """The path: its URL, and whether it is whole."""

    url: str
    target: int
    is_cut: bool = False
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
                nursery.start_soon(_pipe, client, node, scope)
                nursery.start_soon(_pipe, node, client, scope)
        except OSError:
            return  # no node, no path


async def _pipe(source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope) -> None:
    try:
        async for chunk in source:
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
