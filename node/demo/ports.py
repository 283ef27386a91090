"""Free ports of loopback."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Final

LOOPBACK: Final = "127.0.0.1"


def find_free_ports(count: int) -> list[int]:
    """Find ports that are free for TCP and for UDP; all are held until the last is found.

    Another process may take one before its owner binds it; nobody else on a loopback looks for
    ports that fast, and the node then says which port is taken.
    """
    with ExitStack() as held:
        return [_hold_port(held) for _ in range(count)]


def _hold_port(held: ExitStack) -> int:
    while True:
        tcp = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        tcp.bind((LOOPBACK, 0))
        port: int = tcp.getsockname()[1]
        udp = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        try:
            udp.bind((LOOPBACK, port))
        except OSError:
            continue
        return port
