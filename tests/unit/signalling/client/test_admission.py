"""The HTTP half of the Python client, against a few bytes that a node, or something else, might answer."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from signalling.client.admission import MAX_ADMISSION_BYTES, create_session, shown_name
from signalling.client.refusal import NodeUnreachableError, RefusedByNodeError
from signalling.errors import Refused
from signalling.ids import DeviceId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GRANT = {
    "token": "t",
    "session_url": "ws://127.0.0.1:7800/v1/session",
    "user": "us_1",
    "device": "de_12345678",
    "expires_in_s": 60.0,
}


class OneAnswer:
    """A server on loopback that gives every request the same answer and keeps the last one's bytes."""

    def __init__(self, status: str, body: bytes) -> None:
        head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.answer = head.encode() + body
        self.request = b""

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            while b"}" not in self.request:
                self.request += await stream.receive_some(4096)
            await stream.send_all(self.answer)


@asynccontextmanager
async def answering(status: str, body: bytes) -> AsyncIterator[tuple[str, OneAnswer]]:
    node = OneAnswer(status, body)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, node.serve, listeners)
        port = listeners[0].socket.getsockname()[1]
        yield f"http://127.0.0.1:{port}/", node
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("name", "says"), [("x" * 65, "shorter"), ("a\x07b", "control characters")])
def test_a_name_is_refused_for_what_is_wrong_with_it(name: str, says: str) -> None:
    with pytest.raises(Refused, match=says):
        shown_name(name)


async def test_a_grant_says_where_to_go() -> None:
    async with answering("201 Created", json.dumps({**GRANT, "since": "a later version"}).encode()) as (url, node):
        grant = await create_session(url, name="Ada", device=DeviceId("de_12345678"))
    assert (grant.token, grant.session_url) == ("t", GRANT["session_url"])
    head, _, body = node.request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/sessions HTTP/1.1")
    assert json.loads(body) == {"name": "Ada", "device": "de_12345678"}


@pytest.mark.parametrize(("said", "means"), [("30", 30.0), ("soon", None), ("9999999", None), ("-1", None)])
async def test_a_refusal_keeps_how_long_the_node_wants_to_be_left_alone(said: str, means: float | None) -> None:
    body = json.dumps({"error": {"code": "rate_limited", "message": "Later."}}).encode()
    async with answering(f"429 Too Many Requests\r\nRetry-After: {said}", body) as (url, _):
        with pytest.raises(RefusedByNodeError) as caught:
            await create_session(url, name="Ada")
    assert caught.value.retry_after_s == means


async def test_a_refusal_keeps_the_nodes_words() -> None:
    body = json.dumps({"error": {"code": "rate_limited", "message": "Later."}}).encode()
    async with answering("429 Too Many Requests", body) as (url, _):
        with pytest.raises(RefusedByNodeError) as caught:
            await create_session(url, name="Ada")
    assert (caught.value.code, caught.value.message) == ("rate_limited", "Later.")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("201 Created", b"{}"),
        ("502 Bad Gateway", b"<html>"),
        ("201 Created", b"[" * MAX_ADMISSION_BYTES),
        ("201 Created", b" " * (MAX_ADMISSION_BYTES + 1)),
    ],
)
async def test_what_no_node_would_answer_is_no_node(status: str, body: bytes) -> None:
    async with answering(status, body) as (url, _):
        with pytest.raises(NodeUnreachableError):
            await create_session(url, name="Ada")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "no address", "ftp://127.0.0.1"])
async def test_where_nobody_answers_is_unreachable(url: str) -> None:
    with pytest.raises(NodeUnreachableError):
        await create_session(url, name="Ada")


async def test_a_node_may_send_on_to_a_nearer_one_once() -> None:
    async with answering("201 Created", json.dumps(GRANT).encode()) as (there, second):
        onward = f"307 Temporary Redirect\r\nlocation: {there}v1/sessions?stay=1"
        async with answering(onward, b"{}") as (here, first):
            assert (await create_session(here, name="Ada")).token == "t"
    assert first.request.startswith(b"POST /v1/sessions HTTP/1.1")
    assert second.request.startswith(b"POST /v1/sessions?stay=1 HTTP/1.1")
    assert b"Ada" in second.request


async def test_nobody_is_sent_round_and_round_or_to_what_is_no_node() -> None:
    async with answering("307 Temporary Redirect\r\nlocation: file:///etc/passwd", b"{}") as (here, _):
        with pytest.raises(NodeUnreachableError):
            await create_session(here, name="Ada")
    async with answering("307 Temporary Redirect", b"{}") as (there, second):
        async with answering(f"307 Temporary Redirect\r\nlocation: {there}", b"{}") as (here, _):
            with pytest.raises(NodeUnreachableError):
                await create_session(here, name="Ada")
        assert second.request.count(b"POST") == 1


async def test_who_insists_says_so() -> None:
    async with answering("201 Created", json.dumps(GRANT).encode()) as (url, node):
        await create_session(url, name="Ada", stay=True)
    assert node.request.startswith(b"POST /v1/sessions?stay=1 HTTP/1.1")
