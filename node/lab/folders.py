"""The folder of a run that is under way: homes of nodes, with their keys, and what people write. Gone when it ends.

Its name has process id and start time of who made it, as those of namespaces do, so that what one that was killed has
left is known for what it is and removed by the next.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab.namespaces import start_ticks

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["open_folder", "remove_stale"]

PREFIX: Final = "starling-lab-"

_NAME: Final = re.compile(rf"{PREFIX}(\d+)-(\d+)-.*")


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make one for the length of the block, for its owner alone.

    Raises:
        OSError: It cannot be made.
    """
    remove_stale()
    pid = os.getpid()
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{pid}-{start_ticks(pid)}-") as name:
        yield Path(name)


def remove_stale() -> tuple[str, ...]:
    """Remove folders whose makers are gone; returns their names."""
    stale = []
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        found = _NAME.fullmatch(path.name)
        if found is not None and start_ticks(int(found[1])) != int(found[2]):
            shutil.rmtree(path, ignore_errors=True)
            stale.append(path.name)
    return tuple(stale)
