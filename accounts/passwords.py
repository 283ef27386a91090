"""Hashes of passwords: argon2id, in threads of its own, a bounded number at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import argon2
import trio
from typing_extensions import TypeVarTuple

from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Passwords"]

TIME_COST: Final = 2
MEMORY_KIB: Final = 19 * 1024
PARALLELISM: Final = 1
"""argon2id with 19 MiB, 2 passes, 1 lane: the OWASP Password Storage Cheat Sheet's first choice. RFC 9106's own
(64 MiB, 3 passes, 4 lanes) takes 130 ms of four cores (measured), which a node owes to its calls."""

THREADS: Final = 2
"""Hashes at once: 38 MiB, and never more than two cores taken from media."""

MAX_WAITING: Final = 64
"""Hashes that wait for a thread: with some 30 ms each, the last one waits a second."""

_Arguments = TypeVarTuple("_Arguments")
_Result = TypeVar("_Result")


class Passwords:
    """Hashes and checks; made once for a node.

    Each call takes some 30 ms in a thread. A cancelled call gives its thread back when the hash is done.
    """

    def __init__(self, *, time_cost: int = TIME_COST, memory_kib: int = MEMORY_KIB) -> None:
        self._hasher = argon2.PasswordHasher(
            time_cost=time_cost, memory_cost=memory_kib, parallelism=PARALLELISM, type=argon2.Type.ID
        )
        self._limiter = trio.CapacityLimiter(THREADS)
        salt, tag = "A" * 22, "A" * 43
        self._nobodys = f"$argon2id$v=19$m={memory_kib},t={time_cost},p={PARALLELISM}${salt}${tag}"
        self.hashes = 0

    async def hash(self, password: str) -> str:
        """Hash under a fresh salt; in the PHC string format, which holds the parameters.

        Raises:
            Refused: `rate_limited`: too many wait already.
        """
        return await self._in_thread(self._hasher.hash, password)

    async def check(self, password_hash: str | None, password: str) -> bool:
        """Say whether the password fits the hash; None, nobody's, takes as long and never fits.

        Raises:
            Refused: `rate_limited`: too many wait already.
        """
        fits = await self._in_thread(self._fits, self._nobodys if password_hash is None else password_hash, password)
        return fits and password_hash is not None

    def is_dated(self, password_hash: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def _fits(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
        if self._limiter.statistics().tasks_waiting >= MAX_WAITING:
            raise Refused(ErrorCode.RATE_LIMITED, "Too many people log in at the moment; try again in a few seconds.")
        self.hashes += 1
        return await trio.to_thread.run_sync(work, *arguments, abandon_on_cancel=True, limiter=self._limiter)
