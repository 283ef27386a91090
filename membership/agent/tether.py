"""Run a command that must not outlive this program's parent.

Started by path with a bare interpreter (`python -I -S tether.py ...`), so it uses the standard library alone:

    tether.py --fd N [--grace S] [--workdir DIR] -- command argument...

Why a process between parent and child: a killed parent runs no clean-up, `PR_SET_PDEATHSIG` set by a parent
that starts processes from a worker thread fires when that *thread* ends, and foreign programs (serf, redis)
do not watch a pipe.  This program is single-threaded, so both means work here.  Who dies, and what follows:

- parent, in any way: the pipe behind descriptor N ends; the child gets SIGTERM, `--grace` seconds, SIGKILL.
- this program, by SIGKILL: the kernel kills the child (`PR_SET_PDEATHSIG`); the parent sees this program end.
- child: this program ends with the child's exit code, 128 + n after signal n.
- parent and this program at once, both by SIGKILL: the child dies too; only DIR stays behind.

SIGTERM, SIGINT and SIGHUP are passed on to the child.  After the child is gone DIR is removed, if it is there.
"""

import argparse
import ctypes
import os
import pathlib
import select
import shutil
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
"""From `linux/prctl.h`."""

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

KILL_WAIT_S = 2.0
"""A process that SIGKILL does not end in this time hangs in the kernel; waiting longer would not help."""

REMOVE_WAIT_S = 2.0
"""How long to try again while somebody still writes into the folder."""

CANNOT_RUN = 127
"""Exit code of a shell for a command that cannot be started."""


class Child:
    """The command: started on construction, reaped exactly once."""

    def __init__(self, command: list[str]) -> None:
        """Start it; it dies with this process, whatever ends this process."""
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        tether_pid = os.getpid()
        self.exit_code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
                if os.getppid() != tether_pid:  # it was gone before the call above
                    os._exit(CANNOT_RUN)
                # The interpreter ignores these two, and exec would hand that on.
                signal.signal(signal.SIGPIPE, signal.SIG_DFL)
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
                os.execvp(command[0], command)
            except OSError as error:
                os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode())
            finally:
                os._exit(CANNOT_RUN)

    def reap(self) -> bool:
        """Whether it has ended; then `exit_code` is set."""
        if self.exit_code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self.exit_code = code if code >= 0 else 128 - code
        return self.exit_code is not None

    def send(self, signal_number: int) -> None:
        """Signal it; does nothing once it is reaped."""
        if self.exit_code is None:
            os.kill(self.pid, signal_number)


def watch_signals() -> int:
    """Turn signals into bytes on a descriptor, their numbers as values."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, *PASSED_ON):
        signal.signal(number, lambda _number, _frame: None)
    return reader


def wait_until_over(child: Child, lifeline: int, signals: int) -> bool:
    """Serve until the child has ended (True) or the parent is gone (False)."""
    poll = select.poll()
    poll.register(lifeline, select.POLLIN | select.POLLHUP)
    poll.register(signals, select.POLLIN)
    while not child.reap():
        for descriptor, _event in poll.poll():
            if descriptor == signals:
                forward(child, signals)
            elif not os.read(lifeline, 1024):
                return False
    return True


def forward(child: Child, signals: int) -> None:
    """Pass on what has arrived on the signal descriptor."""
    for number in os.read(signals, 1024):
        if number in PASSED_ON and not child.reap():
            child.send(number)


def end(child: Child, signals: int, grace_s: float) -> None:
    """SIGTERM, a grace, SIGKILL."""
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, KILL_WAIT_S)):
        deadline = time.monotonic() + wait_s
        if child.reap():
            return
        child.send(number)
        while not child.reap() and (left_s := deadline - time.monotonic()) > 0:
            if select.select([signals], [], [], left_s)[0]:
                os.read(signals, 1024)


def remove_folder(path: pathlib.Path) -> None:
    """Remove a folder with all in it."""
    deadline = time.monotonic() + REMOVE_WAIT_S
    while path.exists() and time.monotonic() < deadline:
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():  # children of the child, ending at this moment, may still write there
            time.sleep(0.05)


def main(arguments: list[str]) -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tether.py", description="run a command that dies with its parent")
    parser.add_argument("--fd", type=int, required=True, help="read end of the pipe whose end means the parent's")
    parser.add_argument("--grace", type=float, default=0.5, help="seconds between SIGTERM and SIGKILL")
    parser.add_argument("--workdir", type=pathlib.Path, help="folder to remove after the child")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    os.set_inheritable(options.fd, False)
    signals = watch_signals()
    child = Child(options.command)
    if not wait_until_over(child, options.fd, signals):
        end(child, signals, options.grace)
    if options.workdir is not None:
        remove_folder(options.workdir)
    return CANNOT_RUN if child.exit_code is None else child.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
