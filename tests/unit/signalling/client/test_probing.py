"""Measuring nodes, at the ends of real WebSockets in memory and on a clock that jumps."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream, wrap_server_stream

from signalling.client.codec import decode_request, encode
from signalling.client.messages import Ok, Ping, Pong
from signalling.client.probing import MAX_PROBES, PROBE_DEADLINE_S, probe_nodes
from signalling.client.refusal import NodeUnreachableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class World:
    """Nodes by URL, each with the delays (seconds) of its pongs in turn; the last one stays."""

    def __init__(self, **delays: float | list[float]) -> None:
        self.delays: dict[str, list[float]] = {
            url: each if isinstance(each, list) else [each] for url, each in delays.items()
        }
        self.asked: list[object] = []
        self.open: set[str] = set()

    @asynccontextmanager
    async def dial(self, url: str) -> AsyncIterator[WebSocketConnection]:
        if url not in self.delays:
            raise NodeUnreachableError(url)
        near, far = trio.testing.memory_stream_pair()
        self.open.add(url)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._serve, nursery, far, self.delays[url])
                ws = await wrap_client_stream(nursery, near, "node", "/v1/session")  # type: ignore[arg-type]
                yield ws
                nursery.cancel_scope.cancel()
        finally:
            self.open.remove(url)

    async def _serve(self, nursery: trio.Nursery, stream: trio.StapledStream, delays: list[float]) -> None:  # type: ignore[type-arg]
        ws = await (await wrap_server_stream(nursery, stream)).accept()
        try:
            while True:
                message = decode_request(await ws.get_message())
                self.asked.append(message)
                assert isinstance(message, Ping)
                delay = delays.pop(0) if len(delays) > 1 else delays[0]
                if delay < 0:
                    await ws.send_message(encode(Ok(id=message.id)))
                    continue
                await trio.sleep(delay)
                await ws.send_message(encode(Pong(id=message.id)))
        except ConnectionClosed:
            return


def rounded(figures: Sequence[float | None]) -> list[int | None]:
    return [None if ms is None else round(ms) for ms in figures]


async def test_the_middle_of_the_pings_counts(autojump_clock: trio.testing.MockClock) -> None:
    world = World(a=[0.4, 0.02, 0.4, 0.02, 0.02], b=0.01)
    assert rounded(await probe_nodes(["a"], dial=world.dial)) == [20]
    assert all(isinstance(message, Ping) for message in world.asked), "a probe never says who it is"


async def test_all_at_once_and_who_is_dead_or_silent_delays_nobody(autojump_clock: trio.testing.MockClock) -> None:
    world = World(a=0.02, b=0.03, silent=math.inf)
    began = trio.current_time()
    assert rounded(await probe_nodes(["silent", "b", "dead", "a"], dial=world.dial)) == [None, 30, None, 20]
    assert trio.current_time() - began == pytest.approx(2 * 5 * 0.02 + 0.1)
    assert world.open == set()


async def test_where_nobody_answers_it_ends_in_time(autojump_clock: trio.testing.MockClock) -> None:
    world = World(a=math.inf, b=0.9)
    began = trio.current_time()
    assert rounded(await probe_nodes(["a", "b"], dial=world.dial)) == [None, 900], "what there is by then counts"
    assert trio.current_time() - began == pytest.approx(PROBE_DEADLINE_S)
    assert await probe_nodes(["dead"], dial=world.dial) == (None,)
    assert await probe_nodes([], dial=world.dial) == ()


async def test_what_answers_otherwise_is_no_node(autojump_clock: trio.testing.MockClock) -> None:
    assert await probe_nodes(["odd"], dial=World(odd=-1).dial) == (None,)


async def test_there_is_a_limit() -> None:
    with pytest.raises(ValueError, match="at most"):
        await probe_nodes(["dead"] * (MAX_PROBES + 1), dial=World().dial)


async def test_a_cancelled_probe_leaves_no_connection(autojump_clock: trio.testing.MockClock) -> None:
    world = World(a=math.inf)
    with trio.move_on_after(0.1) as scope:
        await probe_nodes(["a"], dial=world.dial)
    assert scope.cancelled_caught
    assert world.open == set()
