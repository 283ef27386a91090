"""How often Python looks for garbage: seldom, in a process that mostly keeps what it makes.

A socket is some six hundred objects that stay for as long as its client does. With Python's own thresholds the
collector walks over all of them again and again while people arrive, and finds nothing: it was a third of what a join
costs (`make bench BENCH=join`, 13.2 ms of CPU a join against 8.9).
"""

import gc
from typing import Final

THRESHOLDS: Final = (50_000, 10, 5)
"""Objects made and not freed before the youngest are looked at, and how many rounds of one generation make one of the
next: all of them are looked at after 2.5 million, some 300 MB if every one of them were garbage."""


def collect_seldom() -> None:
    """Set aside what a start leaves for good, and collect by :data:`THRESHOLDS` from here on; for a whole process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
