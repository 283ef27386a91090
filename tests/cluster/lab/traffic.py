"""UDP traffic through the network, stamped by the clock that all its hosts share."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab import Wan

PORT: Final = 5000

STAMP: Final = struct.Struct("!QQ")
"""Number of the packet, and when it was sent, in nanoseconds of the clock of all hosts."""

SO_TIMESTAMPNS: Final = 35
"""From `asm-generic/socket.h`: the kernel says when a packet came, however late it is read."""


@dataclass
class Arrivals:
    """What came, in the order it came: numbers, and one-way delays in milliseconds."""

    numbers: list[int] = field(default_factory=list)
    delays_ms: list[float] = field(default_factory=list)


def udp(wan: Wan, host: str, port: int = PORT) -> trio.socket.SocketType:
    """A socket on a host, bound to its address."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        made.bind((wan.address(host), port))
        made.setblocking(False)
        return made

    return trio.socket.from_stdlib_socket(wan.in_namespace(host, make))


async def send(
    wan: Wan, sender: trio.socket.SocketType, to: str, count: int, *, size: int = 200, pause_s: float = 0.002
) -> None:
    """Send packets at an even pace; one that is late is followed sooner."""
    start = trio.current_time()
    for number in range(count):
        await trio.sleep_until(start + number * pause_s)
        packet = STAMP.pack(number, time.time_ns()).ljust(size - 28, b"\0")
        await sender.sendto(packet, (wan.address(to), PORT))


async def collect(receiver: trio.socket.SocketType, into: Arrivals) -> None:
    """Receive until cancelled."""
    while True:
        data, ancillary, _flags, _address = await receiver.recvmsg(2048, 64)
        number, sent_ns = STAMP.unpack_from(data)
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
        into.numbers.append(number)
        into.delays_ms.append((seconds * 10**9 + nanoseconds - sent_ns) / 1e6)


async def exchange(
    wan: Wan, pairs: Sequence[tuple[str, str]], count: int, *, size: int = 200, pause_s: float = 0.002
) -> dict[tuple[str, str], Arrivals]:
    """Send from the first to the second host of each pair, all at once; every host is in one role once at most."""
    arrivals = {pair: Arrivals() for pair in pairs}
    sockets = {host: udp(wan, host) for host in {host for pair in pairs for host in pair}}
    try:
        async with trio.open_nursery() as receiving:
            for (_, receiver), into in arrivals.items():
                receiving.start_soon(collect, sockets[receiver], into)
            async with trio.open_nursery() as sending:
                for sender, receiver in pairs:
                    sending.start_soon(partial(send, size=size, pause_s=pause_s), wan, sockets[sender], receiver, count)
            # What is under way takes as long as the slowest path and its queue.
            await trio.sleep(0.7)
            receiving.cancel_scope.cancel()
    finally:
        for one in sockets.values():
            one.close()
    return arrivals


async def round_trips_ms(wan: Wan, a: str, b: str, count: int) -> list[float]:
    """Ask and answer, one after the other."""
    found = []
    with udp(wan, a) as asking, udp(wan, b) as answering:
        for _ in range(count):
            start = time.perf_counter()
            await asking.sendto(b"?", (wan.address(b), PORT))
            question, address = await answering.recvfrom(64)
            await answering.sendto(question, address)
            await asking.recv(64)
            found.append((time.perf_counter() - start) * 1e3)
    return found
