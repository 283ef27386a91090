"""The Python client, over a real WebSocket in memory, against a node that is made of the protocol machine."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio
import trio.testing

from signalling.client.connection import (
    MAX_UNREAD_EVENTS,
    Client,
    ClientTimeouts,
    converse,
    open_client,
)
from signalling.client.messages import Error, FreshToken, Hello, Replaced, Restart, TrackIntent
from signalling.client.refusal import ConnectionLostError, NodeUnreachableError, RefusedByNodeError
from signalling.errors import ErrorCode
from signalling.ids import RoomId, TrackId
from tests.unit.signalling.client.fake_node import a_node
from tests.unit.signalling.client.words import JOINED, WELCOME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from signalling.client.messages import Request
    from tests.unit.signalling.client.fake_node import FakeNode

LOBBY = RoomId("lobby")


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


async def test_what_only_newer_nodes_say_ends_nothing() -> None:
    async with a_session() as (client, node):
        await node.ws.send_message('{"topic":"participant_hummed","participant":"pa_1"}')
        assert msgspec.structs.replace(await client.join(LOBBY, attempt=1), id=None) == JOINED
        assert client.lost is None


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
