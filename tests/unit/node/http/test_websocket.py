"""A client of a real server, over a real socket."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import structlog
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, wrap_client_stream

from signalling.errors import ErrorCode
from tests.unit.node.http.fakes import FIRST, GOOD_TOKEN, connect, serving, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trio_websocket import WebSocketConnection

    from tests.unit.node.http.fakes import FakeBackend

HELLO = {"topic": "hello", "id": 1, "token": GOOD_TOKEN}
JOIN = {"topic": "join", "id": 2, "room": "den", "attempt": 1}


@asynccontextmanager
async def connected(
    port: int, *greeting: dict[str, object], origin: str | None = None
) -> AsyncIterator[WebSocketConnection]:
    # Over a stream of our own: the library leaves it open when the other side closes first.
    with trio.fail_after(10):
        async with await connect(port) as stream, trio.open_nursery() as nursery:
            headers = [] if origin is None else [(b"Origin", origin.encode())]
            socket = await wrap_client_stream(nursery, stream, "127.0.0.1", "/v1/session", extra_headers=headers)
            async with socket:
                for message in greeting:
                    await socket.send_message(json.dumps(message))
                    await socket.get_message()
                yield socket


async def heard(socket: WebSocketConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await socket.get_message())
    return message


async def test_hello_join_chat_and_goodbye(backend: FakeBackend, web_root: Path) -> None:
    async with serving(backend, web_root) as server:
        async with connected(server.port) as socket:
            await socket.send_message(json.dumps(HELLO))
            welcome = await heard(socket)
            assert (welcome["topic"], welcome["id"], welcome["token"]) == ("welcome", 1, "fresh-token")
            await socket.send_message(json.dumps(JOIN))
            assert (await heard(socket))["topic"] == "joined"
            assert (await heard(socket))["topic"] == "participant_left"
            await socket.send_message(json.dumps({"topic": "chat", "id": 3, "text": "hi", "nonce": "n"}))
            assert await heard(socket) == {"topic": "chat_sent", "id": 3, "message": "me_1", "at_ms": 1}
        with trio.fail_after(2):
            await until(lambda: bool(backend.closed))
    assert backend.closed == [("session-0", "gone")]


async def test_a_probe_pings_without_a_session(backend: FakeBackend, web_root: Path) -> None:
    async with serving(backend, web_root) as server, connected(server.port) as socket:
        await socket.send_message(json.dumps({"topic": "ping", "id": 7}))
        assert await heard(socket) == {"topic": "pong", "id": 7}
    assert not backend.asked


@pytest.mark.parametrize(
    ("message", "code", "close"),
    [
        ("{", "malformed_message", 4400),
        ("", "malformed_message", 4400),
        (b"", "malformed_message", 4400),
        (b"\x00", "malformed_message", 4400),
        ('{"topic": "hello"}', "malformed_message", 4400),
        ('{"topic": "hello", "token": "expired"}', "token_invalid", 4401),
        ("x" * 300_000, "message_too_large", 4413),
        ("x" * 600_000, "message_too_large", 4413),
    ],
)
async def test_bad_messages_get_an_error_and_a_close_code(
    backend: FakeBackend, web_root: Path, message: str | bytes, code: str, close: int
) -> None:
    async with (
        serving(backend, web_root) as server,
        connected(server.port, HELLO) as other,
        connected(server.port) as socket,
    ):
        await socket.send_message(message)
        assert (await heard(socket))["code"] == code
        with pytest.raises(ConnectionClosed) as caught:
            await socket.get_message()
        assert caught.value.reason is not None
        assert (caught.value.reason.code, caught.value.reason.reason) == (close, code)
        # The neighbour hears nothing of it.
        await other.send_message(json.dumps({"topic": "ping", "id": 9}))
        assert (await heard(other))["id"] == 9


async def test_a_request_that_does_not_fit_is_answered_and_the_session_goes_on(
    backend: FakeBackend, web_root: Path
) -> None:
    async with serving(backend, web_root) as server, connected(server.port, HELLO) as socket:
        await socket.send_message(json.dumps({**JOIN, "attempt": "first"}))
        error = await heard(socket)
        assert (error["topic"], error["id"], error["code"]) == ("error", 2, "malformed_message")
        assert "`attempt` has to be " in error["message"]
        assert "first" not in error["message"]
        await socket.send_message(json.dumps(JOIN))
        assert (await heard(socket))["topic"] == "joined"


async def test_a_client_that_says_nothing_that_fits_is_closed_with_a_reason(
    backend: FakeBackend, web_root: Path
) -> None:
    async with serving(backend, web_root) as server, connected(server.port, HELLO) as socket:
        for number in range(10, 18):
            await socket.send_message(json.dumps({"topic": "dance", "id": number}))
            assert (await heard(socket))["id"] == number
        assert "in a row" in (await heard(socket))["message"]
        with pytest.raises(ConnectionClosed) as caught:
            await socket.get_message()
        assert caught.value.reason is not None
        assert (caught.value.reason.code, caught.value.reason.reason) == (4400, "malformed_message")


async def test_the_node_ends_a_session_with_a_last_word(backend: FakeBackend, web_root: Path) -> None:
    async with serving(backend, web_root) as server, connected(server.port, HELLO) as socket:
        backend.sockets[FIRST].end(ErrorCode.NODE_DRAINING, "Elsewhere, please.")
        assert (await heard(socket))["message"] == "Elsewhere, please."
        with pytest.raises(ConnectionClosed):
            await socket.get_message()
        assert backend.closed == [("session-0", "ended_by_node")]


async def test_a_client_that_does_not_read_is_dropped(backend: FakeBackend, web_root: Path) -> None:
    from signalling.client.messages import ChatMessage
    from signalling.ids import MessageId, ParticipantId

    async with serving(backend, web_root, send_deadline_s=0.5) as server, connected(server.port, HELLO):
        socket = backend.sockets[FIRST]
        with trio.fail_after(8):
            while not backend.closed:
                for n in range(200):
                    socket.send(
                        ChatMessage(
                            message=MessageId(f"me_{n}"),
                            participant=ParticipantId("pa_1"),
                            name="",
                            text="x" * 2000,
                            at_ms=0,
                        )
                    )
                await trio.lowlevel.checkpoint()
        assert backend.closed == [("session-0", "slow_consumer")]


async def test_pages_from_elsewhere_are_refused_before_the_upgrade(backend: FakeBackend, web_root: Path) -> None:
    async with serving(backend, web_root) as server:
        with pytest.RaisesGroup(ConnectionRejected) as caught:
            async with connected(server.port, origin="https://evil.test"):
                pass
        rejection = caught.value.exceptions[0]
        assert isinstance(rejection, ConnectionRejected)
        assert rejection.status_code == 403
        assert b"origin_refused" in (rejection.body or b"")
        # The Host that the client sends names no port, so neither does the own origin.
        async with connected(server.port, origin="http://127.0.0.1") as socket:
            await socket.send_message('{"topic": "ping"}')
            assert (await heard(socket))["topic"] == "pong"


async def test_no_token_and_no_address_in_the_log(backend: FakeBackend, web_root: Path) -> None:
    backend.failure = RuntimeError("broken")
    with structlog.testing.capture_logs() as lines:
        async with serving(backend, web_root) as server:
            async with connected(server.port) as socket:
                await socket.send_message(json.dumps({**HELLO, "token": "very-secret-token"}))
                assert (await heard(socket))["code"] == "internal_error"
            async with connected(server.port) as socket:
                await socket.send_message('{"topic": "hello", "token": "very-secret-token", "x": 1}')
                assert (await heard(socket))["code"] == "malformed_message"
    assert lines
    assert "very-secret-token" not in str(lines)
    assert "127.0.0.1" not in str(lines)
