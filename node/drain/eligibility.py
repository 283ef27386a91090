"""What an operator said about new people, kept in the data folder: it holds until they say otherwise.

A node that was taken out of the choice because its machine is ill would otherwise be back in it after a crash. The
file being there is the whole of it, so there is none that is half written or says something unknown; what is in it is
for whoever looks.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import trio

from node.private_files import write_private

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["INELIGIBLE_FILE", "Eligibility", "UnkeptError"]

INELIGIBLE_FILE: Final = "ineligible"

WORDS: Final = b"This node takes nobody new until: starling node eligibility on\n"


class UnkeptError(Exception):
    """The data folder did not take it, so nothing was changed. ``code`` is stable."""

    code = "data_dir_unwritable"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Eligibility:
    """Keeps it.

    Args:
        data_dir: The node's folder, which is there.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / INELIGIBLE_FILE
        # One after the other, so that the last order is what is kept.
        self._limit = trio.CapacityLimiter(1)

    def read(self) -> bool:
        """Whether the node takes new people, as was said last; it does if nothing was."""
        return not self._path.exists()

    async def keep(self, eligible: bool) -> None:
        """Note it so that it outlives the process, however that ends. Once under way, cancelling waits for its end.

        Raises:
            UnkeptError: It cannot be written.
        """
        await trio.to_thread.run_sync(self._write, eligible, limiter=self._limit)

    def _write(self, eligible: bool) -> None:
        try:
            if eligible:
                self._path.unlink(missing_ok=True)
            else:
                write_private(self._path, WORDS)
            _sync(self._path.parent)
        except OSError as error:
            reason = (error.strerror or "unknown error").lower()
            raise UnkeptError(
                f"nothing was changed, {self._path} cannot be: {reason}; make room, or give the folder to this user"
            ) from None


def _sync(folder: Path) -> None:
    """Have the folder's entries on the disk: a file that is there is also there after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
