"""One RPC connection: any number of tasks may call; one task reads, one writes.

A caller that is cancelled or out of time leaves the stream in step: its request is sent whole or not at all,
and the decoder still expects its answer.  Nothing here raises because of what a peer of the agent wrote.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from membership.rpc.errors import BrokenRpcError, ClosedRpcError, RemoteRpcError, RpcError
from membership.rpc.wire import Answer, AnswerDecoder, Item, encode_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

__all__ = ["RpcConnection", "RpcStream", "open_connection"]

RECEIVE_BYTES = 65536

MAX_UNSENT = 64
"""Requests that wait for the socket.  The agent reads at once; a full queue means that it hangs."""


@dataclass(slots=True)
class _Pending:
    """A request without an answer."""

    answered: trio.Event = field(default_factory=trio.Event)
    answer: Answer | None = None


class RpcStream:
    """Records of one `stream`, `monitor` or `query`, undecoded.

    The agent drops records silently for a client that reads slowly, so the connection reads eagerly and drops
    here instead, counted.
    """

    def __init__(self, seq: int, buffer: int) -> None:
        self.seq = seq
        self.dropped = 0
        """Records dropped because the consumer was slow."""
        self._send, self._receive = trio.open_memory_channel[object](buffer)

    async def receive(self) -> object:
        """The next record.

        Raises:
            BrokenRpcError: the connection is gone, or the stream was stopped.
        """
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise BrokenRpcError("the stream has ended") from None

    def put(self, record: object) -> None:
        """Deliver a record, or drop and count it."""
        try:
            self._send.send_nowait(record)
        except trio.WouldBlock:
            self.dropped += 1

    def end(self) -> None:
        """Deliver nothing more; what is buffered can still be received."""
        self._send.close()


class RpcConnection:
    """Made by `open_connection`."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._decoder = AnswerDecoder()
        self._seq = 0
        self._pending: dict[int, _Pending] = {}
        self._streams: dict[int, RpcStream] = {}
        self._unsent, self._to_send = trio.open_memory_channel[bytes](MAX_UNSENT)
        self._failure: RpcError | None = None

    async def call(self, command: str, body: Mapping[str, object] | None = None, *, deadline_s: float) -> object:
        """Make a request and wait for its answer; returns the undecoded body, None where there is none.

        When cancelled or late, the request may still be carried out.

        Raises:
            RemoteRpcError: the agent refuses.
            BrokenRpcError: the connection is gone or the agent hangs.
            ClosedRpcError: this side has closed it.
            trio.TooSlowError: no answer within `deadline_s` seconds.
        """
        return (await self._ask(self._next_seq(), command, body, deadline_s)).body

    async def open_stream(
        self, command: str, body: Mapping[str, object], *, buffer: int, deadline_s: float
    ) -> RpcStream:
        """Open a stream that keeps at most `buffer` records; raises like `call`."""
        stream = RpcStream(self._next_seq(), buffer)
        # Known before the request is sent: the first record may follow its answer in one segment.
        self._streams[stream.seq] = stream
        try:
            await self._ask(stream.seq, command, body, deadline_s)
        except (RpcError, trio.TooSlowError):
            self._streams.pop(stream.seq, None)  # the end of the connection has cleared them
            raise
        return stream

    async def stop_stream(self, stream: RpcStream, *, deadline_s: float) -> None:
        """Ask for no more records; late ones are dropped.  Raises like `call`."""
        if self._streams.pop(stream.seq, None) is not None:
            stream.end()
            await self.call("stop", {"Stop": stream.seq}, deadline_s=deadline_s)

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    async def _ask(self, seq: int, command: str, body: Mapping[str, object] | None, deadline_s: float) -> Answer:
        data = encode_request(seq, command, body)
        if self._failure is not None:
            raise self._failure
        pending = self._pending[seq] = _Pending()
        try:
            self._decoder.expect(seq, command)
            self._unsent.send_nowait(data)
        except trio.WouldBlock:
            self._fail(BrokenRpcError("the agent does not read"))
        except BrokenRpcError as error:
            self._fail(error)
        with trio.fail_after(deadline_s):
            await pending.answered.wait()
        if pending.answer is None:
            assert self._failure is not None  # only _fail answers with nothing
            raise self._failure
        if pending.answer.error:
            raise RemoteRpcError(command, pending.answer.error, pending.answer.body)
        return pending.answer

    def _fail(self, failure: RpcError) -> None:
        """End every call and stream; the first reason stays."""
        if self._failure is None:
            self._failure = failure
        for pending in self._pending.values():
            pending.answered.set()
        self._pending.clear()
        for stream in self._streams.values():
            stream.end()
        self._streams.clear()

    def _deliver(self, piece: Answer | Item) -> None:
        if isinstance(piece, Item):
            stream = self._streams.get(piece.seq)
            if stream is not None:
                stream.put(piece.body)
            return
        pending = self._pending.pop(piece.seq, None)
        if pending is not None:
            pending.answer = piece
            pending.answered.set()

    async def _read(self) -> None:
        try:
            while data := await self._stream.receive_some(RECEIVE_BYTES):
                for piece in self._decoder.feed(bytes(data)):
                    self._deliver(piece)
            self._fail(BrokenRpcError("the agent closed the connection"))
        except BrokenRpcError as error:
            self._fail(error)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._fail(BrokenRpcError(f"the connection to the agent broke: {error}"))

    async def _write(self) -> None:
        try:
            async for data in self._to_send:
                await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._fail(BrokenRpcError(f"the connection to the agent broke: {error}"))


@contextlib.asynccontextmanager
async def open_connection(stream: trio.abc.Stream) -> AsyncIterator[RpcConnection]:
    """Speak RPC over a connected stream for the length of the block; the stream is closed with it."""
    connection = RpcConnection(stream)
    async with stream, trio.open_nursery() as nursery:
        nursery.start_soon(connection._read)
        nursery.start_soon(connection._write)
        try:
            yield connection
        finally:
            connection._fail(ClosedRpcError("the connection was closed here"))
            nursery.cancel_scope.cancel()
