"""What was measured a moment ago, so that the next room of the same program does not wait for it again.

As in the SDK of pages: a figure holds for ten minutes, and that a node did not answer for half a minute. One memory for
the whole process, as it is on one network; when that is another one, everything is measured anew
(:mod:`signalling.client.nearer`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import trio

from signalling.client.probing import probe_nodes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["REMEMBERED", "RememberedRtts"]

HOLDS_S: Final = 600.0
SILENCE_HOLDS_S: Final = 30.0

MAX_FIGURES: Final = 64
"""Nodes that are remembered; the one that was measured first goes."""


class RememberedRtts:
    """Measures what it does not know yet. It is called as :func:`signalling.client.probing.probe_nodes` is.

    Args:
        measure: Measures round trips, ms, with a deadline of its own; None for a node that does not answer.
        now: The time, seconds, on a clock that goes on from one event loop to the next.
    """

    def __init__(
        self,
        measure: Callable[[Sequence[str]], Awaitable[Sequence[float | None]]] = probe_nodes,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._measure = measure
        self._now = now
        self._figures: dict[str, tuple[float | None, float]] = {}

    async def __call__(self, urls: Sequence[str]) -> tuple[float | None, ...]:
        """Say how far nodes are, in the order of their URLs. Cancelled, it learns nothing."""
        known = {url: self._figures[url][0] for url in urls if self._holds(url)}
        unknown = [url for url in dict.fromkeys(urls) if url not in known]
        if unknown:
            measured = await self._measure(unknown)
            for url, rtt_ms in zip(unknown, measured, strict=True):
                self._learn(url, rtt_ms)
                known[url] = rtt_ms
        else:
            await trio.lowlevel.checkpoint()
        return tuple(known[url] for url in urls)

    async def anew(self, urls: Sequence[str]) -> tuple[float | None, ...]:
        """Forget everything, for the network is another one, and measure these."""
        self._figures.clear()
        return await self(urls)

    def doubt(self, url: str) -> None:
        """It did not let us in: measure it before it is believed to be near."""
        self._figures.pop(url, None)

    def _holds(self, url: str) -> bool:
        if url not in self._figures:
            return False
        rtt_ms, at = self._figures[url]
        return self._now() - at < (SILENCE_HOLDS_S if rtt_ms is None else HOLDS_S)

    def _learn(self, url: str, rtt_ms: float | None) -> None:
        self._figures.pop(url, None)
        self._figures[url] = rtt_ms, self._now()
        while len(self._figures) > MAX_FIGURES:
            del self._figures[next(iter(self._figures))]


REMEMBERED: Final = RememberedRtts()
"""That of this process."""
