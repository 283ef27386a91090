"""Opening a WebSocket, and closing all of it.

When the peer closes first, ``trio-websocket`` leaves the socket underneath open; so the stream is
opened and closed here.
"""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import trio
from trio_websocket import HandshakeError, WebSocketConnection, wrap_client_stream

from signalling.client.messages import MAX_CLIENT_MESSAGE_BYTES
from signalling.client.refusal import NodeUnreachableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAX_UNREAD_FRAMES: Final = 16
"""Frames between socket and reader, which only sorts them; more would only hide a slow reader."""

DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}


@asynccontextmanager
async def open_websocket(
    url: str, *, ssl_context: ssl.SSLContext | None, origin: str | None, connect_s: float, close_s: float
) -> AsyncIterator[WebSocketConnection]:
    """Hold a WebSocket open for the length of the block.

    What the block raises arrives in an exception group.

    Args:
        url: ``ws://`` or ``wss://``.
        ssl_context: For ``wss``; the system's certificates otherwise.
        origin: An ``Origin`` header.
        connect_s: For TCP, TLS and the handshake.
        close_s: For the closing handshake.

    Raises:
        NodeUnreachableError: No WebSocket came about; in a group, too.
    """
    async with trio.open_nursery() as nursery:
        stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] | None = None
        try:
            try:
                with trio.fail_after(connect_s):
                    stream, host, resource = await _connect(url, ssl_context)
                    ws = await wrap_client_stream(
                        nursery,
                        stream,
                        host,
                        resource,
                        extra_headers=[] if origin is None else [(b"Origin", origin.encode())],
                        message_queue_size=MAX_UNREAD_FRAMES,
                        max_message_size=MAX_CLIENT_MESSAGE_BYTES,
                    )
            except (OSError, HandshakeError, trio.TooSlowError, trio.BrokenResourceError, ValueError) as error:
                raise NodeUnreachableError(f"no WebSocket to {url}: {error!r}") from error
            yield ws
            with trio.move_on_after(close_s, shield=True):
                await ws.aclose()
        finally:
            nursery.cancel_scope.cancel()
            if stream is not None:
                # Closing is a checkpoint: unshielded, the cancellation above would take the place of the error.
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(stream)


async def _connect(
    url: str, ssl_context: ssl.SSLContext | None
) -> tuple[trio.SocketStream | trio.SSLStream[trio.SocketStream], str, str]:
    """Open the stream to a URL; returns it with the ``Host`` to name and the resource to ask for.

    Raises:
        ValueError: This is no WebSocket URL.
        OSError: Nobody answers there.
    """
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or parts.hostname is None:
        raise ValueError("a WebSocket URL begins with ws:// or wss:// and names a host")
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    tcp = await trio.open_tcp_stream(parts.hostname, port)
    if parts.scheme == "ws":
        return tcp, parts.netloc, resource
    tls = trio.SSLStream(
        tcp, ssl_context or ssl.create_default_context(), server_hostname=parts.hostname, https_compatible=True
    )
    try:
        await tls.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(tls)
        raise
    return tls, parts.netloc, resource
