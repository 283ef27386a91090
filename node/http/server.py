"""Hypercorn under the guard: bind, serve, stop in time.

Binding is a step of its own, so that a taken port is an error of start-up with one clear sentence,
and so that port 0 is known before anything is announced.
"""

from __future__ import annotations

import errno
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
import trio
from hypercorn.config import Sockets
from hypercorn.logging import Logger
from hypercorn.trio import serve
from typing_extensions import override

from node.http.guard import Guard, GuardedConfig, GuardStatistics, install_guard
from node.http.strict import MAX_HEAD_BYTES
from node.http.tls import Tls, load_tls
from signalling.client.messages import MAX_CLIENT_MESSAGE_BYTES

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from hypercorn.typing import ASGIFramework

    from node.config import HttpConfig

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

BACKLOG: Final = 512
"""Connections that wait to be accepted: everybody of a lost node comes at once."""

KEEP_ALIVE_S: Final = 20.0
"""An idle connection and a request's head have this long; a page's burst of requests fits inside."""

GRACE_OVER_SEND_S: Final = 0.5
"""Connections get the send deadline and this much to end by themselves when the server stops."""


class PortTakenError(Exception):
    """The address cannot be listened on; ``message`` says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A bound TCP socket, not yet served.

    Attributes:
        sock: The socket; whoever serves it closes it.
        port: The port it got.
    """

    sock: socket.socket
    port: int


@dataclass(frozen=True, kw_only=True)
class HttpServer:
    """A server that runs.

    Attributes:
        port: Where it listens.
        guard: What holds its connections in bounds.
        tls: Its certificate, if it has one.
    """

    port: int
    guard: Guard
    tls: Tls | None

    def statistics(self) -> GuardStatistics:
        """Say what the guard saw."""
        return self.guard.statistics()


def bind(address: str, port: int) -> Listener:
    """Bind a TCP socket; port 0 takes any free one.

    Raises:
        PortTakenError: Somebody else has it, or the address is not ours.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        sock.bind((address, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise PortTakenError(_why_not(error, address, port)) from None
    return Listener(sock=sock, port=sock.getsockname()[1])


def _why_not(error: OSError, address: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} on {address} is taken: choose another http.port (--http-port), or stop who has it"
        case errno.EACCES:
            return f"port {port} is reserved for root: choose an http.port above 1023, or allow CAP_NET_BIND_SERVICE"
        case errno.EADDRNOTAVAIL:
            return f"{address} is no address of this machine: set http.address to one that is"
        case _:
            return f"cannot listen on {address} port {port}: {(error.strerror or 'unknown error').lower()}"


@asynccontextmanager
async def open_http_server(
    app: ASGIFramework, config: HttpConfig, listener: Listener, *, stopping: trio.Event
) -> AsyncIterator[HttpServer]:
    """Serve ``app`` until the block is left; connections then get a moment to end.

    Args:
        app: What answers.
        config: Bounds, deadlines, certificate.
        listener: Where; closed when the server ends.
        stopping: Set when the block is left, so that long-lived connections can say goodbye.

    Raises:
        CertificateError: ``tls_cert`` and ``tls_key`` cannot be used.
    """
    tls = load_tls(Path(config.tls_cert), Path(config.tls_key)) if config.tls_cert else None
    guard = Guard(
        max_connections=config.max_connections,
        send_deadline_s=config.send_deadline_s,
    )
    install_guard()
    async with trio.open_nursery() as nursery:
        await nursery.start(_serve, app, _hypercorn(config, guard, tls, listener), stopping)
        try:
            yield HttpServer(port=listener.port, guard=guard, tls=tls)
        finally:
            stopping.set()


async def _serve(
    app: ASGIFramework, config: GuardedConfig, stopping: trio.Event, task_status: trio.TaskStatus[list[str]]
) -> None:
    await serve(app, config, shutdown_trigger=stopping.wait, mode="asgi", task_status=task_status)


def _hypercorn(config: HttpConfig, guard: Guard, tls: Tls | None, listener: Listener) -> GuardedConfig:
    settings = _BoundConfig(listener.sock, tls.context if tls else None)
    settings.guard = guard
    settings.logger_class = _Quiet
    settings.accesslog = None
    settings.errorlog = None
    settings.include_server_header = False
    settings.h11_max_incomplete_size = MAX_HEAD_BYTES
    # The protocol machine refuses what is too long with a word and a code; this is the bound behind it.
    settings.websocket_max_message_size = 2 * MAX_CLIENT_MESSAGE_BYTES
    settings.keep_alive_timeout = KEEP_ALIVE_S
    settings.ssl_handshake_timeout = config.read_deadline_s
    settings.graceful_timeout = config.send_deadline_s + GRACE_OVER_SEND_S
    return settings


class _BoundConfig(GuardedConfig):
    """Serves the socket and the TLS context it is given instead of making its own."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        self._sock = sock
        self._context = context

    @property
    @override
    def ssl_enabled(self) -> bool:
        return self._context is not None

    @override
    def create_ssl_context(self) -> ssl.SSLContext | None:
        return self._context

    @override
    def create_sockets(self) -> Sockets:
        secure, insecure = ([self._sock], []) if self._context else ([], [self._sock])
        return Sockets(secure, insecure, [])


class _Quiet(Logger):
    """Hypercorn's log, less its access lines: they hold client addresses and query strings."""

    @override
    async def access(self, request: Any, response: Any, request_time: float) -> None:
        return

    @override
    async def info(self, message: str, *args: Any, **kwargs: Any) -> None:
        return

    @override
    async def warning(self, message: str, *args: Any, **kwargs: Any) -> None:
        log.warning("http_server_warning", detail=message)

    @override
    async def error(self, message: str, *args: Any, **kwargs: Any) -> None:
        log.error("http_server_error", detail=message)

    @override
    async def exception(self, message: str, *args: Any, **kwargs: Any) -> None:
        # Hypercorn calls this out of an exception handler.
        log.exception("http_server_error", detail=message)  # noqa: LOG004
