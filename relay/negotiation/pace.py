"""How often a node may speak, and how long it waits after a failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_LIMIT_S: Final = 30.0
"""Failed attempts double the pause up to here; a node that comes back is asked at once anyway."""


@dataclass(slots=True)
class TokenBucket:
    """Lets through `rate_per_s` on average and `burst` at once.

    Attributes:
        rate_per_s: Tokens that grow back each second.
        burst: Tokens there can be at most, and are at first.
    """

    rate_per_s: float
    burst: float
    _tokens: float = -1.0
    _filled_at: float = 0.0

    def take(self, now: float) -> bool:
        """Take one token if there is one."""
        self._fill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def next_at(self, now: float) -> float:
        """When there will be a token."""
        self._fill(now)
        # A hair later, so that rounding never finds the bucket just short of one.
        return now if self._tokens >= 1.0 else now + (1.0 - self._tokens) / self.rate_per_s + 1e-6

    def _fill(self, now: float) -> None:
        if self._tokens < 0.0:
            self._tokens = self.burst
        else:
            grown = max(0.0, now - self._filled_at) * self.rate_per_s
            self._tokens = min(self.burst, self._tokens + grown)
        self._filled_at = now


def backoff_s(failures: int, random: Random) -> float:
    """Pause after that many failures in a row: doubled each time, between half and all of it at random."""
    whole = min(BACKOFF_LIMIT_S, BACKOFF_FIRST_S * 2.0 ** min(failures, 16))
    return whole * (0.5 + 0.5 * random.random())
