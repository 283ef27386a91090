"""Whose folder it is: one experiment at a time runs in it, and whoever is killed leaves it free."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["owning"]

FILE: Final = ".lock"


@contextmanager
def owning(folder: Path) -> Iterator[None]:
    """Have a folder for the length of the block; it is made if it is not there.

    Raises:
        LabError: ``folder_in_use``, another process has it.
        OSError: It cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(
                "folder_in_use",
                f"Another `starling lab run` works in {folder}: wait until it ends, or name another folder with --out.",
            ) from None
        yield
