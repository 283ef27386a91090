"""Node keys that are believed no more: a file of the operator, one key a line.

For a machine that was stolen or broken into: its node leaves the cluster as soon as the others have read the file,
links included. Whoever holds the cluster's keys can certify a new node key, so these want to be rotated, too
(`starling token rotate`); the file works at once, until that is done everywhere.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from membership.errors import GossipSetupError
from membership.members.tags import PUBLIC_KEY_BYTES

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_revoked_keys"]

MAX_FILE_BYTES: Final = 65_536
"""A thousand keys and some words to each."""


def read_revoked_keys(path: Path | None) -> frozenset[bytes]:
    """Read keys in base64url, as `starling members --json` shows them; `#` begins a comment. No file revokes none.

    Returns:
        Raw public keys of 32 bytes.

    Raises:
        GossipSetupError: `revoked_keys_invalid`, with the line.
    """
    if path is None:
        return frozenset()
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        text = data.decode()
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise _invalid(path, f"cannot be read: {reason}; an empty file revokes nothing") from error
    except UnicodeDecodeError as error:
        raise _invalid(path, "is no text: write one key a line, as `starling members --json` shows them") from error
    if len(data) > MAX_FILE_BYTES:
        raise _invalid(path, f"is longer than {MAX_FILE_BYTES} bytes: not a file of node keys")
    keys = set()
    for number, line in enumerate(text.splitlines(), 1):
        word = line.partition("#")[0].strip()
        if word:
            keys.add(_key(path, number, word))
    return frozenset(keys)


def _key(path: Path, number: int, word: str) -> bytes:
    try:
        key = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != PUBLIC_KEY_BYTES:
        raise _invalid(
            path, f"line {number} is no node key: 43 characters of base64url, from `starling members --json`"
        )
    return key


def _invalid(path: Path, what: str) -> GossipSetupError:
    return GossipSetupError("revoked_keys_invalid", f"the file of revoked node keys {path} {what}")
