"""Hostile input over real sockets: it costs its sender the connection, and nobody else anything."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import hypercorn.protocol
import hypercorn.trio.run
import pytest
import trio

from node.http.guard import GuardedServer, install_guard
from node.http.strict import StrictH11Protocol
from tests.unit.node.http.fakes import connect, exchange, is_healthy, serving, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.node.http.fakes import FakeBackend

UPGRADE: Final = (
    b"GET /v1/session HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)

HOSTILE: Final = {
    "upgrade and one extra byte": UPGRADE + b"\r\nx",
    "upgrade and half a frame": UPGRADE + b"\r\n\x81\xfe",
    "frame with reserved bits": UPGRADE + b"\r\n\xf1\x80\x00\x00\x00\x00",
    "upgrade without a key": UPGRADE.replace(b"Sec-WebSocket-Key", b"X-Key") + b"\r\n",
    "upgrade by POST": UPGRADE.replace(b"GET", b"POST") + b"\r\n",
    "upgrade elsewhere": UPGRADE.replace(b"/v1/session", b"/healthz") + b"\r\n",
    "bad chunk header": b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "bad chunk header to a page": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "endless chunk header": b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 70_000,
    "no request": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "nul bytes": b"\x00" * 1000,
    "http 2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "h2c upgrade": b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings, close\r\n"
    b"HTTP2-Settings: AAAA\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two content lengths": b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "negative content length": b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
}

REFUSED: Final = {
    "smuggling": (
        b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"400",
    ),
    "bare line feed": (b"GET /healthz HTTP/1.1\nHost: x\n\n", b"400"),
    "one bare line feed": (b"GET /healthz HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", b"400"),
    "folded header": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", b"400"),
    "connect": (b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
    "absolute target": (b"GET http://example.org/ HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    "huge head": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", b"431"),
    "http 2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
async def test_the_server_outlives_hostile_input(backend: FakeBackend, web_root: Path, data: bytes) -> None:
    async with serving(backend, web_root, read_deadline_s=0.3) as server:
        other = await connect(server.port)
        async with other:
            with trio.move_on_after(0.4):
                await exchange(server.port, data)
            # The same connection as before, and a new one.
            await other.send_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await other.receive_some(4096)).startswith(b"HTTP/1.1 200")
            assert await is_healthy(server.port)


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
async def test_what_is_ambiguous_is_refused_and_the_connection_closed(
    backend: FakeBackend, web_root: Path, data: bytes, status: bytes
) -> None:
    async with serving(backend, web_root) as server:
        # Whatever follows on the connection must not be taken for a request.
        answer = await exchange(server.port, data + b"GET /v1/nodes HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.split(b" ", 2)[1] == status
        assert answer.count(b"HTTP/1.1 ") == 1
        assert not backend.asked
        assert await is_healthy(server.port)


async def test_bad_chunks_by_the_hundred(backend: FakeBackend, web_root: Path) -> None:
    async with serving(backend, web_root) as server:
        for _ in range(100):
            await exchange(server.port, HOSTILE["bad chunk header"])
        assert await is_healthy(server.port)


async def test_a_body_that_stops_coming_is_not_waited_for(backend: FakeBackend, web_root: Path) -> None:
    async with serving(backend, web_root, read_deadline_s=0.1) as server:
        head = b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
        answer = await exchange(server.port, head + b"{")
        assert b" 408 " in answer.split(b"\r\n")[0]
        assert not backend.asked
        assert await is_healthy(server.port)


async def test_a_reader_that_dawdles_does_not_hold_up_the_stop(backend: FakeBackend, web_root: Path) -> None:
    async with trio.open_nursery() as nursery:
        async with serving(backend, web_root, send_deadline_s=0.5) as server:
            slow = await connect(server.port, receive_buffer=4096)
            await slow.send_all(b"GET /big.js HTTP/1.1\r\nHost: x\r\n\r\n")

            async def dawdle() -> None:
                # Fast enough never to be stuck; the page would take a minute.
                async with slow:
                    with contextlib.suppress(trio.BrokenResourceError):
                        async for _ in slow:
                            await trio.sleep(0.1)

            nursery.start_soon(dawdle)
            await until(lambda: server.statistics().open == 1)
            await trio.sleep(0.2)
            stopped = trio.current_time()
        assert trio.current_time() - stopped < 3
        assert server.statistics().stuck == 0
        nursery.cancel_scope.cancel()


async def test_a_stuck_reader_is_dropped_and_does_not_hold_up_the_stop(backend: FakeBackend, web_root: Path) -> None:
    async with serving(backend, web_root, send_deadline_s=0.2) as server:
        stuck = await connect(server.port, receive_buffer=4096)
        async with stuck:
            await stuck.send_all(b"GET /big.js HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            with trio.fail_after(5):
                await until(lambda: server.statistics().stuck > 0)
            assert await is_healthy(server.port)


async def test_stopping_is_prompt_with_a_reader_stuck_and_a_socket_open(backend: FakeBackend, web_root: Path) -> None:
    with trio.fail_after(5):
        async with serving(backend, web_root, send_deadline_s=0.5) as server:
            stuck, waiting = await connect(server.port, receive_buffer=4096), await connect(server.port)
            await stuck.send_all(b"GET /big.js HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            await waiting.send_all(UPGRADE + b"\r\n")
            assert (await waiting.receive_some(4096)).startswith(b"HTTP/1.1 101")
            started = trio.current_time()
    assert trio.current_time() - started < 3
    # The open WebSocket was told to go elsewhere.
    assert b"node_draining" in await waiting.receive_some(4096)
    await stuck.aclose()
    await waiting.aclose()


async def test_one_connection_too_many_is_closed_at_once(backend: FakeBackend, web_root: Path) -> None:
    async with serving(backend, web_root, max_connections=2) as server:
        first, second = await connect(server.port), await connect(server.port)
        async with first, second:
            for stream in (first, second):
                await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await stream.receive_some(4096)).startswith(b"HTTP/1.1 200")
            assert not await is_healthy(server.port)
            assert server.statistics().refused == 1
        with trio.fail_after(2):
            await until(lambda: server.statistics().open == 0)
        assert await is_healthy(server.port)


async def test_websocket_compression_is_not_offered(backend: FakeBackend, web_root: Path) -> None:
    async with serving(backend, web_root) as server:
        stream = await connect(server.port)
        async with stream:
            await stream.send_all(UPGRADE + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
            answer = await stream.receive_some(4096)
            assert answer.startswith(b"HTTP/1.1 101")
            assert b"permessage-deflate" not in answer


def test_the_guard_is_in_place_in_the_series_it_was_written_for() -> None:
    install_guard()
    assert hypercorn.trio.run.TCPServer is GuardedServer  # type: ignore[attr-defined]
    assert hypercorn.protocol.H11Protocol is StrictH11Protocol  # type: ignore[attr-defined]


def test_another_series_of_hypercorn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.http.guard.version", lambda _: "0.19.0")
    with pytest.raises(RuntimeError, match=r"0\.19\.0"):
        install_guard()
