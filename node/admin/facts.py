"""What only a running node knows of itself, for ``starling doctor``: its settings as they came out, its addresses."""

from __future__ import annotations

import resource
from pathlib import Path

import msgspec

from node.config import Config


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A running node.

    Attributes:
        config: All settings, wherever they came from.
        url: Where clients reach it.
        media_addresses: Where its engine takes media, ``address:port``.
        engine_serves: Whether the engine does.
        agent_up: Whether the gossip agent answers; None without a mesh.
        agent_restarts: How often it had to be started again.
        files_open: Files that the process has open.
        files_allowed: How many it may.
    """

    config: Config
    url: str
    media_addresses: tuple[str, ...]
    engine_serves: bool
    agent_up: bool | None
    agent_restarts: int
    files_open: int
    files_allowed: int

    def __repr__(self) -> str:
        """Name it without its settings: an address of the store may hold a password."""
        return f"Facts(url={self.url!r})"


def open_files() -> int:
    """How many files this process has open; Linux alone says so, 0 elsewhere."""
    folder = Path("/proc/self/fd")
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


def allowed_files() -> int:
    """How many this process may open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
