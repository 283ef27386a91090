"""Which node the Python client takes, against a few lines that answer ``GET /v1/nodes``."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import trio

from signalling.client.choosing import MAX_ANSWER_BYTES, choose_nodes
from signalling.client.refusal import NodeUnreachableError, RefusedByNodeError
from signalling.ids import RoomId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

ROOM = RoomId("hall")

DEAD = "http://127.0.0.1:1"


class Door:
    """A node that names nodes."""

    def __init__(self, say: Callable[[dict[str, list[str]]], tuple[int, bytes]]) -> None:
        self._say = say
        self.asked: list[dict[str, list[str]]] = []

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await stream.receive_some(4096)
            query = parse_qs(urlsplit(request.split()[1].decode()).query)
            self.asked.append(query)
            status, body = self._say(query)
            head = f"HTTP/1.1 {status} Status\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            await stream.send_all(head.encode() + body)


@asynccontextmanager
async def a_door(say: Callable[[dict[str, list[str]]], tuple[int, bytes]]) -> AsyncIterator[tuple[str, Door]]:
    door = Door(say)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, door.serve, listeners)
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}", door
        nursery.cancel_scope.cancel()


def named(*nodes: str, weighs: bool = False) -> bytes:
    more = {"rtt_source": None} if weighs else {}
    listed = [{"node": node, "url": f"http://{node}", "region": "r", "why": ["near"], **more} for node in nodes]
    return json.dumps({"nodes": listed}).encode()


class Figures:
    """Says how far nodes are, ms by name, and keeps who was asked about."""

    def __init__(self, **ms: float | None) -> None:
        self.ms = ms
        self.probed: list[str] = []

    async def probe(self, urls: Sequence[str]) -> list[float | None]:
        await trio.lowlevel.checkpoint()
        names = [url.removeprefix("http://") for url in urls]
        self.probed += names
        return [self.ms[name] for name in names]


async def test_the_nearest_comes_first_and_who_is_dead_last() -> None:
    figures = Figures(a=90, b=None, c=20, d=25, e=60)
    async with a_door(lambda _: (200, named("a", "b", "d", "c", "e", "f"))) as (url, door):
        chosen = await choose_nodes([DEAD, url], ROOM, probe=figures.probe)
    assert [one.node for one in chosen] == ["d", "c", "e", "a", "f", "b"], "d and c are as near as each other"
    assert [one.measured_ms for one in chosen] == [25, 20, 60, 90, None, None]
    assert figures.probed == ["a", "b", "d", "c", "e"]
    assert door.asked == [{"room": ["hall"]}]


async def test_a_node_that_weighs_what_was_measured_decides() -> None:
    def say(query: dict[str, list[str]]) -> tuple[int, bytes]:
        return 200, named("dead", "far", "near", weighs=True) if "rtt" in query else named(
            "near", "far", "dead", weighs=True
        )

    async with a_door(say) as (url, door):
        chosen = await choose_nodes([url], ROOM, probe=Figures(near=5, far=40.04, dead=None).probe)
    assert [one.node for one in chosen] == ["far", "near", "dead"]
    assert door.asked[1] == {"room": ["hall"], "rtt": ["near:5.0", "far:40.0"]}


async def test_a_node_that_goes_away_meanwhile_leaves_the_nearest() -> None:
    def say(query: dict[str, list[str]]) -> tuple[int, bytes]:
        return (503, b"") if "rtt" in query else (200, named("far", "near", weighs=True))

    async with a_door(say) as (url, _):
        chosen = await choose_nodes([url], ROOM, probe=Figures(near=5, far=40).probe)
    assert [one.node for one in chosen] == ["near", "far"]


async def test_where_nothing_can_be_measured_the_order_of_the_node_stays() -> None:
    async with a_door(lambda _: (200, named("b", "a"))) as (url, door):
        chosen = await choose_nodes([url], ROOM, probe=Figures(a=None, b=None).probe)
    assert [one.node for one in chosen] == ["b", "a"]
    assert len(door.asked) == 1


async def test_a_refusal_is_passed_on() -> None:
    body = json.dumps({"error": {"code": "room_invalid", "message": "No."}}).encode()
    async with a_door(lambda _: (400, body)) as (url, _):
        with pytest.raises(RefusedByNodeError) as caught:
            await choose_nodes([url], ROOM, probe=Figures().probe)
    assert caught.value.code == "room_invalid"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"nodes": [{}]}', b"[" * 5000, b"x" * (MAX_ANSWER_BYTES + 1)])
async def test_what_no_node_would_answer_is_no_node(body: bytes) -> None:
    async with a_door(lambda _: (200, body)) as (url, _):
        with pytest.raises(NodeUnreachableError):
            await choose_nodes([url], ROOM, probe=Figures().probe)


async def test_there_has_to_be_somebody_to_ask() -> None:
    for bases in ([], [DEAD], ["nonsense"]):
        with pytest.raises(NodeUnreachableError):
            await choose_nodes(bases, ROOM, probe=Figures().probe)
