"""``/v1/rooms/{room}/bans``: who may not come in, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response

from node.http.body import bearer_token, json_response, read_body
from node.http.paging import named_page
from signalling.client.rooms import BanRequest, check_room_name
from signalling.ids import UserId

if TYPE_CHECKING:
    from node.http.api import Api


def bans_blueprint(api: Api) -> Blueprint:
    """Make the resource; a user id may have slashes in it."""
    blueprint = Blueprint("bans", __name__)

    @blueprint.get("/v1/rooms/<room>/bans")
    async def bans(room: str) -> Response:
        """List who is banned, by user, a page at a time."""
        after, limit = named_page()
        found = await api.backend.room_desk.bans(bearer_token(), check_room_name(room), after=after, limit=limit)
        return json_response(found)

    @blueprint.put("/v1/rooms/<room>/bans/<path:user>")
    async def ban(room: str, user: str) -> Response:
        """Ban somebody; who is inside loses the seat."""
        body = await read_body(BanRequest)
        return json_response(await api.backend.room_desk.ban(bearer_token(), check_room_name(room), UserId(user), body))

    @blueprint.delete("/v1/rooms/<room>/bans/<path:user>")
    async def lift_ban(room: str, user: str) -> Response:
        """Lift a ban."""
        await api.backend.room_desk.lift_ban(bearer_token(), check_room_name(room), UserId(user))
        return Response(b"", status=204)

    return blueprint
