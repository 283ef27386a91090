"""Getting a session token by HTTP: ``POST /v1/sessions``, the step before the WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import httpx
import msgspec
import trio

from signalling.client.asking import NodeAnswer, ask_node, read_answer
from signalling.client.refusal import NodeUnreachableError
from signalling.errors import ErrorCode, Refused
from signalling.ids import DEVICE_ID_PATTERN, DeviceId, UserId

if TYPE_CHECKING:
    import ssl

MAX_ADMISSION_BYTES: Final = 16 * 1024
"""Either way: two tokens of 4 KiB and room to spare."""

MAX_NAME_CHARACTERS: Final = 64
"""What a tile in a grid of participants can show."""


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

    async def post(to: str) -> NodeAnswer:
        return await ask_node(
            "POST", to, body=body, max_bytes=MAX_ADMISSION_BYTES, timeout_s=timeout_s, ssl_context=ssl_context
        )

    try:
        with trio.fail_after(timeout_s):
            answer = await post(url)
            if answer.status == httpx.codes.TEMPORARY_REDIRECT and _may_follow(url, answer.location):
                answer = await post(answer.location)
    except (httpx.HTTPError, httpx.InvalidURL, trio.TooSlowError) as error:
        raise NodeUnreachableError(f"no answer from {base_url}: {error!r}") from error
    return read_answer(answer, base_url, status=httpx.codes.CREATED, kind=SessionGrant)


def _may_follow(url: str, onward: str) -> bool:
    """Whether the body, which may hold a user token, may go there as well: to a node, and never out of TLS."""
    return onward.startswith("https://") or (onward.startswith("http://") and url.startswith("http://"))
