"""The gossip keys of this node on its disk, and which of two places wins.

    mesh.gossip_key_file              the operator's word: the key that a new node begins with
    <data_dir>/gossip/keyring.json    what the agent uses; the agent itself writes it when keys are rotated
    <data_dir>/gossip/keyring-from    fingerprint of the operator's key that the keyring was begun with

The keyring wins as long as the operator's file says the same as when the keyring was begun: so a node that restarts
after a rotation comes back with the new key although its file still holds the old one. An operator's file that has
changed since wins, and the keyring begins anew with it alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TYPE_CHECKING, Final

from membership.private_files import write_private

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["GOSSIP_KEY_SIZES_BYTES", "fingerprint_of", "is_gossip_key", "prepare_keyring", "read_keyring"]

GOSSIP_KEY_SIZES_BYTES: Final = (16, 24, 32)
"""AES-128, AES-192 and AES-256: the key sizes Serf accepts."""

MAX_KEYRING_BYTES: Final = 65_536
"""A thousand keys; a cluster has one, and two or three while it rotates them."""

FINGERPRINT_BYTES: Final = 8


def is_gossip_key(key: str) -> bool:
    """Whether this is base64 of as many bytes as a key has."""
    try:
        return len(base64.b64decode(key, validate=True)) in GOSSIP_KEY_SIZES_BYTES
    except (binascii.Error, ValueError):
        return False


def fingerprint_of(key: str) -> str:
    """16 hex digits that name a key without telling it (SHA-256, RFC 6234, its first 8 bytes)."""
    return hashlib.sha256(b"starling gossip key " + key.encode()).digest()[:FINGERPRINT_BYTES].hex()


def prepare_keyring(folder: Path, key: str) -> Path:
    """See to it that there is a keyring to start an agent with, by the rule above; returns its path.

    Args:
        folder: the node's gossip folder.
        key: the operator's.

    Raises:
        OSError: it cannot be written.
    """
    keyring, begun_with = folder / "keyring.json", folder / "keyring-from"
    try:
        is_same = begun_with.read_text(encoding="ascii", errors="replace").strip() == fingerprint_of(key)
    except FileNotFoundError:
        is_same = False
    if not (is_same and read_keyring(keyring)):
        write_private(keyring, json.dumps([key]))
        write_private(begun_with, fingerprint_of(key) + "\n")
    return keyring


def read_keyring(path: Path) -> tuple[str, ...]:
    """The keys, the one in use first; none if there is no keyring, or it is damaged."""
    try:
        with path.open("rb") as file:
            keys = json.loads(file.read(MAX_KEYRING_BYTES))
    except (OSError, ValueError, RecursionError):
        return ()
    if not isinstance(keys, list) or not all(isinstance(key, str) and is_gossip_key(key) for key in keys):
        return ()
    return tuple(keys)
