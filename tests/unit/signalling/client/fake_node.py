"""A node that is made of the protocol machine, at the other end of a real WebSocket in memory."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream, wrap_server_stream

from signalling.client.codec import encode
from signalling.client.events import Close, Deliver, Push, Received, ReplyReady, Send, TimePassed
from signalling.client.protocol import ClientProtocol
from tests.unit.signalling.client.words import GRANTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from signalling.client.events import ProtocolEffect, ProtocolEvent
    from signalling.client.messages import NodeEvent, NodeMessage, NodeReply, Request


class FakeNode:
    """Grants everything, unless told what to say instead; ``None`` keeps it silent."""

    def __init__(self, ws: WebSocketConnection) -> None:
        self.ws = ws
        self.protocol = ClientProtocol(now=trio.current_time())
        self.instead: dict[type[Request], NodeReply | None] = {}
        self.asked: list[Request] = []

    async def run(self) -> None:
        try:
            while True:
                deadline = self.protocol.next_deadline()
                event: ProtocolEvent = TimePassed()
                with trio.move_on_at(deadline if deadline is not None else trio.current_time() + 60):
                    event = Received(data=await self.ws.get_message())
                await self.do(self.protocol.handle(event, trio.current_time()))
        except ConnectionClosed:
            return

    async def do(self, effects: tuple[ProtocolEffect, ...]) -> None:
        for effect in effects:
            match effect:
                case Send(message=message):
                    await self.ws.send_message(encode(message))
                case Close(close_code=number, code=code):
                    await self.ws.aclose(number, code)
                case Deliver(handle=handle, request=request):
                    self.asked.append(request)
                    reply = self.instead.get(type(request), GRANTS[type(request)])
                    if reply is not None:
                        answered = ReplyReady(handle=handle, reply=reply)
                        await self.do(self.protocol.handle(answered, trio.current_time()))

    async def push(self, event: NodeEvent) -> None:
        await self.do(self.protocol.handle(Push(event=event), trio.current_time()))

    async def say(self, message: NodeMessage) -> None:
        """Say it behind the protocol's back."""
        await self.ws.send_message(encode(message))


@asynccontextmanager
async def a_node() -> AsyncIterator[tuple[WebSocketConnection, FakeNode]]:
    near, far = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        accepted: list[WebSocketConnection] = []

        async def accept() -> None:
            request = await wrap_server_stream(nursery, far)
            accepted.append(await request.accept())

        async with trio.open_nursery() as handshake:
            handshake.start_soon(accept)
            ws = await wrap_client_stream(nursery, near, "node", "/v1/session")  # type: ignore[arg-type]
        node = FakeNode(accepted[0])
        nursery.start_soon(node.run)
        yield ws, node
        nursery.cancel_scope.cancel()
