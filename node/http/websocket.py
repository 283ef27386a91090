"""``/v1/session``: one client's WebSocket, from the upgrade to the close frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response, websocket

from node.http.connection import ClientConnection
from node.http.errors import error_response
from signalling.errors import ErrorCode

if TYPE_CHECKING:
    from node.http.api import Api


def websocket_blueprint(api: Api) -> Blueprint:
    """Make the resource."""
    blueprint = Blueprint("websocket", __name__)

    @blueprint.get("/v1/session")
    async def no_upgrade() -> Response:
        """Say what to do instead to whoever asks without an upgrade."""
        return error_response(
            ErrorCode.MALFORMED_MESSAGE,
            "This address takes a WebSocket: connect with wss:// (ws:// without TLS).",
        )

    @blueprint.websocket("/v1/session")
    async def session() -> Response | None:
        """Refuse pages from elsewhere before the upgrade; serve everybody else."""
        origin = websocket.headers.get("Origin")
        if origin is not None and not api.origins.is_allowed(origin, websocket.headers.get("Host", "")):
            return error_response(
                ErrorCode.ORIGIN_REFUSED, "Pages from that origin may not talk to this node (http.allowed_origins)."
            )
        if api.stopping.is_set():
            return error_response(ErrorCode.NODE_DRAINING, "This node is stopping; connect to another one.")
        await websocket.accept()
        connection = ClientConnection(
            backend=api.backend,
            wire=_QuartWire(),
            request_deadline_s=api.config.request_deadline_s,
            counters=api.connections,
        )
        await connection.run(api.stopping)
        return None

    return blueprint


class _QuartWire:
    """The socket of the task's own request; see :class:`node.http.connection.Wire`."""

    async def receive(self) -> str | bytes:
        message: str | bytes | None = await websocket.receive()
        # An empty binary message comes as None.
        return b"" if message is None else message

    async def send(self, text: str) -> None:
        await websocket.send(text)

    async def close(self, code: int, reason: str) -> None:
        await websocket.close(code, reason=reason)
