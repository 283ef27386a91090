"""One step of set-up: its line on the screen, its log, its commands and their deadlines."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from .errors import SetupError

# Lines of the log shown when a command fails: a screenful, and compilers say the cause last.
TAIL_LINES = 30
# Off a terminal a long step says that it lives this often, in seconds; build logs count silence as a hang.
HEARTBEAT_S = 30.0
# Seconds between looks at a command; the time on the screen moves as often.
LOOK_S = 1.0
# Of what a command says last, so much is shown beside the time: a crate's name and version fit.
NEWEST_CHARACTERS = 40
NEWEST_BYTES = 4_096


class Step:
    """A titled piece of work whose commands write to one log file; use it as a context manager."""

    def __init__(self, title: str, log: Path) -> None:
        """Name the step.

        Args:
            title: What a person reads, without a full stop.
            log: Where commands write; replaced, not appended to.
        """
        self._title = title
        self._log_path = log
        self._log: IO[bytes] | None = None
        self._started = 0.0
        self._live = sys.stdout.isatty()

    def __enter__(self) -> Self:
        """Open the log and show the step."""
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = self._log_path.open("wb")
        self._started = time.monotonic()
        print(f"setup  to follow: tail -f {self._log_path}", flush=True)
        self._show("...", end="" if self._live else "\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the log and show how it ended."""
        if self._log is not None:
            self._log.close()
        self._show("done" if kind is None else "FAILED", end="\n")
        if isinstance(error, SetupError):
            for line in self._tail():
                print(f"    {line}", flush=True)
            print(f"  whole log: {self._log_path}", flush=True)

    def run(self, command: Sequence[str | Path], *, deadline_s: float, env: Mapping[str, str] | None = None) -> None:
        """Run one command to its end, without stdin, its output in the log.

        Args:
            command: Program and arguments.
            deadline_s: Seconds after which it is killed with all it started.
            env: Variables set beside the present ones.

        Raises:
            SetupError: It could not start, failed, or missed the deadline.
        """
        words = [str(word) for word in command]
        if self._log is None:
            raise RuntimeError("a step runs commands only inside its `with` block")
        self._log.write(f"$ {' '.join(words)}\n".encode())
        self._log.flush()
        try:
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        except OSError as error:
            raise SetupError(f"{words[0]} cannot be started: {error.strerror}.") from error
        try:
            code = self._wait(child, deadline_s)
        finally:
            _end(child)
        if code is None:
            raise SetupError(f"{words[0]} did not end within {deadline_s:.0f} s.")
        if code != 0:
            raise SetupError(f"{words[0]} ended with code {code}.")

    def _wait(self, child: subprocess.Popen[bytes], deadline_s: float) -> int | None:
        """Return the exit code, or None at the deadline; show time passing meanwhile."""
        ends = time.monotonic() + deadline_s
        beat = time.monotonic() + HEARTBEAT_S
        while time.monotonic() < ends:
            try:
                return child.wait(timeout=LOOK_S)
            except subprocess.TimeoutExpired:
                if self._live:
                    self._show(f"... {self._newest()}", end="")
                elif time.monotonic() >= beat:
                    beat += HEARTBEAT_S
                    self._show(f"... {self._newest()}", end="\n")
        return None

    def _show(self, state: str, *, end: str) -> None:
        start = "\r\x1b[2K" if self._live else ""
        elapsed = f"{time.monotonic() - self._started:6.1f} s" if self._started else ""
        print(f"{start}setup  {elapsed}  {self._title} {state}", end=end, flush=True)

    def _newest(self) -> str:
        """The end of the log's last line, short enough that the line on the screen is not broken."""
        with self._log_path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - NEWEST_BYTES))
            lines = log.read().decode(errors="replace").split("\n")
        said = next((" ".join(line.split()) for line in reversed(lines) if line.strip()), "")
        return "".join(filter(str.isprintable, said))[:NEWEST_CHARACTERS]

    def _tail(self) -> list[str]:
        text = self._log_path.read_text(encoding="utf-8", errors="replace")
        return text.splitlines()[-TAIL_LINES:]


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill a command that still runs, with its whole process group."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
