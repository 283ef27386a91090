"""One HTTP question to a node: straight to it, within a deadline, and no more of an answer than fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import httpx
import msgspec

from signalling.client.refusal import NodeUnreachableError, RefusedByNodeError

if TYPE_CHECKING:
    import ssl

__all__ = ["NodeAnswer", "Problem", "ProblemBody", "ask_node", "read_answer"]

MAX_RETRY_DIGITS: Final = 6
"""Eleven days; a longer ``Retry-After`` is none."""

T = TypeVar("T")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, in the body of every HTTP answer that is not 2xx."""

    code: str
    message: str
    highest_attempt: int | None = None


class ProblemBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body around a :class:`Problem`."""

    error: Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeAnswer:
    """What of a node's answer counts.

    Attributes:
        status: The HTTP status.
        body: All of it.
        retry_after_s: Seconds after which to ask again, where the node says so.
        location: Where a redirect leads; empty for none.
    """

    status: int
    body: bytes
    retry_after_s: float | None
    location: str


async def ask_node(
    method: str,
    url: str,
    *,
    max_bytes: int,
    timeout_s: float,
    body: bytes | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> NodeAnswer:
    """Ask once; redirects are not followed. The caller bounds the whole of it.

    Args:
        method: The HTTP method.
        url: Where.
        max_bytes: Of the answer.
        timeout_s: For each read and write.
        body: JSON to send.
        ssl_context: For ``https``; the system's certificates otherwise.

    Raises:
        httpx.HTTPError: No connection, no answer, or one that is too long.
        httpx.InvalidURL: That is none.
    """
    headers = {} if body is None else {"content-type": "application/json"}
    # No proxies from the environment: the WebSocket that follows goes straight to the node, too.
    async with (
        httpx.AsyncClient(verify=ssl_context or True, timeout=timeout_s, trust_env=False) as http,
        http.stream(method, url, content=body, headers=headers) as response,
    ):
        # Read to the end even when it is too long: httpx's iterators must not be left half-way, and
        # the deadline ends what has no end.
        content, length = b"", 0
        async for chunk in response.aiter_bytes():
            length += len(chunk)
            content = content + chunk if length <= max_bytes else b""
        if length > max_bytes:
            raise httpx.DecodingError(f"an answer of more than {max_bytes} bytes")
        return NodeAnswer(
            status=response.status_code,
            body=content,
            retry_after_s=_seconds(response.headers.get("retry-after", "")),
            location=response.headers.get("location", ""),
        )


def read_answer(answer: NodeAnswer, base_url: str, *, status: int, kind: type[T]) -> T:
    """The body of an answer of this status; any other is the node's refusal.

    Raises:
        RefusedByNodeError: The node said no.
        NodeUnreachableError: No node answers so.
    """
    try:
        if answer.status == status:
            return msgspec.json.decode(answer.body, type=kind)
        problem = msgspec.json.decode(answer.body, type=ProblemBody).error
    except (msgspec.DecodeError, RecursionError) as error:
        raise NodeUnreachableError(f"{base_url} answers {answer.status}, but not as a node does") from error
    raise RefusedByNodeError(problem.code, problem.message, problem.highest_attempt, retry_after_s=answer.retry_after_s)


def _seconds(text: str) -> float | None:
    """What a ``Retry-After`` in seconds says; the date that it may be instead is for other servers than ours."""
    return float(text) if text.isascii() and text.isdigit() and len(text) <= MAX_RETRY_DIGITS else None
