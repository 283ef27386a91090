"""How fast each of many may ask for something: token buckets by key in a bounded table."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from signalling.pace import TokenBucket

MAX_KEYS: Final = 10_000
"""Buckets that are kept, some 200 bytes each. With more clients than that at a time, the one not
heard of for the longest is forgotten, which only ever lets more through."""


class KeyedPace:
    """One token bucket for each key.

    Args:
        rate_per_s: Refill of each bucket.
        burst: Size of each bucket.
        max_keys: Bound on buckets.
    """

    def __init__(self, *, rate_per_s: float, burst: int, max_keys: int = MAX_KEYS) -> None:
        self._rate = rate_per_s
        self._burst = burst
        self._max = max_keys
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, now: float) -> bool:
        """Take one token of ``key``; ``False`` when there is none.

        Args:
            key: Whose.
            now: Seconds, on any clock that only goes forward.
        """
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._max:
                self._buckets.popitem(last=False)
            bucket = TokenBucket(rate_per_s=self._rate, burst=self._burst, now=now)
            self._buckets[key] = bucket
        self._buckets.move_to_end(key)
        return bucket.take(now)

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until there is a token of ``key``; 0 for one that was not heard of."""
        bucket = self._buckets.get(key)
        return 0.0 if bucket is None else bucket.wait_s(now)

    def give_back(self, key: str) -> None:
        """Undo one :meth:`take` that let something through; nothing happens where the bucket was forgotten."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.give_back()
