"""``/v1/rooms/{room}/invitations``: what lets somebody in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response

from node.http.body import bearer_token, json_response, read_body
from node.http.paging import named_page
from signalling.client.rooms import InvitationRequest, check_room_name

if TYPE_CHECKING:
    from node.http.api import Api


def invitations_blueprint(api: Api) -> Blueprint:
    """Make the resource."""
    blueprint = Blueprint("invitations", __name__)

    @blueprint.post("/v1/rooms/<room>/invitations")
    async def invite(room: str) -> Response:
        """Make an invitation; its token is shown this once."""
        body = await read_body(InvitationRequest)
        return json_response(
            await api.backend.room_desk.invite(bearer_token(), check_room_name(room), body), status=201
        )

    @blueprint.get("/v1/rooms/<room>/invitations")
    async def invitations(room: str) -> Response:
        """List the invitations that hold, without their tokens, a page at a time."""
        after, limit = named_page()
        found = await api.backend.room_desk.invitations(bearer_token(), check_room_name(room), after=after, limit=limit)
        return json_response(found)

    @blueprint.delete("/v1/rooms/<room>/invitations/<invitation>")
    async def revoke(room: str, invitation: str) -> Response:
        """Make one worth nothing."""
        await api.backend.room_desk.revoke_invitation(bearer_token(), check_room_name(room), invitation)
        return Response(b"", status=204)

    return blueprint
