"""Which program is measured: runs of two builds must not end up in one average."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import node
from sfu.process import find_program

__all__ = ["fingerprint_program"]

PACKAGES: Final = ("durable", "lab", "membership", "node", "relay", "session", "sfu", "signalling")
"""What runs in a node and in its participants; all of it lies side by side."""


def fingerprint_program() -> str:
    """Of the engine's binary and of all Python beside it, 16 hexadecimal digits.

    Raises:
        EngineStartError: `engine_missing`.
        OSError: A file cannot be read.
    """
    found = hashlib.sha256(find_program().read_bytes())
    house = Path(node.__file__).parent.parent
    for path in sorted(path for package in PACKAGES for path in (house / package).rglob("*.py")):
        found.update(str(path.relative_to(house)).encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
