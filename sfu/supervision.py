"""Keep one engine running: greet it, notice that it died or hangs, start the next one.

Each life of the engine has an *epoch*, 1 for the first, and a channel of its own; what an older
epoch still had to say goes down with it. The first start must succeed or fails with a reason.
Later ones are repeated for as long as the service lives: at once after an engine that had been
steady for :data:`STEADY_S`, else after a delay that doubles up to :data:`MAX_RESTART_DELAY_S`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog
import trio

from sfu.channel import Channel
from sfu.errors import EngineLostError, EngineRefused, EngineStartError, EngineTimeoutError
from sfu.process import Child
from sfu.protocol import (
    ENGINE_PROTOCOL,
    EngineEvent,
    EngineMessage,
    GetStatistics,
    Hello,
    Ready,
    Statistics,
)
from signalling.cbor import GarbledError

if TYPE_CHECKING:
    from sfu.config import EngineConfig

EVENTS_AHEAD: Final = 1024
"""Events that wait to be taken: seconds of a busy node; 60 MB where each is the largest link message."""

STEADY_S: Final = 1.0
"""An engine that served this long died of something else than its own start."""

FIRST_RESTART_DELAY_S: Final = 0.1
"""With the start itself (some 20 ms) well inside the second that clients are promised."""

MAX_RESTART_DELAY_S: Final = 5.0
"""For an engine that cannot start now (its port is taken): often enough to be back soon after."""

LOOK_EVERY_S: Final = 2.0
"""How often an engine that nobody asks anything is asked whether it is there: with two deadlines of
commands it is replaced before browsers give up their peer connections, some 15 to 30 s after silence."""

EXIT_CODE_WAIT_S: Final = 0.2
"""For an engine that closed its stream to finish exiting, so that its exit code is its own."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger("sfu.engine")

