"""How fast somebody may talk, or ask: a token bucket without a clock of its own."""

from __future__ import annotations


class TokenBucket:
    """Lets ``burst`` through at once and ``rate_per_s`` for ever.

    Args:
        rate_per_s: Refill, tokens per second.
        burst: Tokens when full, as it is in the beginning.
        now: Seconds; where it is not given, the bucket is full at the first look.
    """

    def __init__(self, *, rate_per_s: float, burst: float, now: float = float("-inf")) -> None:
        self._rate = rate_per_s
        self._burst = burst
        self._level = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Take one token; ``False`` when there is none, and nothing is taken."""
        elapsed = max(0.0, now - self._at)
        self._at = max(self._at, now)
        self._level = min(self._burst, self._level + elapsed * self._rate)
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True

    def wait_s(self, now: float) -> float:
        """Seconds until there is a token; 0 when there is one."""
        level = self._level + max(0.0, now - self._at) * self._rate
        return max(0.0, (1.0 - level) / self._rate)

    def give_back(self) -> None:
        """Undo one :meth:`take`; a bucket never holds more than its burst."""
        self._level = min(self._burst, self._level + 1.0)
