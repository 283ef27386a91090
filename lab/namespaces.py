"""Network namespaces with one TUN device each, named after the process that made them.

A name is ``starling-<pid>-<start>-<number>-<host>``: process id and start time of the maker, in clock ticks since
boot, say without doubt whether it still lives. What one that was killed has left behind is removed by the next.
Everything here is quick and blocks; `ip` does the work that needs more than one call of the kernel.
"""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import re
import shutil
import struct
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lab.topology import Host

__all__ = [
    "DEVICE",
    "check_permission",
    "enter",
    "make",
    "name_of",
    "new_prefix",
    "open_tun",
    "remove",
    "remove_stale",
    "start_ticks",
]

T = TypeVar("T")

NAMESPACES: Final = Path("/run/netns")
"""Where `ip netns` keeps them."""

TUN: Final = Path("/dev/net/tun")

DEVICE: Final = "wan0"

QUEUE_PACKETS: Final = 5000
"""Of the device, before the emulator reads: 0.1 s of the most that a bench here sends."""

COMMAND_DEADLINE_S: Final = 10.0
"""For one call of `ip`, which takes 2-20 ms; longer means that the kernel's lock of networks hangs."""

CLONE_NEWNET: Final = 0x40000000
"""From `linux/sched.h`."""

TUNSETIFF: Final = 0x400454CA
"""From `linux/if_tun.h`, as are the next two."""

IFF_TUN: Final = 0x0001
IFF_NO_PI: Final = 0x1000

_NAME: Final = re.compile(r"starling-(\d+)-(\d+)-\d+-[a-z0-9-]+")

_numbers: Final = itertools.count(1)


def check_permission() -> None:
    """Say in one sentence why namespaces cannot be made here.

    Raises:
        LabError: ``not_permitted`` or ``program_missing``.
    """
    if os.geteuid() != 0:
        raise LabError("not_permitted", "A network of namespaces can only be made by root: run it with sudo.")
    if not TUN.exists():
        message = f"There is no {TUN}: load it with `modprobe tun`, or give the container `--device {TUN}`."
        raise LabError("not_permitted", message)
    for program, package in (("ip", "iproute2"), ("nsenter", "util-linux")):
        if shutil.which(program) is None:
            raise LabError("program_missing", f"There is no program {program}: `make setup` installs {package}.")


def new_prefix() -> str:
    """What the names of one network of this process begin with."""
    pid = os.getpid()
    return f"starling-{pid}-{start_ticks(pid)}-{next(_numbers)}-"


def name_of(prefix: str, host: str) -> str:
    """Name of a host's namespace."""
    return prefix + host


def make(namespace: str, host: Host, *, mtu: int) -> int:
    """Make a namespace whose only way out is a TUN device, which holds the address and the default route.

    Returns:
        The descriptor of the device, non-blocking; whoever closes it takes the device away.

    Raises:
        LabError: ``namespace_failed`` or ``not_permitted``.
    """
    _ip("netns", "add", namespace)
    device = enter(namespace, open_tun)
    try:
        settings = (
            "link set lo up",
            # Routers do not answer here, and a host that speaks of its own accord would show in the counters.
            f"link set {DEVICE} addrgenmode none",
            f"addr add {host.address}/32 dev {DEVICE}",
            f"link set {DEVICE} mtu {mtu} txqueuelen {QUEUE_PACKETS} up",
            f"route add default dev {DEVICE} src {host.address}",
        )
        _ip("-n", namespace, "-batch", "-", said="\n".join(settings))
    except BaseException:
        os.close(device)
        raise
    return device


def remove(namespace: str) -> None:
    """Remove a namespace; one that is gone is well. Processes in it keep a network without a name.

    Raises:
        LabError: ``namespace_failed``.
    """
    if (NAMESPACES / namespace).exists():
        _ip("netns", "del", namespace)


def remove_stale() -> tuple[str, ...]:
    """Remove the namespaces whose maker is gone; returns their names.

    Raises:
        LabError: ``namespace_failed``.
    """
    stale = []
    for path in sorted(NAMESPACES.glob("starling-*")):
        found = _NAME.fullmatch(path.name)
        if found is not None and start_ticks(int(found[1])) != int(found[2]):
            remove(path.name)
            stale.append(path.name)
    return tuple(stale)


def enter(namespace: str, work: Callable[[], T]) -> T:
    """Do something quick with this thread inside a namespace; sockets that it opens stay in there.

    Raises:
        LabError: ``not_permitted`` or ``namespace_failed``.
    """
    with _inside(namespace):
        return work()


def open_tun() -> int:
    """Open a new TUN device in the namespace of this thread; returns its descriptor, non-blocking.

    Raises:
        LabError: ``not_permitted``, the kernel or the container forbids it.
    """
    device = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI))
    except OSError as error:
        os.close(device)
        message = f"The kernel makes no TUN device ({error.strerror}): a container needs the capability NET_ADMIN."
        raise LabError("not_permitted", message) from error
    return device


@contextmanager
def _inside(namespace: str) -> Iterator[None]:
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _go_into(namespace)
        try:
            yield
        finally:
            _set_namespace(home)
    finally:
        os.close(home)


def _go_into(namespace: str) -> None:
    try:
        there = os.open(NAMESPACES / namespace, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise LabError("namespace_failed", f"There is no namespace {namespace}: {error.strerror}.") from error
    try:
        _set_namespace(there)
    finally:
        os.close(there)


def _set_namespace(descriptor: int) -> None:
    # `os.setns` is there from Python 3.12 on.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise LabError("not_permitted", f"The kernel lets nobody into the namespace ({reason}): SYS_ADMIN is needed.")


def start_ticks(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None when there is none (proc(5), stat, field 22)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The program's name stands in parentheses and may hold anything; field 3 comes after it.
    return int(stat.rpartition(")")[2].split()[19])


def _ip(*arguments: str, said: str = "") -> None:
    command: Sequence[str] = ("ip", *arguments)
    try:
        done = subprocess.run(
            command, input=said, capture_output=True, text=True, timeout=COMMAND_DEADLINE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError("namespace_failed", f"`{' '.join(command)}` does not answer: {error}") from error
    if done.returncode != 0:
        raise LabError(
            "namespace_failed", f"`{' '.join(command)}` failed: {done.stderr.strip() or done.stdout.strip()}"
        )
