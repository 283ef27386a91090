"""The program that carries the packets, as the rest of the lab sees it: commands, answers, and its end.

It inherits the TUN devices and its standard streams, so when this process dies, however, it reads the end of its
standard input and ends too. Commands and replies are one JSON object a line, joined by a number.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sysconfig
from collections import deque
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
import trio

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

__all__ = ["Emulator", "PathStatistics", "WanStatistics", "find_program", "open_emulator"]

PROGRAM: Final = "starling-wan"

REPLY_DEADLINE_S: Final = 5.0
"""It answers within a millisecond; the rest is for a machine under load."""

EXIT_GRACE_S: Final = 2.0
"""From the end of its input to SIGKILL: it has nothing to save, only packets to drop."""

MAX_REPLY_BYTES: Final = 4 << 20
"""64 hosts have 4096 paths, whose counters take some 200 bytes each."""

TAIL_LINES: Final = 5

_log: structlog.stdlib.BoundLogger = structlog.get_logger("lab.emulator")


class PathStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What happened on the path from one host to another, in packets.

    Attributes:
        sender: Name of the sending host.
        receiver: Name of the receiving host.
        sent: Went into it.
        sent_bytes: Their bytes, IP header included.
        delivered: Arrived.
        lost: Lost by lot.
        cut: Dropped because the path was cut.
        overflowed: Dropped because the queue before the bottleneck was full.
        refused: Due, but the receiving host's device took none.
        took_us: How long those that were let through are under way, all together.
    """

    sender: str = msgspec.field(name="from")
    receiver: str = msgspec.field(name="to")
    sent: int
    sent_bytes: int
    delivered: int
    lost: int
    cut: int
    overflowed: int
    refused: int
    took_us: int

    @property
    def admitted(self) -> int:
        """Let through; some of them may be under way still."""
        return self.sent - self.lost - self.cut - self.overflowed


class WanStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in the network so far.

    Attributes:
        unroutable: Packets for an address that no host has.
        crowded_out: Packets dropped because too many were under way; anything but 0 spoils a measurement.
        under_way: Packets under way now.
        max_late_us: The latest that a packet was handed over after it was due, in microseconds, since the last time
            of asking; large values mean that the machine was too busy to be the network that was asked for.
        cpu_s: Processor time of the emulator.
        paths: Every path that a packet was sent into.
    """

    unroutable: int
    crowded_out: int
    under_way: int
    max_late_us: int
    cpu_s: float
    paths: tuple[PathStatistics, ...]

    def path(self, sender: str, receiver: str) -> PathStatistics:
        """What happened from one host to another; all zero if nothing was sent."""
        for path in self.paths:
            if (path.sender, path.receiver) == (sender, receiver):
                return path
        counts = ("sent", "sent_bytes", "delivered", "lost", "cut", "overflowed", "refused", "took_us")
        return PathStatistics(sender=sender, receiver=receiver, **dict.fromkeys(counts, 0))


class _Reply(msgspec.Struct, frozen=True):
    id: int | None
    error: str | None = None
    stats: WanStatistics | None = None


def find_program() -> Path:
    """Where the emulator is: ``STARLING_WAN``, else beside the interpreter, else in ``PATH``.

    Raises:
        LabError: ``program_missing``; the message says how to get it.
    """
    beside = Path(sysconfig.get_path("scripts")) / PROGRAM
    found = os.environ.get("STARLING_WAN") or (str(beside) if beside.is_file() else PROGRAM)
    path = shutil.which(found)
    if path is None:
        message = f"There is no program {found}: `make setup` builds it; or name the program in STARLING_WAN."
        raise LabError("program_missing", message)
    return Path(path)


class Emulator:
    """The running program; made by :func:`open_emulator`."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._waiting: dict[int, trio.MemorySendChannel[_Reply]] = {}
        self._one_writer = trio.Lock()
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._closing = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ask(self, command: Mapping[str, object]) -> _Reply:
        """Give a command and wait for its reply; cancelled, the command may still be obeyed.

        Raises:
            LabError: ``emulator_refused``, nothing has changed; ``emulator_failed``, it does not answer.
        """
        number = next(self._numbers)
        sender, receiver = trio.open_memory_channel[_Reply](1)
        self._waiting[number] = sender
        line = msgspec.json.encode({"id": number, **command}) + b"\n"
        assert self._process.stdin is not None  # asked for below
        try:
            with trio.fail_after(REPLY_DEADLINE_S):
                async with self._one_writer:
                    await self._process.stdin.send_all(line)
                reply = await receiver.receive()
        except (trio.TooSlowError, trio.BrokenResourceError, trio.EndOfChannel) as error:
            raise LabError("emulator_failed", f"The network's emulator does not answer{self._last_words()}") from error
        finally:
            del self._waiting[number]
        if reply.error is not None:
            raise LabError("emulator_refused", f"The network's emulator refuses: {reply.error}.")
        return reply

    async def statistics(self) -> WanStatistics:
        """What happened so far.

        Raises:
            LabError: ``emulator_failed``, it does not answer.
        """
        reply = await self.ask({"do": "stats"})
        assert reply.stats is not None  # the reply to this command has them
        return reply.stats

    async def _read_replies(self) -> None:
        assert self._process.stdout is not None  # asked for below
        async for line in _lines(self._process.stdout):
            reply = msgspec.json.decode(line, type=_Reply)
            waiting = self._waiting.get(reply.id or 0)
            if waiting is not None:
                waiting.send_nowait(reply)
        if not self._closing:
            with trio.move_on_after(EXIT_GRACE_S):
                await self._process.wait()
            raise LabError("emulator_failed", f"The network's emulator has ended{self._last_words()}")

    async def _read_errors(self) -> None:
        assert self._process.stderr is not None  # asked for below
        async for line in _lines(self._process.stderr):
            self._tail.append(line.decode("utf-8", "backslashreplace"))

    async def _end(self) -> None:
        self._closing = True
        assert self._process.stdin is not None  # asked for below
        await self._process.stdin.aclose()
        with trio.move_on_after(EXIT_GRACE_S):
            await self._process.wait()
        if self._process.returncode is None:
            self._process.kill()
            with trio.move_on_after(EXIT_GRACE_S):
                await self._process.wait()

    def _last_words(self) -> str:
        return f"; it said: {self._tail[-1]}" if self._tail else "."


@asynccontextmanager
async def open_emulator(devices: Sequence[int]) -> AsyncIterator[Emulator]:
    """Run the program for the length of the block; it inherits the descriptors of ``devices``, which stay open here.

    Raises:
        LabError: ``program_missing``; ``emulator_failed`` out of the block when it ends by itself.
    """
    program = find_program()
    try:
        process = await trio.lowlevel.open_process(
            [program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=tuple(devices),
            start_new_session=True,
        )
    except OSError as error:
        raise LabError("program_missing", f"{program} cannot be run: {error.strerror}.") from error
    assert process.stdout is not None and process.stderr is not None  # noqa: PT018 - asked for above
    emulator = Emulator(process)
    _hurry(process.pid)
    async with process.stdout, process.stderr, trio.open_nursery() as nursery:
        nursery.start_soon(emulator._read_replies)
        nursery.start_soon(emulator._read_errors)
        try:
            yield emulator
        finally:
            # Bounded by twice the grace, so the shield cannot hang a shutdown.
            with trio.CancelScope(shield=True):
                await emulator._end()
            nursery.cancel_scope.cancel()


def _hurry(pid: int) -> None:
    """Let the emulator go before everything else, so that a busy machine is no worse a network.

    It needs few microseconds a packet, so nobody starves; where the kernel does not allow it, it goes on without.
    """
    try:
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
    except OSError as error:
        _log.info("emulator_without_priority", reason=error.strerror)


async def _lines(stream: trio.abc.ReceiveStream) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in stream:
        *lines, rest = (rest + bytes(chunk)).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > MAX_REPLY_BYTES:
            raise LabError("emulator_failed", "The network's emulator says something without an end.")
