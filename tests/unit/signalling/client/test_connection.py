"""The Python client, over a real WebSocket in memory, against a node that is made of the protocol machine."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream, wrap_server_stream

from signalling.client.codec import encode
from signalling.client.connection import (
    MAX_UNREAD_EVENTS,
    Client,
    ClientTimeouts,
    converse,
    open_client,
)
from signalling.client.events import Close, Deliver, Push, Received, ReplyReady, Send, TimePassed
from signalling.client.messages import Error, FreshToken, Hello, NodeMessage, Replaced, Restart, TrackIntent
from signalling.client.protocol import ClientProtocol
from signalling.client.refusal import ConnectionLostError, NodeUnreachableError, RefusedByNodeError
from signalling.errors import ErrorCode
from signalling.ids import RoomId, TrackId
from tests.unit.signalling.client.words import GRANTS, JOINED, WELCOME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from signalling.client.events import ProtocolEffect, ProtocolEvent
    from signalling.client.messages import NodeEvent, Request

LOBBY = RoomId("lobby")


class FakeNode:
    """Grants everything, unless told what to say instead; ``None`` keeps it silent."""

    def __init__(self, ws: WebSocketConnection) -> None:
        self.ws = ws
        self.protocol = ClientProtocol(now=trio.current_time())
        self.instead: dict[type[Request], Error | None] = {}
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


@asynccontextmanager
async def a_session() -> AsyncIterator[tuple[Client, FakeNode]]:
    async with a_node() as (ws, node), converse(ws, token="mine") as client:
        yield client, node


async def test_hello_join_publish_chat_leave() -> None:
    async with a_session() as (client, node):
        assert msgspec.structs.replace(client.welcome, id=None) == WELCOME
        assert msgspec.structs.replace(await client.join(LOBBY, attempt=1), id=None) == JOINED
        intent = TrackIntent(mid="0", kind="audio", source="microphone")
        assert (await client.publish(sdp="v=0", tracks=(intent,))).sdp == "v=0"
        await client.answer(sdp="v=0", generation=1)
        await client.trickle("subscriber", "candidate")
        await client.mute(TrackId("tr_1"), muted=True)
        assert (await client.chat("hi")).message == "me_1"
        await client.leave()
    topics = [request.__struct_config__.tag for request in node.asked]
    assert topics == ["hello", "join", "publish", "answer", "candidate", "mute", "chat", "leave"]


async def test_a_refusal_is_raised_with_its_code() -> None:
    async with a_session() as (client, node):
        node.instead[type(await _join_request(client, node))] = Error(
            code="attempt_stale", message="Go higher.", highest_attempt=7
        )
        await client.leave()
        with pytest.raises(RefusedByNodeError) as caught:
            await client.join(LOBBY, attempt=2)
        assert (caught.value.code, caught.value.highest_attempt) == ("attempt_stale", 7)


async def _join_request(client: Client, node: FakeNode) -> Request:
    await client.join(LOBBY, attempt=1)
    return node.asked[-1]


async def test_a_refused_hello_is_raised_from_the_opening() -> None:
    async with a_node() as (ws, node):
        node.instead[Hello] = Error(code="token_expired", message="Too old.")
        with pytest.raises(RefusedByNodeError) as caught:
            async with converse(ws, token="old"):
                pytest.fail("a refused hello opens nothing")
        assert caught.value.code == "token_expired"


async def test_requests_may_overlap() -> None:
    async with a_session() as (client, _):
        await client.join(LOBBY, attempt=1)
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(client.chat, "hi")


async def test_an_unanswered_request_times_out_and_its_late_reply_is_nobodys(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_session() as (client, node):
        node.instead[type(await _join_request(client, node))] = None
        await client.leave()
        with pytest.raises(trio.TooSlowError):
            await client.join(LOBBY, attempt=2)
        await node.say(msgspec.structs.replace(JOINED, id=4))
        await client.ping()


async def test_events_arrive_in_order_and_the_newest_token_is_kept() -> None:
    async with a_session() as (client, node):
        assert client.token == WELCOME.token
        await node.push(Restart(epoch=1))
        await node.push(FreshToken(token="newer"))
        assert await client.events.receive() == Restart(epoch=1)
        assert await client.events.receive() == FreshToken(token="newer")
        assert client.token == "newer"


async def test_pings_of_the_node_are_answered_for_hours(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_session() as (client, node):
        await trio.sleep(3 * 3600)
        assert client.lost is None
        assert node.protocol.rtt_s is not None
        await client.ping()


async def test_a_close_ends_events_and_requests_with_its_reason() -> None:
    async with a_session() as (client, node):
        await node.push(Replaced())
        assert [event async for event in client.events] == [Replaced()]
        with pytest.raises(ConnectionLostError) as caught:
            await client.join(LOBBY, attempt=1)
        assert (caught.value.close_code, caught.value.code) == (4409, "replaced")


async def test_a_node_that_falls_silent_is_given_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_session() as (client, node):
        node.protocol.next_deadline = lambda: None  # type: ignore[method-assign]
        await client.ping()
        assert [event async for event in client.events] == []
        assert client.lost is not None
        assert client.lost.code == ErrorCode.PING_TIMEOUT


async def test_garbage_from_the_node_ends_the_connection() -> None:
    async with a_session() as (client, node):
        await node.ws.send_message("no message")
        assert [event async for event in client.events] == []
        assert client.lost is not None
        assert client.lost.code == ErrorCode.MALFORMED_MESSAGE


async def test_who_reads_no_events_is_dropped_not_buffered() -> None:
    async with a_session() as (client, node):
        for n in range(MAX_UNREAD_EVENTS + 1):
            await node.push(Restart(epoch=n))
        await trio.testing.wait_all_tasks_blocked()
        assert client.lost is not None
        assert client.lost.code == ErrorCode.SLOW_CONSUMER


async def test_an_exception_of_the_body_comes_out_bare() -> None:
    async with a_node() as (ws, _):
        with pytest.raises(KeyError):
            async with converse(ws, token="mine"):
                raise KeyError("mine")


async def test_a_closed_port_is_unreachable() -> None:
    with pytest.raises(NodeUnreachableError):
        async with open_client("ws://127.0.0.1:1/v1/session", token="t", timeouts=ClientTimeouts(connect_s=5)):
            pytest.fail("nothing listens there")
