"""`python -m tests.bench.echo quart|trio`: a WebSocket server that says back what it hears, and nothing else.

What our own handling of a message costs stands beside these: `quart` is an application of one route on the server
that a node runs on, `trio` is trio-websocket without any framework. Each prints its port and serves until it is killed.
"""

from __future__ import annotations

import sys
from typing import Final

import trio
from hypercorn import Config
from hypercorn.trio import serve
from quart import websocket
from quart_trio import QuartTrio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

ADDRESS: Final = "127.0.0.1"
MAX_MESSAGE_BYTES: Final = 262_144
"""As a node takes."""


def quart_app() -> QuartTrio:
    """Make the application of one route."""
    app = QuartTrio(__name__)

    @app.websocket("/v1/session")
    async def echo() -> None:
        while True:
            await websocket.send(await websocket.receive())

    return app


async def serve_quart() -> None:
    """Serve on hypercorn."""
    config = Config()
    config.bind = [f"{ADDRESS}:0"]
    config.accesslog = None
    config.errorlog = None
    config.websocket_max_message_size = MAX_MESSAGE_BYTES
    async with trio.open_nursery() as nursery:
        binds = await nursery.start(serve, quart_app(), config)
        print(int(binds[0].rpartition(":")[2]), flush=True)


async def serve_trio() -> None:
    """Serve on trio-websocket."""

    async def echo(request: WebSocketRequest) -> None:
        ws = await request.accept()
        try:
            while True:
                await ws.send_message(await ws.get_message())
        except ConnectionClosed:
            return

    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, echo, ADDRESS, 0, None)
        print(server.port, flush=True)


if __name__ == "__main__":
    trio.run({"quart": serve_quart, "trio": serve_trio}[sys.argv[1]])
