"""Start a program that cannot outlive this process, and end it in time.

The program runs behind a tether (tether.py) in a session of its own: a Ctrl-C or a service stop reaches this
process alone, and when this process dies, however, the tether sees its pipe end and ends the program.  What the
program prints is kept as a bounded tail for error messages, and handed on line by line.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

__all__ = ["TetheredChild", "open_tethered"]

TETHER = Path(__file__).with_name("tether.py")

TAIL_BYTES = 8192
"""Enough for the last stack trace or the reason of a refused start; older output is for the log."""

MAX_LINE_BYTES = 4096
"""A longer line is handed on in pieces, so that a program without line ends costs no memory."""

KILL_WAIT_S = 2.0
"""How long a killed process group may take to be reaped before we stop waiting for it."""

OUTPUT_WAIT_S = 0.5
"""Output that is still in the pipe at the end is there at once; a grandchild may hold the pipe for ever."""

ORPHAN_GRACE_S = 0.5
"""Between SIGTERM and SIGKILL once the parent is gone: all must be over within a second."""


class TetheredChild:
    """A running program behind its tether; made by `open_tethered`."""

    def __init__(self, process: trio.Process, name: str) -> None:
        self._process = process
        self._tail = bytearray()
        self._output_ended = trio.Event()
        self.name = name

    @property
    def pid(self) -> int:
        """Process id of the tether, which is also its process group and session."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code of the program (128 + n after signal n), None while it runs; negative if the tether was killed."""
        return self._process.returncode

    def output_tail(self) -> str:
        """The end of what the program has printed, at most `TAIL_BYTES`."""
        return self._tail.decode("utf-8", "backslashreplace")

    async def wait(self) -> int:
        """Wait for the end of the program and of its output; cancelling leaves it running."""
        code = await self._process.wait()
        with trio.move_on_after(OUTPUT_WAIT_S):
            await self._output_ended.wait()
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send SIGTERM, SIGINT or SIGHUP to the program; does nothing once it has ended."""
        self._process.send_signal(number)

    async def terminate(self, grace_s: float) -> int | None:
        """End the program: SIGTERM, at most `grace_s` seconds, then SIGKILL to it and its process group.

        Safe to call again.  When cancelled, the rest is left to the closing of `open_tethered`.

        Returns:
            The exit code, or None in the rare case that even SIGKILL did not end it in time.
        """
        if self._process.returncode is None:
            self._process.terminate()
            with trio.move_on_after(grace_s):
                await self._process.wait()
        return await self.kill()

    async def kill(self) -> int | None:
        """SIGKILL the program and everything in its process group; returns like `terminate`."""
        if self._process.returncode is None:  # once reaped, the number may belong to somebody else
            os.killpg(self._process.pid, signal.SIGKILL)
        with trio.move_on_after(KILL_WAIT_S):
            await self._process.wait()
        return self._process.returncode

    async def _read_output(self, stream: trio.abc.ReceiveStream, on_line: Callable[[str], None] | None) -> None:
        rest = b""
        async for chunk in stream:
            self._tail += chunk
            del self._tail[:-TAIL_BYTES]
            if on_line is None:
                continue
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) >= MAX_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                on_line(line.decode("utf-8", "backslashreplace"))
        self._output_ended.set()


@contextlib.asynccontextmanager
async def open_tethered(
    command: Sequence[str],
    *,
    name: str,
    close_grace_s: float = 2.0,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    workdir: Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> AsyncIterator[TetheredChild]:
    """Run a program for the length of the block; it ends with the block, and with this process.

    Standard input is empty; output and errors are merged.

    Args:
        command: program (a path, or a name looked up in PATH) and arguments.
        name: what to call it in errors.
        close_grace_s: seconds between SIGTERM and SIGKILL when the block ends and the program still runs.
        env: its environment; None means this process' own.
        cwd: its working directory.
        workdir: a folder that is removed after the program has ended, also when this process is dead by then.
            It need not be there yet: made after the tether, it is removed whatever happens in between.
        on_line: called with each line of output, without its end.

    Raises:
        FileNotFoundError: there is no such program.
        OSError: the program cannot be started.
    """
    lifeline, held_end = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            program = shutil.which(command[0])
            if program is None:
                raise FileNotFoundError(f"{name}: no program {command[0]!r}")
            arguments = [sys.executable, "-I", "-S", str(TETHER), "--fd", str(lifeline), "--grace", str(ORPHAN_GRACE_S)]
            if workdir is not None:
                arguments += ["--workdir", str(workdir)]
            process = await trio.lowlevel.open_process(
                [*arguments, "--", program, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                pass_fds=(lifeline,),
                start_new_session=True,
            )
        finally:
            os.close(lifeline)
        child = TetheredChild(process, name)
        output = process.stdout
        assert output is not None  # asked for above
        async with output, trio.open_nursery() as nursery:
            nursery.start_soon(partial(child._read_output, output, on_line))
            try:
                yield child
            finally:
                # Bounded by close_grace_s + KILL_WAIT_S, so the shield cannot hang a shutdown.
                with trio.CancelScope(shield=True):
                    await child.terminate(close_grace_s)
                nursery.cancel_scope.cancel()
    finally:
        os.close(held_end)
        if workdir is not None:  # the tether has done it, unless it was never started or killed
            shutil.rmtree(workdir, ignore_errors=True)
