"""The names that this node's agents had before, so that the cluster can be made to forget them.

    <data_dir>/gossip/former-names   one Serf name a line, the oldest first

Serf keeps a dead name for days, and tells newcomers nothing of it: an agent that starts once its predecessor is held
for dead never lists it, so that it cannot be found out by looking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from membership.private_files import write_private

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FormerNames"]

MAX_NAMES: Final = 64
"""An agent that crashes for half an hour; names that are older fall to Serf's own `reconnect_timeout`."""

MAX_NAME_CHARACTERS: Final = 64
"""A node id has 32, a boot 16 digits."""

MAX_FILE_BYTES: Final = 8192


class FormerNames:
    """Keeps them on disk.

    Args:
        folder: the node's gossip folder, which is there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "former-names"

    def note(self, name: str) -> None:
        """Remember the name of an agent that is about to start.

        Raises:
            OSError: it cannot be written.
        """
        self._write((*(one for one in self.read() if one != name), name))

    def forget(self, name: str) -> None:
        """The cluster was told to forget it.

        Raises:
            OSError: it cannot be written.
        """
        self._write(tuple(one for one in self.read() if one != name))

    def read(self) -> tuple[str, ...]:
        """All of them, that of the agent that runs included; none if there is no file."""
        try:
            with self._path.open("rb") as file:
                text = file.read(MAX_FILE_BYTES).decode("ascii", "replace")
        except OSError:
            return ()
        return tuple(line for line in text.splitlines() if 0 < len(line) <= MAX_NAME_CHARACTERS)

    def _write(self, names: tuple[str, ...]) -> None:
        write_private(self._path, "".join(f"{name}\n" for name in names[-MAX_NAMES:]))
