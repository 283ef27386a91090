"""What stands between Hypercorn and the world, so that one bad client harms itself alone.

Hypercorn 0.18 on Trio keeps all connections in one nursery: an exception out of one ends the
process. It sends under a shield without a deadline: one reader that is stuck keeps the process from
stopping. :class:`GuardedServer` is its connection class with both put right, and with a bound on
connections. :func:`install_guard` puts it in place.

Found by feeding hostile input to it, which ``tests/unit/node/http/test_guard.py`` repeats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import hypercorn.protocol
import hypercorn.protocol.h11
import hypercorn.trio.run
import structlog
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, RawData
from hypercorn.trio.tcp_server import TCPServer
from typing_extensions import override

from node.http.strict import StrictH11Protocol, WordyWSStream

if TYPE_CHECKING:
    from hypercorn.events import Event

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

HYPERCORN_SERIES: Final = "0.18."
"""The series whose internals are overridden here."""

SEND_SLICE_BYTES: Final = 16 * 1024
"""Sent under one deadline: a peer is stuck when it does not take this much in time, so that a slow
one (65 kbit/s at the default of 2 s) still gets a large page."""


@dataclass(frozen=True, kw_only=True)
class GuardStatistics:
    """What the guard has seen since it was made.

    Attributes:
        open: Connections now.
        accepted: Connections that were let in, ever.
        refused: Connections closed at once because there were too many, ever.
        crashed: Connections that ended in an exception, ever.
        stuck: Connections closed because the peer took nothing in time, ever.
    """

    open: int
    accepted: int
    refused: int
    crashed: int
    stuck: int


@dataclass(kw_only=True)
class GuardCounters:
    """The numbers while they grow; see :class:`GuardStatistics`."""

    open: int = 0
    accepted: int = 0
    refused: int = 0
    crashed: int = 0
    stuck: int = 0


@dataclass(kw_only=True)
class Guard:
    """The bounds of one server, shared by its connections.

    Attributes:
        max_connections: One more is closed at once.
        send_deadline_s: For a peer to take :data:`SEND_SLICE_BYTES`.
    """

    max_connections: int
    send_deadline_s: float
    counters: GuardCounters = field(default_factory=GuardCounters)

    def statistics(self) -> GuardStatistics:
        """Say what was seen so far."""
        return GuardStatistics(**vars(self.counters))


class GuardedConfig(Config):
    """Hypercorn's settings plus the guard that its connections share."""

    guard: Guard


class GuardedServer(TCPServer):
    """One connection. Nothing that happens on it reaches another."""

    config: GuardedConfig

    @override
    async def run(self) -> None:
        """Serve the connection until it ends, one way or another."""
        counters = self.config.guard.counters
        if counters.open >= self.config.guard.max_connections:
            counters.refused += 1
            await trio.aclose_forcefully(self.stream)
            return
        counters.accepted += 1
        counters.open += 1
        try:
            await super().run()
        except* Exception as group:  # noqa: BLE001 - whatever it was, it ends this connection alone
            counters.crashed += 1
            log.info("connection_crashed", error=_kinds(group))
        finally:
            counters.open -= 1
            await trio.aclose_forcefully(self.stream)

    @override
    async def protocol_send(self, event: Event) -> None:
        """Send bytes under a deadline that holds inside Hypercorn's shields; pass on everything else."""
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        async with self.send_lock:
            is_sent = await self._send_slices(event.data)
        if not is_sent:
            await self.protocol.handle(Closed())

    async def _send_slices(self, data: bytes) -> bool:
        for start in range(0, len(data), SEND_SLICE_BYTES):
            # Once cancelled, at most the slice under way is waited for.
            if start and trio.current_effective_deadline() == -math.inf:
                await trio.aclose_forcefully(self.stream)
                return False
            try:
                with trio.fail_after(self.config.guard.send_deadline_s, shield=True):
                    await self.stream.send_all(data[start : start + SEND_SLICE_BYTES])
            except trio.TooSlowError:
                self.config.guard.counters.stuck += 1
                await trio.aclose_forcefully(self.stream)
                return False
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return False
        return True

    @override
    async def _close(self) -> None:
        # Over TLS, closing says goodbye first, which a stuck peer never takes.
        with trio.move_on_after(self.config.guard.send_deadline_s, shield=True):
            await super()._close()


def install_guard() -> None:
    """Make Hypercorn serve every connection of this process through the guard.

    Raises:
        RuntimeError: Hypercorn is of another series than the one the guard was written against.
    """
    found = version("hypercorn")
    if not found.startswith(HYPERCORN_SERIES):
        raise RuntimeError(f"the guard is written for hypercorn {HYPERCORN_SERIES}x and found {found}")
    hypercorn.trio.run.TCPServer = GuardedServer  # type: ignore[attr-defined]
    hypercorn.protocol.H11Protocol = StrictH11Protocol  # type: ignore[attr-defined]
    hypercorn.protocol.h11.WSStream = WordyWSStream  # type: ignore[attr-defined]


def _kinds(group: BaseExceptionGroup[BaseException]) -> str:
    """Name the kinds of the exceptions inside: their texts may hold what the client sent."""
    kinds: set[str] = set()
    for error in group.exceptions:
        kinds.add(_kinds(error) if isinstance(error, BaseExceptionGroup) else type(error).__name__)
    return ", ".join(sorted(kinds))
