"""Which device a client is, over restarts: its id and its join counter, kept together or not at all."""

from __future__ import annotations

import fcntl
import os
from contextlib import asynccontextmanager
from typing import IO, TYPE_CHECKING, Annotated, Protocol

import msgspec
import trio

from signalling.ids import DEVICE_ID_PATTERN, MAX_ATTEMPT, DeviceId, new_device_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["DeviceInUseError", "DeviceMemory", "FileDevice", "MemoryDevice", "open_device_file"]


class DeviceInUseError(Exception):
    """Another process is this device. Take another file, or let that process end."""


class DeviceMemory(Protocol):
    """A device. Whoever has it is the only one: so it may go beyond what a node says it knows of the device."""

    @property
    def id(self) -> DeviceId:
        """The device id."""
        ...

    async def raise_attempt(self, beyond: int = 0) -> int:
        """Count one more join, at least from ``beyond`` on; kept before it is returned.

        Raises:
            OSError: It could not be kept; then it must not be used either.
        """
        ...


class MemoryDevice:
    """A device that lives as long as the process."""

    def __init__(self) -> None:
        self._id = new_device_id()
        self._attempt = 0

    @property
    def id(self) -> DeviceId:
        """See :class:`DeviceMemory`."""
        return self._id

    async def raise_attempt(self, beyond: int = 0) -> int:
        """See :class:`DeviceMemory`."""
        await trio.lowlevel.checkpoint()
        self._attempt = max(self._attempt, beyond) + 1
        return self._attempt


class _Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file says."""

    id: Annotated[DeviceId, msgspec.Meta(pattern=DEVICE_ID_PATTERN)]
    attempt: Annotated[int, msgspec.Meta(ge=0, le=MAX_ATTEMPT)]


class FileDevice:
    """A device in a file, as :func:`open_device_file` opens it."""

    def __init__(self, path: Path, kept: _Kept) -> None:
        self._path = path
        self._kept = kept

    @property
    def id(self) -> DeviceId:
        """See :class:`DeviceMemory`."""
        return self._kept.id

    async def raise_attempt(self, beyond: int = 0) -> int:
        """See :class:`DeviceMemory`. The write is not interrupted by cancellation."""
        kept = _Kept(id=self._kept.id, attempt=max(self._kept.attempt, beyond) + 1)
        self._kept = kept
        await trio.to_thread.run_sync(_write, self._path, kept)
        return kept.attempt


@asynccontextmanager
async def open_device_file(path: Path) -> AsyncIterator[FileDevice]:
    """Be the device of that file for the length of the block; a new one where there is none that can be read.

    Args:
        path: The file; beside it lies one of the same name with ``.lock``, which says that somebody is the device.

    Raises:
        DeviceInUseError: Somebody else is this device.
        OSError: The folder cannot be written.
    """
    lock, kept = await trio.to_thread.run_sync(_open, path)
    try:
        yield FileDevice(path, kept)
    finally:
        lock.close()


def _open(path: Path) -> tuple[IO[str], _Kept]:
    lock = path.with_name(f"{path.name}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock, _read(path) or _Kept(id=new_device_id(), attempt=0)
    except BlockingIOError:
        lock.close()
        raise DeviceInUseError(f"{path} is the device of another process that runs") from None
    except BaseException:
        lock.close()
        raise


def _read(path: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Kept)
    except (FileNotFoundError, msgspec.DecodeError):
        return None  # a first start, or half of a device, which is none


def _write(path: Path, kept: _Kept) -> None:
    # A crash leaves the old counter or the new one, never half of either.
    draft = path.with_name(f"{path.name}.new")
    with draft.open("wb") as file:
        file.write(msgspec.json.encode(kept))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
