"""The node's end of the private listener.

Whoever does not have the token gets no word; that somebody tried is counted and logged. It is one line that has to be
JSON with the token in it, and what a browser sends, whatever page it is on and whatever name it took the address by,
begins with a method and a path: so it ends there. Anybody on this machine can connect and say nothing: when too many
do, the one that has been silent for longest goes, so a question is heard all the same.

A question has one deadline from the connection to the answer. A stream ends when its client hangs up, does not take a
line within the deadline, or the node stops; it says every few seconds that it is alive.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
import trio

from node.admin.outlet import Outlet
from node.admin.protocol import (
    ADMIN_FILE,
    DEADLINE_S,
    HEARTBEAT_S,
    LOOPBACK,
    MAX_QUESTION_BYTES,
    STREAMS,
    AdminFile,
    LineReader,
    Question,
)
from node.admin.stream_lines import Alive, StreamRefused
from node.private_files import write_private
from signalling.pace import TokenBucket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from node.admin.desk import AdminDesk

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

MAX_CONNECTIONS: Final = 16
"""Questions answered at a time, of people and their scripts; each takes milliseconds."""

MAX_READ: Final = 64
"""Connections that have not said yet what they want; a question comes within a millisecond of its connection."""

LOGGED_PER_S: Final = 0.1
LOGGED_BURST: Final = 5
"""Refusals that are logged: enough to see that somebody tries, too few to fill a disk."""

MAX_STREAMS: Final = 8
"""Terminals of a few operators; beside the connections, so that a question is answered whoever watches."""


@asynccontextmanager
async def open_admin(data_dir: Path, desk: AdminDesk) -> AsyncIterator[None]:
    """Answer questions for the length of the block."""
    path = data_dir / ADMIN_FILE
    listeners = await trio.open_tcp_listeners(0, host=LOOPBACK)
    port = listeners[0].socket.getsockname()[1]
    listener = _Listener(desk, token=secrets.token_urlsafe(32))
    write_private(path, msgspec.json.encode(AdminFile(port=port, token=listener.token, pid=os.getpid())))
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, listener.serve, listeners)
            yield
            nursery.cancel_scope.cancel()
    finally:
        path.unlink(missing_ok=True)


class _Listener:
    def __init__(self, desk: AdminDesk, *, token: str) -> None:
        self.token = token
        self._desk = desk
        self.refused: Counter[str] = Counter()
        self._logged = TokenBucket(rate_per_s=LOGGED_PER_S, burst=LOGGED_BURST, now=trio.current_time())
        self._readers: dict[trio.CancelScope, None] = {}
        self._connections = trio.CapacityLimiter(MAX_CONNECTIONS)
        self._streams = trio.CapacityLimiter(MAX_STREAMS)

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one connection."""
        async with stream:
            try:
                question = await self._answer(stream)
                if question is not None:
                    await self._stream(stream, question)
            except* trio.BrokenResourceError:
                pass  # it is gone
            except* Exception:
                log.exception("admin_question_failed")

    async def _answer(self, stream: trio.SocketStream) -> Question | None:
        """Read the question and answer it; one that asks for a stream is returned."""
        with trio.move_on_after(DEADLINE_S) as scope:
            question = await self._read(stream)
            if question is None or question.topic in STREAMS:
                return question
            async with self._connections:
                scope.deadline += question.deadline_s - DEADLINE_S
                await stream.send_all(msgspec.json.encode(await self._desk.answer(question)) + b"\n")
        return None

    async def _read(self, stream: trio.SocketStream) -> Question | None:
        """Read a question of somebody who has the token; None for anything else."""
        line: bytes | None = None
        if len(self._readers) >= MAX_READ:
            oldest = next(iter(self._readers))
            del self._readers[oldest]
            oldest.cancel()
        with trio.CancelScope() as reading:
            self._readers[reading] = None
            try:
                line = await LineReader(stream, MAX_QUESTION_BYTES).line()
            except ValueError:
                line = b""
            finally:
                self._readers.pop(reading, None)
        if line is None:
            self._refuse("silent")
            return None
        try:
            question = msgspec.json.decode(line, type=Question)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._refuse("no_question")
            return None
        if not hmac.compare_digest(question.token.encode(), self.token.encode()):
            self._refuse("wrong_token")
            return None
        return question

    def _refuse(self, why: str) -> None:
        self.refused[why] += 1
        if self._logged.take(trio.current_time()):
            log.warning("admin_refused", reason=why, so_far=self.refused.total())

    async def _stream(self, stream: trio.SocketStream, question: Question) -> None:
        outlet = Outlet()
        try:
            self._streams.acquire_nowait()
        except trio.WouldBlock:
            refused = StreamRefused(
                code="too_many_streams", message=f"{MAX_STREAMS} terminals watch this node already: close one"
            )
            with trio.move_on_after(DEADLINE_S):
                await stream.send_all(msgspec.json.encode(refused) + b"\n")
            return
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._fill, question, outlet)
                nursery.start_soon(_end_with_client, stream, nursery.cancel_scope)
                await _send_lines(stream, outlet)
                nursery.cancel_scope.cancel()
        finally:
            self._streams.release()

    async def _fill(self, question: Question, outlet: Outlet) -> None:
        try:
            await self._desk.stream(question, outlet)
        finally:
            outlet.close()


async def _end_with_client(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    """A client that says anything more, or hangs up, wants no more lines."""
    await stream.receive_some(1)
    scope.cancel()


async def _send_lines(stream: trio.SocketStream, outlet: Outlet) -> None:
    """Send what comes until no more does, or the client does not take it in time."""
    while True:
        line: object = Alive()
        with trio.move_on_after(HEARTBEAT_S):
            try:
                line = await outlet.receive()
            except trio.EndOfChannel:
                return
        with trio.move_on_after(DEADLINE_S) as sending:
            await stream.send_all(msgspec.json.encode(line) + b"\n")
        if sending.cancelled_caught:
            return
