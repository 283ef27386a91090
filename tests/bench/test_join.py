"""What coming in costs a node: messages, joins, and sockets on which nothing happens.

A message is the client's `ping`, which the node decodes, checks against its season and rate, and answers; beside it
the same text goes to two servers that only echo, in the same run. Joins arrive on a schedule, each with a socket of
its own, and are timed from when they were due: a node that falls behind cannot hide it. Trips to the store are
what Redis itself counts.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import trio

from node.garbage import collect_seldom
from session.room_definitions import ROOMS_AT_ONCE
from signalling.client.codec import encode
from signalling.client.connection import converse
from signalling.client.dialling import open_websocket
from signalling.client.messages import Hello, Ping
from signalling.client.refusal import ConnectionLostError, NodeUnreachableError, RefusedByNodeError
from signalling.ids import RoomId
from tests.bench.accounting import cpu_s, pss_bytes
from tests.bench.doorway import open_echo, open_node
from tests.bench.report import Report, at_most, publish, watch_machine
from tests.bench.rounds import Rounds

if TYPE_CHECKING:
    from trio_websocket import WebSocketConnection

    from tests.bench.doorway import Node

pytestmark = pytest.mark.bench

SOCKETS: Final = 40
MESSAGES_PER_S: Final = 40.0
"""On each socket: below the 50 that a node lets one client say."""

JOINS_PER_S: Final = 100.0
JOINS: Final = int(os.environ.get("STARLING_BENCH_JOINS", "1000"))
PEOPLE_IN_A_ROOM: Final = 10
IDLE: Final = 500
SETTLE_S: Final = 3.0

GOAL_MESSAGE: Final = 1.5
GOAL_P99_MS: Final = 400.0
GOAL_TRIPS: Final = 1.0

PING: Final = encode(Ping(id=1))


@dataclass
class Crowd:
    """What joining was like.

    Attributes:
        took_ms: From when a join was due to its `joined`, connecting and `hello` included.
        seat_ms: From the request `join` to its `joined`.
        trips: Reads of the store a join.
        node_us: CPU of the node's Python a join, microseconds.
        engine_us: Of its engine.
        per_s: Joins that were answered a second.
        failed: Joins that were refused, or cut off.
    """

    took_ms: list[float] = field(default_factory=list)
    seat_ms: list[float] = field(default_factory=list)
    trips: float = 0.0
    node_us: float = 0.0
    engine_us: float = 0.0
    per_s: float = 0.0
    failed: int = 0


async def message_us(url: str, pid: int, seconds: float, *, token: str | None) -> float:
    """CPU of a server for one message there and its answer back, microseconds."""
    said = 0

    async def talk(ws: WebSocketConnection, until: float, first: float) -> None:
        nonlocal said
        due = first
        while due < until:
            await trio.sleep_until(due)
            await ws.send_message(PING)
            # A node pings by itself, too.
            while '"pong"' not in str(answer := await ws.get_message()) and answer != PING:
                continue
            said += 1
            due += 1 / MESSAGES_PER_S

    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(open_websocket(url, ssl_context=None, origin=None, connect_s=10, close_s=2))
            for _ in range(SOCKETS)
        ]
        for ws in sockets:
            if token is not None:
                await ws.send_message(encode(Hello(token=token)))
                await ws.get_message()
        before, now = cpu_s(pid), trio.current_time()
        with trio.fail_after(seconds + 30):
            async with trio.open_nursery() as nursery:
                for number, ws in enumerate(sockets):
                    first = now + number / (SOCKETS * MESSAGES_PER_S)
                    nursery.start_soon(talk, ws, now + seconds, first)
        used = cpu_s(pid) - before
    return used / said * 1e6


async def joins(node: Node) -> Crowd:
    """Let people come in on schedule and stay until all are in."""
    crowd, everybody_in = Crowd(), trio.Event()
    tokens = [node.session_token() for _ in range(JOINS)]
    rooms = [RoomId(f"room-{number}") for number in range(JOINS // PEOPLE_IN_A_ROOM)]
    await _make_known(node, rooms)
    idle_trips = await _trips_per_s(node)

    def is_done() -> None:
        if len(crowd.took_ms) + crowd.failed == JOINS:
            everybody_in.set()

    async def come(token: str, room: RoomId, due: float) -> None:
        await trio.sleep_until(due)
        try:
            await stay(token, room, due)
        except* (NodeUnreachableError, RefusedByNodeError, ConnectionLostError):
            crowd.failed += 1
            is_done()

    async def stay(token: str, room: RoomId, due: float) -> None:
        async with (
            open_websocket(node.url, ssl_context=None, origin=None, connect_s=10, close_s=2) as ws,
            converse(ws, token=token) as client,
        ):
            asked = trio.current_time()
            await client.join(room, attempt=1)
            now = trio.current_time()
            crowd.seat_ms.append((now - asked) * 1000)
            crowd.took_ms.append((now - due) * 1000)
            is_done()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_listen, client.events)
                await everybody_in.wait()
                nursery.cancel_scope.cancel()
            await client.leave()

    trips, used, engine = node.redis_trips(), cpu_s(node.pid), cpu_s(node.engine_pid)
    began = trio.current_time() + 0.1
    with trio.fail_after(JOINS / JOINS_PER_S * 5 + 30):
        async with trio.open_nursery() as nursery:
            for number, token in enumerate(tokens):
                nursery.start_soon(come, token, rooms[number % len(rooms)], began + number / JOINS_PER_S)
            await everybody_in.wait()
            took = trio.current_time() - began
            crowd.node_us = (cpu_s(node.pid) - used) / JOINS * 1e6
            crowd.engine_us = (cpu_s(node.engine_pid) - engine) / JOINS * 1e6
            crowd.trips = (node.redis_trips() - trips - idle_trips * took) / JOINS
            crowd.per_s = JOINS / took
    return crowd


async def _make_known(node: Node, rooms: list[RoomId]) -> None:
    """Look into each room once: its definition is read then, and again only when it changes."""
    for first in range(0, len(rooms), ROOMS_AT_ONCE):
        async with (
            open_websocket(node.url, ssl_context=None, origin=None, connect_s=10, close_s=2) as ws,
            converse(ws, token=node.session_token()) as client,
        ):
            for attempt, room in enumerate(rooms[first : first + ROOMS_AT_ONCE], start=1):
                await client.join(room, attempt=attempt)
                await client.leave()


async def _listen(events: trio.MemoryReceiveChannel[object]) -> None:
    async for _ in events:
        continue


async def _trips_per_s(node: Node) -> float:
    before, began = node.redis_trips(), time.monotonic()
    await trio.sleep(SETTLE_S)
    # Asking is a trip, too.
    return max(0.0, (node.redis_trips() - before - 1) / (time.monotonic() - began))


async def idle_bytes(url: str, pid: int, node: Node | None) -> float:
    """Memory of a server for one socket on which nothing happens (after `hello`, where there is one)."""
    before = pss_bytes(pid)
    async with AsyncExitStack() as stack:
        for _ in range(IDLE):
            ws = await stack.enter_async_context(
                open_websocket(url, ssl_context=None, origin=None, connect_s=10, close_s=2)
            )
            if node is not None:
                await ws.send_message(encode(Hello(token=node.session_token())))
                await ws.get_message()
        await trio.sleep(1)
        return (pss_bytes(pid) - before) / IDLE


async def measure(rounds: Rounds, folder: Path) -> dict[str, list[float]]:
    """Interleave the servers, round by round."""
    raw: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        raw.setdefault(name, []).append(value)

    async with open_node(folder) as node, open_echo("quart") as quart, open_echo("trio") as bare:
        note("idle_bytes_node", await idle_bytes(node.url, node.pid, node))
        note("idle_bytes_quart", await idle_bytes(quart[1], quart[0], None))
        for number in range(rounds.count):
            for name, url, pid, token in (
                ("message_us_node", node.url, node.pid, node.session_token()),
                ("message_us_quart", quart[1], quart[0], None),
                ("message_us_bare", bare[1], bare[0], None),
            ):
                note(name, await message_us(url, pid, rounds.measure_s, token=token))
            crowd = await joins(node)
            note("join_node_us", crowd.node_us)
            note("join_engine_us", crowd.engine_us)
            note("join_trips", crowd.trips)
            note("joins_per_s", crowd.per_s)
            note("joins_failed", crowd.failed)
            note("join_p50_ms", statistics.median(crowd.took_ms))
            note("join_p99_ms", statistics.quantiles(crowd.took_ms, n=100)[98])
            note("seat_p50_ms", statistics.median(crowd.seat_ms))
            note("seat_p99_ms", statistics.quantiles(crowd.seat_ms, n=100)[98])
            print(f"{number + 1}/{rounds.count} " + ", ".join(f"{name} {each[-1]:.3g}" for name, each in raw.items()))
    return raw


def test_join() -> None:
    described = watch_machine()
    # The clients share the machine: what they cost should not be what is measured.
    collect_seldom()
    with tempfile.TemporaryDirectory(prefix="starling-bench-") as folder:
        raw = trio.run(measure, Rounds.from_environment(), Path(folder))
    ratios = zip(
        raw["message_us_node"], raw["message_us_quart"], raw["message_us_bare"], raw["join_node_us"], strict=True
    )
    to_quart = []
    for node, quart, bare, join in ratios:
        to_quart.append(node / quart)
        raw.setdefault("message_to_bare", []).append(node / bare)
        raw.setdefault("join_to_bare_message", []).append(join / bare)
    goals = (
        at_most("CPU per message / Quart's own echo", GOAL_MESSAGE, to_quart),
        at_most("trips to the store per join", GOAL_TRIPS, raw["join_trips"]),
        at_most("joins that failed", 0, raw["joins_failed"]),
        at_most(f"join p99 at {JOINS_PER_S:g}/s, ms", GOAL_P99_MS, raw["join_p99_ms"]),
    )
    publish(Report(name="join", goals=goals, raw=raw, machine=described()))
