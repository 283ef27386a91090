"""One direction of a narrow path, as a clock-free core: a queue, a bottleneck that empties it, a delay after it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

OVERHEAD_BYTES: Final = 28
"""IPv4 and UDP headers: a bottleneck counts them too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How bad a path is in one direction; the default is not at all.

    Attributes:
        rate_bps: What the bottleneck lets through, in bits a second, headers included; None: any amount.
        delay_s: From leaving the bottleneck until arrival.
        queue_s: How much may wait before the bottleneck, in seconds at its rate; more is dropped.
        drop_every: Every so many packets one is lost before the bottleneck; 0: none. Counted, not drawn by lot, so
            that two runs lose alike.
    """

    rate_bps: float | None = None
    delay_s: float = 0.0
    queue_s: float = 0.3
    drop_every: int = 0


class Pipe:
    """Packets go in by :meth:`push` and come out of :meth:`pull`, in order; ``now`` is seconds of any one clock."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._free_at = -math.inf
        self._delayed: deque[tuple[float, bytes]] = deque()
        self._pushed = 0
        self.dropped = 0
        """Packets lost so far, by a full queue or on purpose."""

    def limit(self, limits: Limits, now: float) -> None:
        """Be as bad as this from now on; what waits goes at the new rate, what is under way arrives as it would."""
        self._serve(now)
        self._limits = limits
        # The packet in service starts over: no wait of an old, slower rate outlives it.
        self._free_at = now
        self._serve(now)

    def push(self, packet: bytes, now: float) -> None:
        """Take a packet, or drop it."""
        self._serve(now)
        self._pushed += 1
        limits = self._limits
        size = len(packet) + OVERHEAD_BYTES
        lost = limits.drop_every > 0 and self._pushed % limits.drop_every == 0
        room_bytes = math.inf if limits.rate_bps is None else limits.rate_bps * limits.queue_s / 8
        # An empty queue takes any packet: else one larger than the queue could never pass.
        full = bool(self._queue) and self._queued_bytes + size > room_bytes
        if lost or full:
            self.dropped += 1
            return
        if not self._queue:
            self._free_at = max(self._free_at, now)
        self._queue.append(packet)
        self._queued_bytes += size
        self._serve(now)

    def pull(self, now: float) -> list[bytes]:
        """Return what has arrived by now."""
        self._serve(now)
        arrived: list[bytes] = []
        while self._delayed and self._delayed[0][0] <= now:
            arrived.append(self._delayed.popleft()[1])
        return arrived

    def next_deadline(self) -> float:
        """Say when to pull next; infinity while there is nothing under way."""
        if self._delayed:
            return self._delayed[0][0]
        if self._queue:
            return self._leaves_at() + self._limits.delay_s
        return math.inf

    def _leaves_at(self) -> float:
        rate = self._limits.rate_bps
        if rate is None:
            return self._free_at
        return self._free_at + (len(self._queue[0]) + OVERHEAD_BYTES) * 8 / rate

    def _serve(self, now: float) -> None:
        """Move what has left the bottleneck by now into the delay; an earlier arrival never overtakes."""
        while self._queue:
            left_at = self._leaves_at()
            if left_at > now:
                return
            packet = self._queue.popleft()
            self._queued_bytes -= len(packet) + OVERHEAD_BYTES
            self._free_at = left_at
            arrives_at = left_at + self._limits.delay_s
            if self._delayed:
                arrives_at = max(arrives_at, self._delayed[-1][0])
            self._delayed.append((arrives_at, packet))
