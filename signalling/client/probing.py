"""How far nodes are, measured by pings on WebSockets that say nothing else and so never have a session.

The middle of a few pings counts, as one may wait behind something. Once the first node is done the others get as long
again, which is enough for all that are not far behind: a node that is dead or at the other end of the world delays
nobody.
"""

from __future__ import annotations

from statistics import median_low
from typing import TYPE_CHECKING, Final, TypeAlias

import trio
from trio_websocket import ConnectionClosed

from signalling.client.codec import decode_node_message, encode
from signalling.client.dialling import open_websocket
from signalling.client.messages import Ping, Pong
from signalling.client.refusal import NodeUnreachableError
from signalling.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from trio_websocket import WebSocketConnection

__all__ = ["MAX_PROBES", "PROBE_DEADLINE_S", "Dial", "dial_node", "probe_nodes"]

Dial: TypeAlias = "Callable[[str], AbstractAsyncContextManager[WebSocketConnection]]"

PINGS: Final = 5

PROBE_DEADLINE_S: Final = 2.0
"""For all of it: 300 ms away takes four round trips over TLS before the first pong."""

SETTLE_S: Final = 0.1
"""What the others get beyond as long again, when the first is done."""

CLOSE_S: Final = 0.5

MAX_PROBES: Final = 64
"""Nodes measured at once; a client measures five."""


def dial_node(url: str) -> AbstractAsyncContextManager[WebSocketConnection]:
    """Open a WebSocket to a node's base URL, to be closed with the block; see :func:`open_websocket`."""
    session_url = f"{url.rstrip('/').replace('http', 'ws', 1)}/v1/session"
    return open_websocket(session_url, ssl_context=None, origin=None, connect_s=PROBE_DEADLINE_S, close_s=CLOSE_S)


async def probe_nodes(
    urls: Sequence[str], *, deadline_s: float = PROBE_DEADLINE_S, dial: Dial = dial_node
) -> tuple[float | None, ...]:
    """Measure the round trips to nodes, all at once. Cancelling closes every connection.

    Args:
        urls: Base URLs; :data:`MAX_PROBES` at most.
        deadline_s: For all of it, seconds.
        dial: Opens the WebSocket.

    Returns:
        Milliseconds in the order of the URLs; None for a node that did not answer in time, or is far behind another.

    Raises:
        ValueError: Too many at once.
    """
    if len(urls) > MAX_PROBES:
        raise ValueError(f"at most {MAX_PROBES} nodes are measured at once")
    began = trio.current_time()
    taken: list[list[float]] = [[] for _ in urls]
    with trio.move_on_after(deadline_s) as patience:

        def settle() -> None:
            now = trio.current_time()
            patience.deadline = min(patience.deadline, now + (now - began) + SETTLE_S)

        async with trio.open_nursery() as nursery:
            for url, figures in zip(urls, taken, strict=True):
                nursery.start_soon(_probe, dial, url, figures, settle)
    await trio.lowlevel.checkpoint()
    return tuple(median_low(figures) if figures else None for figures in taken)


async def _probe(dial: Dial, url: str, figures: list[float], done: Callable[[], None]) -> None:
    """Ping a node until it has answered often enough, or is of no use; add each round trip in ms to ``figures``."""
    try:
        async with dial(url) as ws:
            for number in range(PINGS):
                at = trio.current_time()
                await ws.send_message(encode(Ping(id=number)))
                if decode_node_message(await ws.get_message()) != Pong(id=number):
                    return
                figures.append(1000 * (trio.current_time() - at))
            done()
    except* (NodeUnreachableError, ConnectionClosed, Refused):
        pass  # no node, or one that hung up: what it answered until then counts
