"""A breaker: while a store fails, callers are told at once and one probe at a time asks again."""

from __future__ import annotations

from typing import Final

__all__ = ["Breaker"]

FAILURES_TO_OPEN: Final = 2
"""One slow answer is a hiccup; two in a row cost two deadlines, and no caller should pay a third."""

PROBE_INTERVAL_S: Final = 0.5
"""How long a returned store may go unnoticed; a probe costs one thread for at most one deadline."""


class Breaker:
    """Pure: told of calls and their ends, says whether the next may pass.

    Closed it lets all pass. After :data:`FAILURES_TO_OPEN` failures in a row it opens: then one call
    each :data:`PROBE_INTERVAL_S` passes as a probe, never two at once. One success closes it.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._probe_out = False
        self._next_probe_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are being turned away."""
        return self._failures >= FAILURES_TO_OPEN

    def may_pass(self, now: float) -> bool:
        """Whether a call may go out now; one that passes must end in `succeeded`, `failed` or `abandoned`."""
        if not self.is_open:
            return True
        if self._probe_out or now < self._next_probe_at:
            return False
        self._probe_out = True
        return True

    def succeeded(self) -> None:
        """A call came back with an answer."""
        self._failures = 0
        self._probe_out = False

    def failed(self, now: float) -> None:
        """A call came back with none."""
        self._failures += 1
        self._probe_out = False
        self._next_probe_at = now + PROBE_INTERVAL_S

    def abandoned(self) -> None:
        """Nobody waited for a call any more: nothing was learnt, and a probe's place is free again."""
        self._probe_out = False
