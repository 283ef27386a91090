"""What passes between two hosts of an emulated network, packet by packet, with the kernel's own times.

A link is one flow of UDP with everything on it (RFC 7983): the first bytes tell STUN, DTLS and media apart, so that how
far a link has come is seen from outside, and the first relayed packet too.
"""

from __future__ import annotations

import enum
import socket
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from node.lab.nodes import GOSSIP_PORT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from lab import Wan

__all__ = ["Kind", "Seen", "Wire", "kind_of", "open_wire"]

EVERYTHING: Final = 0x0003
"""`ETH_P_ALL` (packet(7)): what leaves is shown to nobody who asks for less."""

STAMPED: Final = 35
"""`SO_TIMESTAMPNS` (socket(7)), which Python does not name."""

SIGNALS: Final = 106
"""The payload type of what two engines tell each other (`sfu/engine/src/engine/links/link_streams.rs`)."""

UDP: Final = 17
UDP_HEADER_BYTES: Final = 8
MAX_PACKET_BYTES: Final = 2048

LOOK_S: Final = 0.005


class Kind(enum.Enum):
    """What a datagram of a link is."""

    STUN = enum.auto()
    HANDSHAKE = enum.auto()
    """Of DTLS."""
    CHANNEL = enum.auto()
    """Application data of DTLS: control."""
    SIGNAL = enum.auto()
    """Keepalives and what else two engines tell each other."""
    MEDIA = enum.auto()
    REPORT = enum.auto()
    """RTCP."""
    OTHER = enum.auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One datagram: when, in seconds since 1970, from whose address, and what."""

    at_s: float
    sender: str
    kind: Kind


def kind_of(datagram: bytes) -> Kind:
    """Tell what a datagram is (RFC 7983, section 7; RFC 5761, section 4)."""
    if len(datagram) < 2:
        return Kind.OTHER
    first, second = datagram[0], datagram[1]
    if first <= 3:
        return Kind.STUN
    if 20 <= first <= 63:
        return Kind.CHANNEL if first == 23 else Kind.HANDSHAKE
    if 128 <= first <= 191:
        if second == SIGNALS:
            return Kind.SIGNAL
        return Kind.REPORT if 192 <= second <= 223 else Kind.MEDIA
    return Kind.OTHER


def udp_of(packet: bytes) -> tuple[str, str, bytes] | None:
    """Addresses and datagram of an IPv4 packet; None for one that is no UDP, or is gossip."""
    if len(packet) < 20 or packet[0] >> 4 != 4 or packet[9] != UDP:
        return None
    udp = packet[(packet[0] & 0x0F) * 4 :]
    if len(udp) < UDP_HEADER_BYTES or GOSSIP_PORT in struct.unpack_from("!HH", udp):
        return None
    return socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20]), udp[UDP_HEADER_BYTES:]


class Wire:
    """What was seen on a host of its traffic with another one; made by :func:`open_wire`."""

    def __init__(self, near: str, far: str) -> None:
        self._ends = {near, far}
        self.near = near
        self.far = far
        self.seen: list[Seen] = []

    def take(self, at_s: float, packet: bytes) -> None:
        """Note a packet, if it is between the two."""
        found = udp_of(packet)
        if found is not None and {found[0], found[1]} == self._ends:
            self.seen.append(Seen(at_s=at_s, sender=found[0], kind=kind_of(found[2])))

    def first(self, kind: Kind, *, sender: str | None = None, after_s: float = 0.0) -> float | None:
        """When the first datagram of a kind was seen; None if there was none."""
        for one in self.seen:
            if one.kind is kind and one.at_s >= after_s and sender in (None, one.sender):
                return one.at_s
        return None

    async def wait_first(self, kind: Kind, *, sender: str, after_s: float, deadline_s: float) -> float:
        """Wait for the first one; returns when it was.

        Raises:
            trio.TooSlowError: It did not come in time.
        """
        with trio.fail_after(deadline_s):
            while (at_s := self.first(kind, sender=sender, after_s=after_s)) is None:
                await trio.sleep(LOOK_S)
            return at_s

    async def wait_quiet(self, now_s: Callable[[], float], *, sender: str, quiet_s: float, deadline_s: float) -> None:
        """Wait until somebody has sent no media for so long, and forget what was seen.

        Raises:
            trio.TooSlowError: It goes on.
        """
        begun_s = now_s()
        with trio.fail_after(deadline_s):
            while True:
                last_s = max(
                    (one.at_s for one in self.seen if one.kind is Kind.MEDIA and one.sender == sender), default=begun_s
                )
                if now_s() - max(last_s, begun_s) >= quiet_s:
                    break
                await trio.sleep(LOOK_S)
        self.seen.clear()


@asynccontextmanager
async def open_wire(wan: Wan, near: str, far: str) -> AsyncIterator[Wire]:
    """See what passes between two hosts, on the first of them, for the length of the block.

    Raises:
        LabError: There is no such host.
        PermissionError: This process may not see packets.
    """

    def listen() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(EVERYTHING))
        made.setsockopt(socket.SOL_SOCKET, STAMPED, 1)
        made.setblocking(False)
        return made

    wire = Wire(wan.address(near), wan.address(far))
    with trio.socket.from_stdlib_socket(wan.in_namespace(near, listen)) as packets:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_read, packets, wire)
            yield wire
            nursery.cancel_scope.cancel()


async def _read(packets: trio.socket.SocketType, wire: Wire) -> None:
    while True:
        packet, ancillary, _flags, _sender = await packets.recvmsg(MAX_PACKET_BYTES, socket.CMSG_SPACE(16))
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, STAMPED):
                seconds, nanoseconds = struct.unpack("qq", data)
                wire.take(seconds + nanoseconds / 1e9, packet)
