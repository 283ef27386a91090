"""Digests of what went into a step, so that a second run can skip it."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def digest(root: Path, paths: Iterable[Path], *facts: str) -> str:
    """Return a hex SHA-256 over the names and contents of files, and over plain facts.

    Args:
        root: Names are taken relative to this folder, so a file's move counts as a change.
        paths: Files to read; their order does not matter.
        facts: Whatever else decides the outcome, such as a version.

    Raises:
        OSError: A file cannot be read.
    """
    total = hashlib.sha256()
    for fact in facts:
        total.update(hashlib.sha256(fact.encode()).digest())
    for path in sorted(paths):
        total.update(hashlib.sha256(str(path.relative_to(root)).encode()).digest())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


class Stamp:
    """A file that remembers the digest a step last succeeded with."""

    def __init__(self, path: Path) -> None:
        """Name the file; it need not exist."""
        self._path = path

    def holds(self, wanted: str) -> bool:
        """Say whether the step last succeeded with exactly this digest."""
        try:
            return self._path.read_text(encoding="ascii") == wanted
        except FileNotFoundError:
            return False

    def clear(self) -> None:
        """Forget, before the step starts: one that fails half way must run again."""
        self._path.unlink(missing_ok=True)

    def write(self, reached: str) -> None:
        """Remember, after the step succeeded."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(reached, encoding="ascii")
