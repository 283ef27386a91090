"""How long a node waits after a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_LIMIT_S: Final = 30.0
"""Failed attempts double the pause up to here; a node that comes back is asked at once anyway."""


def backoff_s(failures: int, random: Random) -> float:
    """Pause after that many failures in a row: doubled each time, between half and all of it at random."""
    whole = min(BACKOFF_LIMIT_S, BACKOFF_FIRST_S * 2.0 ** min(failures, 16))
    return whole * (0.5 + 0.5 * random.random())
