"""``/v1/rooms``: which rooms there are, a new one, the first of two steps into one, and what was said in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quart import Blueprint, Response, request

from node.http.backend import JoinRequest, RoomCreation
from node.http.body import bearer_token, json_response, read_body
from signalling.client.messages import MAX_CHAT_PAGE
from signalling.errors import ErrorCode, Refused
from signalling.ids import MessageId, RoomId, is_room_id

if TYPE_CHECKING:
    from node.http.api import Api

MAX_MESSAGE_NAME: Final = 64
"""Characters of a message's id, as on the WebSocket."""


def rooms_blueprint(api: Api) -> Blueprint:
    """Make the resource."""
    blueprint = Blueprint("rooms", __name__)

    @blueprint.get("/v1/rooms")
    async def list_rooms() -> Response:
        """List the rooms that this node knows."""
        return json_response({"rooms": await api.backend.list_rooms(bearer_token())})

    @blueprint.post("/v1/rooms")
    async def create_room() -> Response:
        """Make a room under a name of the caller's choice."""
        creation = await read_body(RoomCreation)
        _check_room(creation.room)
        return json_response(await api.backend.create_room(bearer_token(), creation), status=201)

    @blueprint.post("/v1/rooms/<room>/join")
    async def join(room: str) -> Response:
        """Mint a room token for the session that the caller's token names."""
        _check_room(room)
        return json_response(
            await api.backend.join_token(bearer_token(), RoomId(room), await read_body(JoinRequest)), status=201
        )

    @blueprint.get("/v1/rooms/<room>/chat")
    async def chat(room: str) -> Response:
        """Show what was said in a room to somebody who sits in it."""
        _check_room(room)
        page = await api.backend.chat_page(bearer_token(), RoomId(room), before=_before(), limit=_limit())
        return json_response({"messages": page.messages, "more": page.more})

    return blueprint


def _before() -> MessageId | None:
    text = request.args.get("before", "")
    if len(text) > MAX_MESSAGE_NAME:
        raise Refused(ErrorCode.MALFORMED_MESSAGE, "`before` names a message by its id, as `messages` of a page does.")
    return MessageId(text) if text else None


def _limit() -> int:
    text = request.args.get("limit", "50")
    if not (
        text.isascii() and text.isdigit() and len(text) <= len(str(MAX_CHAT_PAGE)) and 1 <= int(text) <= MAX_CHAT_PAGE
    ):
        raise Refused(ErrorCode.MALFORMED_MESSAGE, f"`limit` is a number of messages from 1 to {MAX_CHAT_PAGE}.")
    return int(text)


def _check_room(room: str) -> None:
    if not is_room_id(room):
        raise Refused(
            ErrorCode.ROOM_INVALID,
            "A room's name has 1 to 64 letters, digits, dots, hyphens and underscores, and starts with one of "
            "the first two.",
        )
