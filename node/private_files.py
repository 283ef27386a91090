"""Files that nobody else may read: keys and tokens."""

from __future__ import annotations

import os
import secrets
import stat
from typing import TYPE_CHECKING, Final

from node.errors import EXIT_CONFIG, NodeStartError

if TYPE_CHECKING:
    from pathlib import Path

MAX_PRIVATE_FILE_BYTES: Final = 16 * 1024
"""Every key that we read has less than 1 kB; more is another file."""


def read_private(path: Path, *, what: str) -> bytes:
    """Read a file that must be closed to others.

    Args:
        path: The file.
        what: What it is to hold, for the error.

    Raises:
        NodeStartError: It cannot be read, others can read it, or it is too long for a key.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_PRIVATE_FILE_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise NodeStartError(
            "file_unreadable", f"{what} {path} cannot be read: {reason}", exit_code=EXIT_CONFIG
        ) from None
    if mode & 0o077:
        raise NodeStartError(
            "file_readable_by_others",
            f"{what} {path} has mode {mode:04o}, others can read it: run `chmod 600 {path}`",
            exit_code=EXIT_CONFIG,
        )
    if len(data) > MAX_PRIVATE_FILE_BYTES:
        raise NodeStartError("file_too_long", f"{path} is too long for {what.lower()}", exit_code=EXIT_CONFIG)
    return data


def write_private(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Write a file that only its owner may read; readers see the old content or the new.

    Raises:
        FileExistsError: It is there already and ``replace`` is false.
        OSError: It cannot be written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            part.replace(path)
        else:
            path.hardlink_to(part)
    finally:
        part.unlink(missing_ok=True)