Spawn: TypeAlias = Callable[[], AbstractAsyncContextManager[Child]]
"""Starts one life of the engine; raises :class:`EngineStartError` where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineStarted:
    """An engine serves, empty: no peer, leg or track of an earlier epoch exists.

    Attributes:
        epoch: 1 for the first, one more for each that follows.
        addresses: Its media sockets as ``host:port``; the same in every epoch unless lost to others.
    """

    epoch: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SupervisionStatistics:
    """What became of the engine so far.

    Attributes:
        serving: Whether an engine serves now.
        epoch: Number of engines that have served.
        failed_starts: Attempts that did not get as far as serving.
        outstanding: Commands under way now.
        timeouts: Commands that got no reply in time.
        refusals: Commands that were turned down.
        late_replies: Replies of the present engine that nobody waited for any more.
        events_waiting: Events that wait to be taken now, at most :data:`EVENTS_AHEAD`.
    """

    serving: bool
    epoch: int
    failed_starts: int
    outstanding: int
    timeouts: int
    refusals: int
    late_replies: int
    events_waiting: int


class Supervisor:
    """Owns the engine of the moment; :meth:`run` is its one task."""

    def __init__(self, config: EngineConfig, spawn: Spawn) -> None:
        self._config = config
        self._spawn = spawn
        self._port = config.media_port
        self._announce, self.events = trio.open_memory_channel[EngineEvent | EngineStarted](EVENTS_AHEAD)
        self._doubt = trio.Event()
        self.channel: Channel | None = None
        self.epoch = 0
        self.addresses: tuple[str, ...] = ()
        self.failed_starts = 0
        self.timeouts = 0
        self.refusals = 0

    def statistics(self) -> SupervisionStatistics:
        """Counters since the start of the service."""
        channel = self.channel
        return SupervisionStatistics(
            serving=channel is not None,
            epoch=self.epoch,
            failed_starts=self.failed_starts,
            outstanding=channel.outstanding if channel else 0,
            timeouts=self.timeouts,
            refusals=self.refusals,
            late_replies=channel.late_replies if channel else 0,
            events_waiting=self.events.statistics().current_buffer_used,
        )

    def doubt(self) -> None:
        """A command got no reply in time: have the engine asked whether it is still there."""
        self._doubt.set()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Run engines one after the other; started once the first serves.

        Raises:
            EngineStartError: The first start failed.
        """
        delay = FIRST_RESTART_DELAY_S
        with self._announce:
            while True:
                epoch, since = self.epoch, trio.current_time()
                problem = await self._live_once(task_status)
                if self.epoch == 0:
                    raise problem
                served = self.epoch > epoch
                if served and trio.current_time() - since >= STEADY_S:
                    delay = FIRST_RESTART_DELAY_S
                self.failed_starts += not served
                _log.warning(
                    "engine_lost" if served else "engine_start_failed",
                    epoch=self.epoch,
                    code=problem.code,
                    reason=problem.message,
                    retry_in_s=delay,
                )
                await trio.sleep(delay)
                delay = min(2 * delay, MAX_RESTART_DELAY_S)

    async def _live_once(self, task_status: trio.TaskStatus[None]) -> EngineStartError:
        """One engine from start to end; returns why it ended, or did not begin."""
        try:
            life = self._spawn()
            async with life as child:
                try:
                    problem = await self._serve(child, task_status)
                finally:
                    self.channel = None
                how = await child.end(EXIT_CODE_WAIT_S)
        except EngineStartError as error:
            return error
        return EngineStartError(problem.code, f"{problem.message} ({how})")

    async def _serve(self, child: Child, task_status: trio.TaskStatus[None]) -> EngineStartError:
        config = self._config
        channel = Channel(child.stream, words=EngineMessage, deadline_s=config.command_deadline_s)
        hello = Hello(
            id=0,
            protocol=ENGINE_PROTOCOL,
            media_address=config.media_address,
            media_port=self._port,
            advertised=config.advertised,
            workers=config.workers,
            stun_servers=config.stun_servers,
            tcp=config.tcp,
        )
        try:
            ready = await channel.greet(hello, Ready)
        except EngineStartError as error:
            return error
        if ready.protocol != ENGINE_PROTOCOL:
            return EngineStartError(
                "engine_incompatible",
                f"Engine {ready.version} speaks protocol {ready.protocol}, this node {ENGINE_PROTOCOL}: "
                "install both from one version.",
            )
        self._begin(ready, channel)
        await self._announce.send(EngineStarted(epoch=self.epoch, addresses=self.addresses))
        if self.epoch == 1:
            task_status.started()
        _log.info("engine_serves", epoch=self.epoch, pid=child.pid, addresses=self.addresses, version=ready.version)
        problem = EngineStartError("engine_died", "It ended.")
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                nonlocal problem
                await self._wait_hangs(channel)
                problem = EngineStartError("engine_silent", "It did not answer any more.")
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            try:
                await channel.run(self._announce.send)
            except GarbledError as error:
                problem = EngineStartError("engine_garbled", f"It sent what makes no sense: {error}.")
            nursery.cancel_scope.cancel()
        return problem

    def _begin(self, ready: Ready, channel: Channel) -> None:
        self.epoch += 1
        self.addresses = ready.addresses
        self.channel = channel
        if self._port == 0 and ready.addresses:
            # The next engine takes the same port, so that candidates given to clients stay good.
            self._port = int(ready.addresses[0].rpartition(":")[2])

    async def _wait_hangs(self, channel: Channel) -> None:
        """Return once the engine is found silent: a missed deadline, then a missed question.

        The second look is for a node that was itself stopped for a while: its deadlines pass
        although the engine is well, and packets need no node to flow.
        """
        while True:
            self._doubt = trio.Event()
            with trio.move_on_after(LOOK_EVERY_S):
                await self._doubt.wait()
            # Nothing asked in between: the first of two questions takes the place of a command.
            if (self._doubt.is_set() or await self._is_silent(channel)) and await self._is_silent(channel):
                return

    async def _is_silent(self, channel: Channel) -> bool:
        try:
            await channel.call(GetStatistics(id=0), Statistics)
        except EngineTimeoutError:
            return not channel.delivering
        except (EngineRefused, EngineLostError):
            return False  # an answer; or its end, which is noticed elsewhere
        return False
