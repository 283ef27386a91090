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

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Take a token, or so many, at most ``burst``; ``False`` when they are not there, and nothing is taken."""
        elapsed = max(0.0, now - self._at)
        self._at = max(self._at, now)
        self._level = min(self._burst, self._level + elapsed * self._rate)
        if self._level < tokens:
            return False
        self._level -= tokens
        return True

    def wait_s(self, now: float, tokens: float = 1.0) -> float:
        """Seconds until there is a token, or so many; 0 when they are there."""
        level = self._level + max(0.0, now - self._at) * self._rate
        return max(0.0, (tokens - level) / self._rate)

    def give_back(self) -> None:
        """Undo one :meth:`take`; a bucket never holds more than its burst."""
        self._level = min(self._burst, self._level + 1.0)
