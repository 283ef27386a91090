"""A narrow network between clients and a node, on loopback and without root.

The node binds its media port on one loopback address and advertises another one, where a shaper
listens on the same port. Clients know no other way in, and the engine, being ICE-lite, never looks
for one, so every datagram of theirs passes here, both ways. Each client address is a flow with a
bottleneck of its own for each direction; what limits them can change while packets flow.
"""

from __future__ import annotations

import math
import socket
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from tests.network.pipe import Limits, Pipe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Address = tuple[str, int]

MAX_FLOWS: Final = 64
"""Clients of one test, many times over; more is a test gone wild, and is ignored."""

MAX_DATAGRAM_BYTES: Final = 65_535
READS_AT_ONCE: Final = 64
"""Datagrams read from one socket before the others have their turn."""

SOCKET_BUFFER_BYTES: Final = 1 << 20
"""What the kernel holds while this process waits for a core: a second of 8 Mbit/s."""

OPEN: Final = Limits()


@dataclass(kw_only=True, eq=False)
class Flow:
    """One client's datagrams: ``up`` to the node, ``down`` from it."""

    client: Address
    socket: socket.socket
    up: Pipe
    down: Pipe


class Shaper:
    """The narrow network; made by :func:`open_shaper`."""

    def __init__(self, front: socket.socket, node: Address, nursery: trio.Nursery) -> None:
        self._front = front
        self._node = node
        self._nursery = nursery
        self._flows: dict[Address, Flow] = {}
        self._up = self._down = OPEN
        self._changed = trio.Event()

    def limit(self, *, up: Limits = OPEN, down: Limits = OPEN) -> None:
        """Limit every flow, those to come too: ``up`` is towards the node, ``down`` towards the clients."""
        self._up, self._down = up, down
        now = trio.current_time()
        for flow in self._flows.values():
            flow.up.limit(up, now)
            flow.down.limit(down, now)
        self._changed.set()

    @property
    def dropped(self) -> int:
        """Packets lost so far, of all flows."""
        return sum(flow.up.dropped + flow.down.dropped for flow in self._flows.values())

    async def run(self) -> None:
        """Carry datagrams until cancelled."""
        self._nursery.start_soon(self._read, self._front, self._from_client)
        while True:
            self._changed = trio.Event()
            deadline = self._carry(trio.current_time())
            with trio.move_on_at(deadline):
                await self._changed.wait()

    def close(self) -> None:
        """Close the sockets of the flows."""
        for flow in self._flows.values():
            flow.socket.close()

    def _carry(self, now: float) -> float:
        """Hand on what is due, and say when the next is."""
        deadline = math.inf
        for flow in self._flows.values():
            for packet in flow.up.pull(now):
                _send(flow.socket, packet, self._node)
            for packet in flow.down.pull(now):
                _send(self._front, packet, flow.client)
            deadline = min(deadline, flow.up.next_deadline(), flow.down.next_deadline())
        return deadline

    async def _read(self, source: socket.socket, take: Callable[[bytes, Address, float], None]) -> None:
        while True:
            await trio.lowlevel.wait_readable(source)
            now = trio.current_time()
            for _ in range(READS_AT_ONCE):
                try:
                    packet, sender = source.recvfrom(MAX_DATAGRAM_BYTES)
                except (BlockingIOError, ConnectionRefusedError):
                    break  # nothing more; or word of an earlier datagram that found nobody
                take(packet, sender, now)
            self._changed.set()

    def _from_client(self, packet: bytes, client: Address, now: float) -> None:
        flow = self._flows.get(client)
        if flow is None:
            if len(self._flows) >= MAX_FLOWS:
                return
            flow = self._open_flow(client)
        flow.up.push(packet, now)

    def _open_flow(self, client: Address) -> Flow:
        upstream = _bind((self._node[0], 0))
        flow = Flow(client=client, socket=upstream, up=Pipe(self._up), down=Pipe(self._down))
        self._flows[client] = flow

        def from_node(packet: bytes, _sender: Address, now: float) -> None:
            flow.down.push(packet, now)

        self._nursery.start_soon(self._read, upstream, from_node)
        return flow


@asynccontextmanager
async def open_shaper(*, listen: Address, node: Address) -> AsyncIterator[Shaper]:
    """Run a shaper for the length of the block; limits nothing yet.

    Args:
        listen: Where clients send to: what the node advertises.
        node: Where the node's media port really is.

    Raises:
        OSError: The address is taken.
    """
    front = _bind(listen)
    try:
        async with trio.open_nursery() as nursery:
            shaper = Shaper(front, node, nursery)
            nursery.start_soon(shaper.run)
            try:
                yield shaper
            finally:
                nursery.cancel_scope.cancel()
                shaper.close()
    finally:
        front.close()


def _bind(address: Address) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        bound.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    try:
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _send(source: socket.socket, packet: bytes, to: Address) -> None:
    # What cannot be sent is lost, as on any network.
    with suppress(BlockingIOError, ConnectionRefusedError):
        source.sendto(packet, to)
