"""The one file that speaks redis-py: threads, deadlines, a breaker and one vocabulary of errors.

redis-py's synchronous client in worker threads has the lowest latency of the clients we measured,
but its defaults retry for seconds against a stopped server. So: no retries, a socket timeout below the
deadline, threads of our own number, calls abandoned at the deadline. An abandoned thread keeps its
place until its socket times out, and what it sent may still land: such a change has an unknown outcome.
"""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

import redis
import trio
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    InvalidResponse,
    NoScriptError,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

from durable.breaker import Breaker
from durable.errors import StoreOutcomeUnknownError, StoreSetupError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["Command", "RedisConnection", "RedisStatistics", "ScriptCall", "open_redis"]

THREADS: Final = 16
"""Calls on the wire at once, and sockets to the server: at 0.1 ms each, far above what a node asks."""

SOCKET_TIMEOUT_SHARE: Final = 0.75
"""The socket gives up before the caller's deadline, so that most timeouts free their thread in time."""

START_DEADLINE_S: Final = 5.0
"""For the check at start-up, where a server that still loads its file deserves a moment."""

Command: TypeAlias = tuple[str | bytes | int, ...]
"""One command, its name first."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """One run of a script: its keys, which share a hash tag, and its arguments."""

    keys: tuple[str, ...]
    arguments: tuple[str | bytes | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisStatistics:
    """Counters since start.

    Attributes:
        calls: round trips tried.
        failures: of these, ended by an error or a deadline.
        turned_away: calls refused by the open breaker.
        breaker_open: whether it is open now.
    """

    calls: int
    failures: int
    turned_away: int
    breaker_open: bool


class RedisConnection:
    """Redis behind threads; made by :func:`open_redis`.

    Every call returns within `deadline_s` and may be cancelled: its outcome is then unknown.

    Attributes:
        answered: whether the server did when it was asked at the opening.
    """

    def __init__(self, client: redis.Redis, *, deadline_s: float, answered: bool = True) -> None:
        self.deadline_s = deadline_s
        self.answered = answered
        self._client = client
        self._limiter = trio.CapacityLimiter(THREADS)
        self._breaker = Breaker()
        self._calls = 0
        self._failures = 0
        self._turned_away = 0

    async def run_script(self, script: str, calls: tuple[ScriptCall, ...]) -> tuple[list[bytes], ...]:
        """Run a script once per call, all in one round trip; replies in the order asked.

        Raises:
            StoreUnavailableError: not sent, or refused by the server.
            StoreOutcomeUnknownError: sent, and no answer in time.
        """
        if not calls:
            await trio.lowlevel.checkpoint()
            return ()
        return await self._in_thread(lambda: _run_script(self._client, script, calls))

    async def run(self, commands: tuple[Command, ...]) -> tuple[Any, ...]:
        """Send commands in one round trip; their answers as redis-py parses them, in the order asked.

        Raises:
            StoreUnavailableError: not sent, or refused by the server.
            StoreOutcomeUnknownError: sent, and no answer in time.
        """
        return await self._in_thread(lambda: _run_commands(self._client, commands))

    def statistics(self) -> RedisStatistics:
        """How the connection fares."""
        return RedisStatistics(
            calls=self._calls,
            failures=self._failures,
            turned_away=self._turned_away,
            breaker_open=self._breaker.is_open,
        )

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        if not self._breaker.may_pass(trio.current_time()):
            self._turned_away += 1
            await trio.lowlevel.checkpoint()
            raise StoreUnavailableError("the store does not answer; it is asked again in a moment")
        self._calls += 1
        learn: Callable[[], None] = self._breaker.abandoned
        answered: list[_Result] = []
        try:
            with trio.move_on_after(self.deadline_s):
                await trio.to_thread.run_sync(
                    lambda: answered.append(work()), abandon_on_cancel=True, limiter=self._limiter
                )
            if not answered:
                raise trio.TooSlowError
            # There even when the deadline came first: a busy loop was late to read it, the store was not to answer.
            (result,) = answered
            learn = self._breaker.succeeded
        except ResponseError as error:
            # An answer in time, if no good one: what somebody asked must not keep others from asking.
            learn = self._note_refusal
            raise StoreUnavailableError(f"the store refused the change: {error}") from error
        except (RedisError, OSError, trio.TooSlowError) as error:
            learn = self._note_failure
            raise StoreOutcomeUnknownError(f"no answer from the store in {self.deadline_s} s") from error
        finally:
            # A client that hangs up at once cancels its call; that says nothing about the server.
            learn()
        return result

    def _note_refusal(self) -> None:
        self._failures += 1
        self._breaker.succeeded()

    def _note_failure(self) -> None:
        self._failures += 1
        self._breaker.failed(trio.current_time())


@asynccontextmanager
async def open_redis(url: str, *, deadline_s: float = 0.4, may_be_away: bool = False) -> AsyncIterator[RedisConnection]:
    """Connect to `redis://[user:password@]host:port/db`, `rediss://...` or `unix:///path?db=0`.

    The server is asked once before this enters; afterwards it may come and go.

    Args:
        url: where Redis listens.
        deadline_s: for every call.
        may_be_away: enter also where no server answers; one that refuses us or takes no changes is an error all along.

    Raises:
        StoreSetupError: `store_unavailable`, with what is wrong with the server or the URL.
    """
    try:
        client: redis.Redis = redis.Redis.from_url(
            url,
            socket_timeout=deadline_s * SOCKET_TIMEOUT_SHARE,
            socket_connect_timeout=deadline_s * SOCKET_TIMEOUT_SHARE,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            # Nothing is said before our first command: a refusal of the server is then the answer we see.
            driver_info=redis.DriverInfo(name="", lib_version=""),
        )
    except ValueError as error:
        raise StoreSetupError(
            "store_unavailable", "the Redis URL is not one of redis://host:port/db, rediss://... or unix:///path"
        ) from error
    try:
        answered = True
        try:
            await _check_server(client, _where(url))
        except StoreSetupError as error:
            if not (may_be_away and error.is_away):
                raise
            answered = False
        yield RedisConnection(client, deadline_s=deadline_s, answered=answered)
    finally:
        client.close()


async def _check_server(client: redis.Redis, where: str) -> None:
    try:
        with trio.fail_after(START_DEADLINE_S):
            ((role, *_),) = await trio.to_thread.run_sync(
                lambda: _run_commands(client, (("ROLE",),)), abandon_on_cancel=True
            )
    except (AuthenticationError, AuthorizationError) as error:
        raise StoreSetupError(
            "store_unavailable", f"Redis at {where} wants another user or password; put them into the URL"
        ) from error
    except (RedisError, OSError, trio.TooSlowError) as error:
        raise StoreSetupError("store_unavailable", _why_unusable(where, error), is_away=True) from error
    if role != b"master":
        raise StoreSetupError(
            "store_unavailable", f"Redis at {where} is a replica and takes no changes; use the address of its master"
        )


def _why_unusable(where: str, error: Exception) -> str:
    said = str(error)
    if "protected mode" in said:
        return f"Redis at {where} is in protected mode; give it a password or let it listen where the nodes are"
    if "NOAUTH" in said or "NOPERM" in said:
        return f"Redis at {where} wants another user or password; put them into the URL"
    if isinstance(error, InvalidResponse | ResponseError):
        return f"what listens at {where} is not a Redis server that we can use; check the URL"
    return f"Redis at {where} cannot be reached; is it running, and is the URL right?"


def _where(url: str) -> str:
    """The address without user and password: it is printed."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"


def _run_commands(client: redis.Redis, commands: tuple[Command, ...]) -> tuple[Any, ...]:
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
    return tuple(pipeline.execute())


def _run_script(client: redis.Redis, script: str, calls: tuple[ScriptCall, ...]) -> tuple[list[bytes], ...]:
    """All calls by digest in one pipeline; a server that forgot the script gets it and the missed calls."""
    digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
    replies = _evalsha(client, digest, calls)
    missed = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if missed:
        client.script_load(script)
        for index, reply in zip(missed, _evalsha(client, digest, tuple(calls[i] for i in missed)), strict=True):
            replies[index] = reply
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return tuple(replies)


def _evalsha(client: redis.Redis, digest: str, calls: tuple[ScriptCall, ...]) -> list[Any]:
    pipeline = client.pipeline(transaction=False)
    for call in calls:
        pipeline.evalsha(digest, len(call.keys), *call.keys, *call.arguments)
    return list(pipeline.execute(raise_on_error=False))
