"""Which store this node had once, in a file of its data folder: of that one an outage is believed, of others not.

A node that starts for the first time with an address at which nobody answers has most likely a wrong one, and says so
and ends. One that comes back to the store that it had serves without it, as it would have, had it run on.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import structlog

from node.private_files import write_private

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["STORE_FILE", "StoreMemory"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

STORE_FILE: Final = "store-known"


class StoreMemory:
    """Remembers one store, by a fingerprint: its address may hold a password.

    Args:
        data_dir: Where the node keeps its things.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / STORE_FILE

    def knows(self, url: str) -> bool:
        """Whether this is the store that was there last."""
        try:
            return self._path.read_bytes().strip() == _fingerprint(url)
        except OSError:
            return False

    def remember(self, url: str) -> None:
        """Note that this store was there."""
        if self.knows(url):
            return
        try:
            write_private(self._path, _fingerprint(url) + b"\n")
        except OSError as error:
            log.warning("store_not_remembered", path=str(self._path), reason=str(error))


def _fingerprint(url: str) -> bytes:
    return hashlib.sha256(b"starling store " + url.encode()).hexdigest().encode()
