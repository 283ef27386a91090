"""Getting a session token by HTTP: ``POST /v1/sessions``, the step before the WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import httpx
import msgspec
import trio

from signalling.client.refusal import NodeUnreachableError, RefusedByNodeError
from signalling.errors import ErrorCode, Refused
from signalling.ids import DEVICE_ID_PATTERN, DeviceId, UserId

if TYPE_CHECKING:
    import ssl

MAX_ADMISSION_BYTES: Final = 16 * 1024
"""Either way: two tokens of 4 KiB and room to spare."""

MAX_NAME_CHARACTERS: Final = 64
"""What a tile in a grid of participants can show."""

MAX_RETRY_DIGITS: Final = 6
"""Eleven days; a longer ``Retry-After`` is none."""


def shown_name(name: str) -> str:
    """A name as others see it, white space made even; empty for none.

    Raises:
        Refused: ``malformed_message``.
    """
    shown = " ".join(name.split())
    if len(shown) > MAX_NAME_CHARACTERS:
        raise Refused(
            ErrorCode.MALFORMED_MESSAGE, f"A name has at most {MAX_NAME_CHARACTERS} characters; choose a shorter one."
        )
    if not shown.isprintable():
        raise Refused(ErrorCode.MALFORMED_MESSAGE, "A name has no control characters; choose one that can be shown.")
    return shown


class SessionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Body of the request.

    Attributes:
        name: What others are to call you; empty for what the user token says, or a guest's name.
        device: The device that this is; without it the node draws one.
        token: A user token; without it one is a guest.
    """

    name: Annotated[str, msgspec.Meta(max_length=MAX_NAME_CHARACTERS)] = ""
    device: Annotated[DeviceId, msgspec.Meta(pattern=DEVICE_ID_PATTERN)] | None = None
    token: Annotated[str, msgspec.Meta(max_length=4096)] | None = None


class SessionGrant(msgspec.Struct, frozen=True, kw_only=True):
    """Body of the answer (201): who you are, and where to open the WebSocket.

    Attributes:
        token: The session token, for ``hello``.
        session_url: ``ws://`` or ``wss://`` address of this node's WebSocket.
        user: Minted for guests.
        device: Yours, or minted.
        expires_in_s: How long the token lives.
    """

    token: str
    session_url: str
    user: UserId
    device: DeviceId
    expires_in_s: float


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, in the body of every HTTP answer that is not 2xx."""

    code: str
    message: str
    highest_attempt: int | None = None


class ProblemBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body around a :class:`Problem`."""

    error: Problem


async def create_session(
    base_url: str,
    *,
    name: str,
    device: DeviceId | None = None,
    user_token: str | None = None,
    stay: bool = False,
    ssl_context: ssl.SSLContext | None = None,
    timeout_s: float = 10.0,
) -> SessionGrant:
    """Ask a node for a session token.

    Args:
        base_url: Where the node serves HTTP, such as ``http://127.0.0.1:7800``.
        name: What others are to call you.
        device: The device that this is, if it has been here before.
        user_token: Who you are; a guest has none.
        stay: Whether it has to be this node; otherwise one that is clearly nearer to you may answer in its place.
        ssl_context: For ``https``; the system's certificates otherwise.
        timeout_s: For the whole of it.

    Raises:
        RefusedByNodeError: The node said no.
        NodeUnreachableError: No connection, or an answer that no node gives, or none in time.
    """
    body = msgspec.json.encode(SessionRequest(name=name, device=device, token=user_token))
    url = f"{base_url.rstrip('/')}/v1/sessions{'?stay=1' if stay else ''}"
    try:
        with trio.fail_after(timeout_s):
            answer = await _post(url, body, ssl_context, timeout_s)
            if answer.status == httpx.codes.TEMPORARY_REDIRECT and _may_follow(url, answer.location):
                answer = await _post(answer.location, body, ssl_context, timeout_s)
    except (httpx.HTTPError, httpx.InvalidURL, trio.TooSlowError) as error:
        raise NodeUnreachableError(f"no answer from {base_url}: {error!r}") from error
    try:
        if answer.status == httpx.codes.CREATED:
            return msgspec.json.decode(answer.body, type=SessionGrant)
        problem = msgspec.json.decode(answer.body, type=ProblemBody).error
    except (msgspec.DecodeError, RecursionError) as error:
        raise NodeUnreachableError(f"{base_url} answers {answer.status}, but not as a node does") from error
    raise RefusedByNodeError(problem.code, problem.message, problem.highest_attempt, retry_after_s=answer.retry_after_s)


class _Answer(NamedTuple):
    """What of a node's answer counts."""

    status: int
    body: bytes
    retry_after_s: float | None
    location: str


def _may_follow(url: str, onward: str) -> bool:
    """Whether the body, which may hold a user token, may go there as well: to a node, and never out of TLS."""
    return onward.startswith("https://") or (onward.startswith("http://") and url.startswith("http://"))


async def _post(url: str, body: bytes, ssl_context: ssl.SSLContext | None, timeout_s: float) -> _Answer:
    headers = {"content-type": "application/json"}
    # No proxies from the environment: the WebSocket that follows goes straight to the node, too.
    async with (
        httpx.AsyncClient(verify=ssl_context or True, timeout=timeout_s, trust_env=False) as http,
        http.stream("POST", url, content=body, headers=headers) as response,
    ):
        # Read to the end even when it is too long: httpx's iterators must not be left half-way, and
        # the deadline ends what has no end.
        content, length = b"", 0
        async for chunk in response.aiter_bytes():
            length += len(chunk)
            content = content + chunk if length <= MAX_ADMISSION_BYTES else b""
        if length > MAX_ADMISSION_BYTES:
            raise httpx.DecodingError(f"an answer of more than {MAX_ADMISSION_BYTES} bytes")
        return _Answer(
            status=response.status_code,
            body=content,
            retry_after_s=_seconds(response.headers.get("retry-after", "")),
            location=response.headers.get("location", ""),
        )


def _seconds(text: str) -> float | None:
    """What a ``Retry-After`` in seconds says; the date that it may be instead is for other servers than ours."""
    return float(text) if text.isascii() and text.isdigit() and len(text) <= MAX_RETRY_DIGITS else None
