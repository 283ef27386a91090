"""How loaded this node says it is: a class that changes seldom, for every change of a tag goes to the whole cluster.

Two things fill a node: the sessions that it takes at most, and the engine's workers. The fuller one counts. `FULL` is
said of sessions alone, when the next one would be refused; a busy engine is at most `HIGH`, since it refuses nobody.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog
import trio

from membership import GossipUnavailableError, LoadClass
from sfu import EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from membership import Membership
    from sfu import Engine

__all__ = ["EVERY_S", "LEAST_S", "LoadGauge", "telling_load", "watch_load"]

BUSY: Final = 0.5
HIGH: Final = 0.75
"""Shares from which a node is busy, and highly loaded: there is half of it left for who comes next, or a quarter."""

MARGIN: Final = 0.1
"""A class is left for a lower one this far below its beginning, so that nobody who comes and goes makes it flap."""

EVERY_S: Final = 5.0
LEAST_S: Final = 30.0
"""A class is told for so long at least, but for one that is higher: others are to hear soon where there is no place."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger("load")

_BEGINS: Final[Mapping[LoadClass, float]] = {LoadClass.BUSY: BUSY, LoadClass.HIGH: HIGH, LoadClass.FULL: 1.0}


class LoadGauge:
    """Turns shares into a class; pure."""

    def __init__(self) -> None:
        self.said = LoadClass.LOW
        self._since = float("-inf")

    def read(self, *, sessions: float, media: float, now: float) -> LoadClass:
        """The class to tell now.

        Args:
            sessions: Share of the sessions that there are at most; 1 and more when the next one is refused.
            media: Share of their time that the engine's workers work.
            now: Monotonic seconds.
        """
        share = sessions if sessions >= 1 else min(max(sessions, media), 0.999)
        reached = max((one for one, begin in _BEGINS.items() if share >= begin), default=LoadClass.LOW, key=_rank)
        is_less = share < _BEGINS.get(self.said, 0.0) - MARGIN and now >= self._since + LEAST_S
        if _rank(reached) > _rank(self.said) or is_less:
            self.said, self._since = reached, now
        return self.said


def _rank(load: LoadClass) -> int:
    return int(load.value)


async def watch_load(membership: Membership, engine: Engine, sessions: Callable[[], int], *, max_sessions: int) -> None:
    """Tell the cluster how loaded this node is; runs until cancelled.

    Args:
        membership: Tells it.
        engine: Says how busy its workers are; while it does not, sessions alone count.
        sessions: How many there are.
        max_sessions: How many there may be.
    """
    gauge, before, at = LoadGauge(), None, trio.current_time()
    while True:
        await trio.sleep(EVERY_S)
        busy_ms, now = await _busy_ms(engine), trio.current_time()
        media = 0.0 if before is None or busy_ms is None else _busy_share(before, busy_ms, now - at)
        before, at = busy_ms, now
        load = gauge.read(sessions=sessions() / max_sessions, media=media, now=now)
        if load is membership.tags.load:
            continue
        _log.info("load_changed", load=load.name.lower(), sessions=sessions(), media=round(media, 2))
        try:
            await membership.set_tags(replace(membership.tags, load=load))
        except GossipUnavailableError as error:
            # The tags are set, and the next agent says them.
            _log.info("load_untold", reason=error.message)


@asynccontextmanager
async def telling_load(
    membership: Membership, engine: Engine, sessions: Callable[[], int], *, max_sessions: int
) -> AsyncIterator[None]:
    """Have :func:`watch_load` run for the length of the block."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: watch_load(membership, engine, sessions, max_sessions=max_sessions))
        yield
        nursery.cancel_scope.cancel()


async def _busy_ms(engine: Engine) -> Mapping[int, int] | None:
    """How long each worker has worked; of a reading that lists every peer nothing else is kept."""
    try:
        return {worker.worker: worker.busy_ms for worker in (await engine.statistics()).workers}
    except EngineError:
        return None


def _busy_share(before: Mapping[int, int], after: Mapping[int, int], seconds: float) -> float:
    """Share of the time that the busiest worker worked; a new engine counts from nothing."""
    spent = [busy_ms - min(before.get(worker, 0), busy_ms) for worker, busy_ms in after.items()]
    return max(spent, default=0) / 1000 / max(seconds, EVERY_S)
