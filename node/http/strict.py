r"""HTTP/1.1 as strict as RFC 9112 allows a server to be.

What proxies and servers read differently lets one client's bytes pass as another's request
(request smuggling), so whatever is ambiguous is refused and the connection closed:

- a head or chunk trailer with a bare line feed, or a folded header line (sections 2.2 and 5.2);
- ``Content-Length`` beside ``Transfer-Encoding`` (section 6.1);
- ``CONNECT``, and every request target that is not a path (section 3.2);
- any version but 1.0 and 1.1, and with it HTTP/2 by upgrade or by prior knowledge: one parser to
  keep safe, and browsers open WebSockets over 1.1 anyway.

WebSocket extensions are not offered: inflating a client's frame may take a thousand times its size. A message beyond
what Hypercorn buffers is refused by Hypercorn itself, with a bare 1009; :class:`WordyWSStream` says it as the node says
it of shorter ones.

The classes override what Hypercorn 0.18 and h11 0.16 keep to themselves; both are pinned, and
``tests/unit/node/http/test_guard.py`` notices when they change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import h11
from h11._receivebuffer import ReceiveBuffer
from hypercorn.events import Closed
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.ws_stream import WSStream
from typing_extensions import override
from wsproto.events import CloseConnection, TextMessage
from wsproto.frame_protocol import CloseReason

from signalling.client.closing import close_code
from signalling.client.codec import encode
from signalling.client.messages import MAX_CLIENT_MESSAGE_BYTES, Error
from signalling.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsproto.events import Event as WSEvent

VERSIONS: Final = frozenset({b"1.0", b"1.1"})

MAX_HEAD_BYTES: Final = 16 * 1024
"""Request line and headers; a browser sends 1-2 kB."""

UNOFFERED_HEADER: Final = b"sec-websocket-extensions"


class StrictReceiveBuffer(ReceiveBuffer):
    """Takes lines that end in CR LF alone, and no folded ones."""

    @override
    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Give the lines up to the first blank one, when it is there.

        Raises:
            h11.RemoteProtocolError: They are too long together, one ends in a bare line feed, or one
                continues the one before.
        """
        before = bytes(self._data)
        lines = super().maybe_extract_lines()
        if lines is None:
            return None
        head = before[: len(before) - len(self._data)]
        if len(head) > MAX_HEAD_BYTES:
            # h11 itself bounds only a head that is still incomplete.
            raise h11.RemoteProtocolError("the head is too long", error_status_hint=431)
        if head.count(b"\n") != head.count(b"\r\n"):
            raise h11.RemoteProtocolError("a line ends in a bare line feed")
        if any(line.startswith((b" ", b"\t")) for line in lines):
            raise h11.RemoteProtocolError("a header line is folded")
        return lines


class StrictH11Protocol(H11Protocol):
    """Hypercorn's HTTP/1.1 side of a connection, with the ambiguous refused."""

    @override
    async def initiate(self) -> None:
        """Put the strict buffer in place before the first byte comes."""
        await super().initiate()
        if isinstance(self.connection, h11.Connection):
            self.connection._receive_buffer = StrictReceiveBuffer()

    @override
    async def _check_protocol(self, event: h11.Request) -> None:
        """Stay with HTTP/1.1 whatever is asked for."""

    @override
    async def _create_stream(self, request: h11.Request) -> None:
        status = refusal(request.method, request.target, request.http_version, [name for name, _ in request.headers])
        if status is not None:
            await self._send_error_response(status)
            await self.send(Closed())
            return
        offered = [(name, value) for name, value in request.headers if name != UNOFFERED_HEADER]
        await super()._create_stream(
            h11.Request(
                method=request.method, target=request.target, headers=offered, http_version=request.http_version
            )
        )


class WordyWSStream(WSStream):
    """Hypercorn's WebSocket, which says why when it closes one over a message that is too long."""

    @override
    async def _send_wsproto_event(self, event: WSEvent) -> None:
        if isinstance(event, CloseConnection) and event.code == CloseReason.MESSAGE_TOO_BIG:
            code = ErrorCode.MESSAGE_TOO_LARGE
            word = Error(code=code, message=f"A message may have {MAX_CLIENT_MESSAGE_BYTES} bytes at most.")
            await super()._send_wsproto_event(TextMessage(data=encode(word)))
            event = CloseConnection(code=close_code(code), reason=code)
        await super()._send_wsproto_event(event)


def refusal(method: bytes, target: bytes, version: bytes, header_names: Sequence[bytes]) -> int | None:
    """Give the status that refuses a request head, or ``None`` for a good one."""
    if version not in VERSIONS:
        return 505
    if method == b"CONNECT":
        return 405
    if not target.startswith(b"/"):
        return 400
    if b"content-length" in header_names and b"transfer-encoding" in header_names:
        return 400
    return None
