"""``/v1/rooms``: which rooms there are, a new one, and the first of two steps into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response

from node.http.backend import JoinRequest, RoomCreation
from node.http.body import bearer_token, json_response, read_body
from signalling.errors import ErrorCode, Refused
from signalling.ids import RoomId, is_room_id

if TYPE_CHECKING:
    from node.http.api import Api


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

    return blueprint


def _check_room(room: str) -> None:
    if not is_room_id(room):
        raise Refused(
            ErrorCode.ROOM_INVALID,
            "A room's name has 1 to 64 letters, digits, dots, hyphens and underscores, and starts with one of "
            "the first two.",
        )
