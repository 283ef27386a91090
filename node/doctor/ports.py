"""Ports of this machine: free before a node starts, answering while one runs."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.doctor.findings import fail, ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.config import Config
    from node.doctor.findings import Check

KINDS: Final = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """One that a node binds: what for, the protocol, where, and the setting that says so."""

    purpose: str
    protocol: str
    address: str
    port: int
    setting: str


def ports_of(config: Config) -> Iterator[Port]:
    """What a node with these settings binds; a port of 0 is any free one."""
    http, media, mesh = config.http, config.media, config.mesh
    yield Port(purpose="http", protocol="tcp", address=http.address, port=http.port, setting="http.port")
    for protocol in ("udp", "tcp") if media.tcp else ("udp",):
        for worker in range(max(1, media.workers) if media.port else 1):
            port = media.port + worker if media.port else 0
            yield Port(purpose="media", protocol=protocol, address=media.address, port=port, setting="media.port")
    if mesh.is_on and not mesh.rpc:  # an external agent has them already
        for protocol in KINDS:
            yield Port(purpose="gossip", protocol=protocol, address=mesh.address, port=mesh.port, setting="mesh.port")


def check_free(config: Config) -> Iterator[Check]:
    """Whether a node that starts now gets its ports."""
    for port in ports_of(config):
        name = f"port.{port.purpose}.{port.protocol}"
        if port.port and port.purpose == "media":
            name = f"{name}:{port.port}"
        where = f"{port.address}:{port.port or 'any free one'}"
        problem = _bind(port)
        if problem is None:
            yield ok(name, f"{where} is free")
        elif problem == errno.EADDRINUSE:
            cure = f"ss -lpn 'sport = :{port.port}' says who has it; or set {port.setting}"
            yield fail(name, f"{where} is taken", cure)
        elif problem == errno.EADDRNOTAVAIL:
            address = f"{port.setting.partition('.')[0]}.address"
            yield fail(name, f"this machine has no address {port.address}", f"ip address lists them; set {address}")
        else:
            yield fail(name, f"{where} cannot be bound: {errno.errorcode.get(problem, problem)}", f"set {port.setting}")


def _bind(port: Port) -> int | None:
    family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
    try:
        with socket.socket(family, KINDS[port.protocol]) as sock:
            if port.protocol == "tcp":
                # As a server does: connections that just ended are no hindrance.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((port.address, port.port))
    except OSError as error:
        return error.errno or errno.EINVAL
    return None
