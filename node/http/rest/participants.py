"""``/v1/rooms/{room}/participants``: who is there, out with somebody, and may somebody be quiet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response

from node.http.body import bearer_token, json_response, read_body
from signalling.client.rooms import KickRequest, MuteRequest, check_room_name
from signalling.ids import ParticipantId

if TYPE_CHECKING:
    from node.http.api import Api


def participants_blueprint(api: Api) -> Blueprint:
    """Make the resource."""
    blueprint = Blueprint("participants", __name__)
    at = "/v1/rooms/<room>/participants"

    @blueprint.get(at)
    async def participants(room: str) -> Response:
        """List who is in the room, on which node and in which region, since when; and who left, and when."""
        return json_response(await api.backend.room_desk.participants(bearer_token(), check_room_name(room)))

    @blueprint.post(f"{at}/<participant>/kick")
    async def kick(room: str, participant: str) -> Response:
        """End somebody's seat."""
        body = await read_body(KickRequest)
        await api.backend.room_desk.kick(bearer_token(), check_room_name(room), ParticipantId(participant), body)
        return Response(b"", status=204)

    @blueprint.post(f"{at}/<participant>/mute")
    async def mute(room: str, participant: str) -> Response:
        """Ask somebody to mute a track; it is up to them."""
        body = await read_body(MuteRequest)
        await api.backend.room_desk.ask_mute(bearer_token(), check_room_name(room), ParticipantId(participant), body)
        return Response(b"", status=204)

    return blueprint
