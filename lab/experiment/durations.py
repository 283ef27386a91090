"""How long a run measures, as people write it: ``90``, ``60s``, ``10m``, ``1h30m``."""

from __future__ import annotations

import re
from typing import Final

from lab.errors import LabError

__all__ = ["LEAST_S", "MOST_S", "parse_duration", "written"]

LEAST_S: Final = 5
"""Less has too few seconds for a mean of them."""

MOST_S: Final = 24 * 3600
"""A run keeps its samples of every second in memory at its end: 86400 of a kilobyte for each person."""

_FORM: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def parse_duration(text: str) -> int:
    """Read a duration; returns seconds.

    Raises:
        LabError: ``duration_invalid``.
    """
    found = _FORM.fullmatch(text.strip())
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    if not LEAST_S <= total <= MOST_S:
        message = f"{text!r} is no duration from {LEAST_S} s to 24 h: write 60s, 10m, 1h or 1h30m."
        raise LabError("duration_invalid", message)
    return total


def written(seconds: int) -> str:
    """The shortest way to write it, as in names of folders."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)
