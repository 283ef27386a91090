"""A home router in a few lines: a host behind it reaches the world from a public address, and nobody reaches it first.

The kernel here translates no addresses, so this does: each port inside gets a socket outside, the same towards
everybody, and from outside only those are let in who were sent to from there (RFC 4787: endpoint-independent mapping,
address- and port-dependent filtering; what most homes have).
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

import trio

from lab import namespaces
from lab.topology import Host

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lab import Wan

MTU: Final = 1500
UDP: Final = 17

Address = tuple[str, int]


@dataclass
class Nat:
    """One router with one host behind it.

    Attributes:
        namespace: Of the host inside.
        mapped: The ports outside, by the ports inside.
        refused: Datagrams from strangers.
    """

    namespace: str
    mapped: dict[int, int] = field(default_factory=dict)
    refused: int = 0


@asynccontextmanager
async def open_nat(wan: Wan, router: str, inside: str) -> AsyncIterator[Nat]:
    """Put a host with the address `inside` behind a host of the network."""
    nat = Nat(wan.namespace(router) + "-home")
    host = Host(name="home", region=wan.topology.host(router).region, address=inside)
    device = namespaces.make(nat.namespace, host, mtu=MTU)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_translate, nat, wan, router, device, inside, nursery)
            yield nat
            nursery.cancel_scope.cancel()
    finally:
        os.close(device)
        namespaces.remove(nat.namespace)


async def _translate(nat: Nat, wan: Wan, router: str, device: int, inside: str, nursery: trio.Nursery) -> None:
    """Let out what comes from inside."""
    outside: dict[int, trio.socket.SocketType] = {}
    known: dict[int, set[Address]] = {}
    while True:
        await trio.lowlevel.wait_readable(device)
        packet = os.read(device, MTU + 100)
        header = 4 * (packet[0] & 0x0F)
        if packet[0] >> 4 != 4 or packet[9] != UDP or len(packet) < header + 8:
            continue
        source, destination = struct.unpack_from("!HH", packet, header)
        to = (str(IPv4Address(packet[16:20])), destination)
        if source not in outside:
            outside[source] = namespaces.enter(wan.namespace(router), _socket)
            await outside[source].bind((wan.address(router), 0))
            nat.mapped[source] = outside[source].getsockname()[1]
            known[source] = set()
            nursery.start_soon(_let_in, nat, outside[source], known[source], device, (inside, source))
        known[source].add(to)
        try:
            await outside[source].sendto(packet[header + 8 :], to)
        except OSError:
            # No way there, such as an address of somebody else's home.
            continue


async def _let_in(nat: Nat, outside: trio.socket.SocketType, known: set[Address], device: int, inside: Address) -> None:
    with outside:
        while True:
            payload, sender = await outside.recvfrom(MTU)
            if sender in known:
                os.write(device, _datagram(sender, inside, payload))
            else:
                nat.refused += 1


def _socket() -> trio.socket.SocketType:
    return trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _datagram(source: Address, destination: Address, payload: bytes) -> bytes:
    """An IPv4 packet with a UDP datagram without a checksum, which IPv4 allows."""
    length = 28 + len(payload)
    addresses = IPv4Address(source[0]).packed + IPv4Address(destination[0]).packed
    header = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0, 64, UDP, 0) + addresses
    total = sum(struct.unpack("!10H", header))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    header = header[:10] + struct.pack("!H", checksum) + header[12:]
    return header + struct.pack("!HHHH", source[1], destination[1], length - 20, 0) + payload
