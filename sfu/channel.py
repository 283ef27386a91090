"""Commands one way, replies and events the other, over one stream of frames.

A frame is a 4-byte big-endian length and as many bytes of CBOR. :class:`FrameDecoder` cuts a
stream into frames without I/O; :class:`Channel` pairs commands with replies and hands events on
in the order in which they came.

What is bounded, and by what: a frame by :data:`~sfu.protocol.MAX_FRAME_BYTES`, commands under way
by :data:`MAX_OUTSTANDING`, the time of each by the channel's deadline, events by whoever takes
them: while an event is not taken nothing more is read, replies included, and the program's own
bound on its outgoing queue comes into play. So take events in a task that does not wait for replies.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import trio

from sfu.errors import EngineLostError, EngineRefused, EngineStartError, EngineTimeoutError
from sfu.protocol import MAX_FRAME_BYTES, Command, EngineEvent, EngineReply, Failed
from signalling import cbor
from signalling.cbor import GarbledError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

R = TypeVar("R", bound=EngineReply)

MAX_OUTSTANDING: Final = 64
"""Commands under way at once: enough to keep the program busy, few enough to lose together."""

RECEIVE_BYTES: Final = 65_536
"""One read; a socket pair seldom holds more at once."""

_LENGTH_BYTES: Final = 4


def encode_frame(message: object) -> bytes:
    """Encode one message as a frame.

    Raises:
        ValueError: It is longer than a frame may be.
    """
    body = cbor.encode(message)
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"{len(body)} bytes where a frame holds at most {MAX_FRAME_BYTES}")
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class FrameDecoder:
    """Cuts a byte stream into the bodies of frames; holds one unfinished frame at most."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream, give the frames that are whole by now.

        Raises:
            GarbledError: A frame claims to be longer than any may be; the stream is of no more use.
        """
        self._buffer += data
        frames: list[bytes] = []
        start = 0
        while len(self._buffer) - start >= _LENGTH_BYTES:
            body = start + _LENGTH_BYTES
            length = int.from_bytes(self._buffer[start:body], "big")
            if length > MAX_FRAME_BYTES:
                raise GarbledError(f"a frame of {length} bytes where at most {MAX_FRAME_BYTES} are taken")
            if len(self._buffer) < body + length:
                break
            frames.append(bytes(self._buffer[body : body + length]))
            start = body + length
        del self._buffer[:start]
        return frames


class _Waiter:
    """One command under way, and the kind of reply it gets unless it fails."""

    def __init__(self, kind: type[EngineReply]) -> None:
        self.kind = kind
        self.done = trio.Event()
        self.reply: EngineReply | None = None


class Channel:
    """One program's end of the conversation, from hello to the end of its stream.

    Made for one life of the program: what an earlier one had to say can never come out of here.
    Call :meth:`greet` first, then :meth:`run` in a task, :meth:`call` from any task.
    """

    def __init__(self, stream: trio.abc.Stream, *, words: Any, deadline_s: float) -> None:  # noqa: ANN401 - a union of types
        """Speak over ``stream``.

        Args:
            stream: Connected to the program; closed by whoever opened it.
            words: The union of all replies and events that the program may send.
            deadline_s: Seconds for a command from :meth:`call` to reply, waiting for a slot included.
        """
        self._stream = stream
        self._words: Any = list[words]
        self._deadline_s = deadline_s
        self._decoder = FrameDecoder()
        self._backlog: list[EngineReply | EngineEvent] = []
        self._ids = itertools.count(1)
        self._waiting: dict[int, _Waiter] = {}
        self._slots = trio.CapacityLimiter(MAX_OUTSTANDING)
        # Of the same size, so that a command that holds a slot seldom waits here.
        self._send, self._outgoing = trio.open_memory_channel[bytes](MAX_OUTSTANDING)
        self._ended = trio.Event()
        self.late_replies = 0
        """Replies that nobody waited for any more."""
        self.delivering = False
        """Whether an event waits to be taken, so that the silence is ours and not the program's."""

    @property
    def outstanding(self) -> int:
        """Commands under way."""
        return len(self._waiting)

    async def greet(self, hello: Command, ready: type[R]) -> R:
        """Say hello and wait for the answer, before :meth:`run`.

        Raises:
            EngineStartError: The program refused, ended, answered nonsense or not in time.
        """
        try:
            with trio.fail_after(self._deadline_s):
                await self._stream.send_all(encode_frame(msgspec.structs.replace(hello, id=next(self._ids))))
                while not self._backlog:
                    messages = await self._receive()
                    if messages is None:
                        raise EngineStartError("engine_died", "It ended before it answered hello.")
                    self._backlog += messages
        except trio.TooSlowError:
            raise EngineStartError("engine_silent", f"It did not answer hello within {self._deadline_s:g} s.") from None
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise EngineStartError("engine_died", "It ended before it answered hello.") from None
        except GarbledError as error:
            raise EngineStartError("engine_garbled", f"Its answer to hello makes no sense: {error}.") from error
        reply = self._backlog.pop(0)
        if isinstance(reply, Failed):
            raise EngineStartError(reply.code, reply.message)
        if not isinstance(reply, ready):
            raise EngineStartError("engine_garbled", f"It answered hello with {type(reply).__name__}.")
        return reply

    async def run(self, deliver: Callable[[EngineEvent], Awaitable[None]]) -> None:
        """Carry commands, replies and events until the program's stream ends.

        Whatever ends it (cancellation too), commands under way raise :class:`EngineLostError`.

        Raises:
            GarbledError: The program sent what no program of ours sends.
        """
        garbled: GarbledError | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                try:
                    await self._read(deliver)
                except GarbledError as error:
                    garbled = error
                nursery.cancel_scope.cancel()
        finally:
            self._ended.set()
            for waiter in self._waiting.values():
                waiter.done.set()
        if garbled is not None:
            raise garbled

    async def call(self, command: Command, reply: type[R]) -> R:
        """Send a command (its ``id`` is set here) and wait for its reply.

        Cancelling is safe and leaves the outcome unknown.

        Raises:
            EngineRefused: It was turned down.
            EngineTimeoutError: No reply within the deadline.
            EngineLostError: The program is gone.
        """
        waiter = _Waiter(reply)
        number = next(self._ids)
        try:
            frame = encode_frame(msgspec.structs.replace(command, id=number))
        except ValueError as error:
            raise EngineRefused("command_too_large", str(error)) from error
        with trio.move_on_after(self._deadline_s) as scope:
            async with self._slots:
                if not self._ended.is_set():
                    self._waiting[number] = waiter
                    try:
                        await self._send.send(frame)
                        await waiter.done.wait()
                    finally:
                        del self._waiting[number]
        answer = waiter.reply
        if answer is None:
            if scope.cancelled_caught:
                raise EngineTimeoutError(f"no reply to {type(command).__name__} within {self._deadline_s:g} s")
            raise EngineLostError(f"the program ended before it replied to {type(command).__name__}")
        if isinstance(answer, Failed):
            raise EngineRefused(answer.code, answer.message)
        assert isinstance(answer, reply)  # see _settle
        return answer

    async def _write(self) -> None:
        async for frame in self._outgoing:
            try:
                await self._stream.send_all(frame)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return  # the reader sees the end too, and what was said last before it

    async def _read(self, deliver: Callable[[EngineEvent], Awaitable[None]]) -> None:
        messages: list[EngineReply | EngineEvent] | None = self._backlog
        while messages is not None:
            for message in messages:
                if isinstance(message, EngineReply):
                    self._settle(message)
                else:
                    self.delivering = True
                    await deliver(message)
                    self.delivering = False
            messages = await self._receive()

    def _settle(self, reply: EngineReply) -> None:
        waiter = self._waiting.get(reply.id)
        if waiter is None or waiter.reply is not None:
            self.late_replies += 1
            return
        if not isinstance(reply, waiter.kind | Failed):
            raise GarbledError(f"{type(reply).__name__} where {waiter.kind.__name__} is the reply")
        waiter.reply = reply
        waiter.done.set()

    async def _receive(self) -> list[EngineReply | EngineEvent] | None:
        """The messages of the next read, possibly none; None at the end."""
        try:
            data = await self._stream.receive_some(RECEIVE_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return None
        if not data:
            return None
        messages: list[EngineReply | EngineEvent] = []
        for frame in self._decoder.feed(bytes(data)):
            messages += cbor.decode(frame, self._words, max_bytes=MAX_FRAME_BYTES)
        return messages
