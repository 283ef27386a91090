"""Start the media program beside this process, and end it in time.

The program inherits one end of a socket pair and runs in a session of its own: a Ctrl-C or a
service stop reaches this process alone, and when this process dies, however, the program reads
the end of its socket and ends too. What it prints to standard error goes to the log line by line.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import structlog
import trio

from sfu.errors import EngineStartError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

PROGRAM: Final = "starling-sfu"

TAIL_LINES: Final = 20
"""The last words of a program, for the error that reports its end; the rest is in the log."""

MAX_LINE_BYTES: Final = 4096
"""A longer line is logged in pieces, so that one without an end costs no memory."""

EXIT_GRACE_S: Final = 2.0
"""From closed socket to SIGKILL: the program has nothing to save, only packets to stop."""

KILL_WAIT_S: Final = 2.0
"""What SIGKILL does not end in this time hangs in the kernel; waiting longer would not help."""

LAST_WORDS_S: Final = 0.5
"""To read what an ended program had printed; only a child of its own could hold the pipe longer."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger("sfu.process")


def find_program() -> Path:
    """Where the media program is: ``STARLING_SFU``, else beside the interpreter, else in ``PATH``.

    Raises:
        EngineStartError: ``engine_missing``; the message says how to get it.
    """
    named = os.environ.get("STARLING_SFU")
    beside = Path(sysconfig.get_path("scripts")) / PROGRAM
    found = named or (str(beside) if beside.is_file() else PROGRAM)
    path = shutil.which(found)
    if path is None:
        raise EngineStartError(
            "engine_missing",
            f"There is no program {found}: install Starling (`make demo` does), or name the program in STARLING_SFU.",
        )
    return Path(path)


class Child(Protocol):
    """A running program and the stream to speak with it."""

    @property
    def stream(self) -> trio.abc.Stream:
        """Our end of the socket pair."""
        ...

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    async def end(self, grace_s: float) -> str:
        """Close the stream, wait ``grace_s`` seconds, SIGKILL; safe to repeat.

        Returns:
            How it ended, for people: exit code or signal, and its last words.
        """
        ...


class ProcessChild:
    """A :class:`Child` that is a process; made by :func:`open_child`."""

    def __init__(self, process: trio.Process, stream: trio.SocketStream) -> None:
        self._process = process
        self._stream = stream
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._errors_ended = trio.Event()

    @property
    def stream(self) -> trio.abc.Stream:
        """Our end of the socket pair."""
        return self._stream

    @property
    def pid(self) -> int:
        """Its process id, which is also its session."""
        return self._process.pid

    async def end(self, grace_s: float) -> str:
        """See :meth:`Child.end`; at most ``grace_s`` + :data:`KILL_WAIT_S` + :data:`LAST_WORDS_S` seconds."""
        await self._stream.aclose()
        with trio.move_on_after(grace_s):
            await self._process.wait()
        if self._process.returncode is None:
            self._process.kill()
            with trio.move_on_after(KILL_WAIT_S):
                await self._process.wait()
        with trio.move_on_after(LAST_WORDS_S):
            await self._errors_ended.wait()
        return self._last_words()

    def _last_words(self) -> str:
        code = self._process.returncode
        how = "does not end" if code is None else f"exit code {code}"
        if code is not None and code < 0:
            how = f"ended by {signal.Signals(-code).name}"
        return f"{how}; {self._tail[-1]}" if self._tail else how

    async def _read_errors(self, stream: trio.abc.ReceiveStream) -> None:
        rest = b""
        async for chunk in stream:
            *lines, rest = (rest + bytes(chunk)).split(b"\n")
            if len(rest) >= MAX_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._hear(line)
        if rest:
            self._hear(rest)
        self._errors_ended.set()

    def _hear(self, line: bytes) -> None:
        text = line.decode("utf-8", "backslashreplace")
        self._tail.append(text)
        _log.info("child_said", pid=self.pid, line=text)


@contextlib.asynccontextmanager
async def open_child(command: Sequence[str]) -> AsyncIterator[ProcessChild]:
    """Run a program for the length of the block, with ``--control-fd N`` added to its arguments.

    Raises:
        EngineStartError: ``engine_missing``, it cannot be executed.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        try:
            process = await trio.lowlevel.open_process(
                [*command, "--control-fd", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            stream.socket.close()
            raise EngineStartError("engine_missing", f"{command[0]} cannot be run: {error.strerror}.") from error
    errors = process.stderr
    assert errors is not None  # asked for above
    child = ProcessChild(process, stream)
    async with errors, trio.open_nursery() as nursery:
        nursery.start_soon(child._read_errors, errors)
        try:
            yield child
        finally:
            # Bounded by the waits of end(), so the shield cannot hang a shutdown.
            with trio.CancelScope(shield=True):
                _log.info("child_ended", pid=child.pid, how=await child.end(EXIT_GRACE_S))
            nursery.cancel_scope.cancel()
