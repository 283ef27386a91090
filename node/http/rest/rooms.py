"""``/v1/rooms``: which rooms there are, each of them, the first of two steps into one, and what was said in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quart import Blueprint, Response, request

from node.http.backend import JoinRequest
from node.http.body import bearer_token, json_response, read_body
from node.http.paging import named_limit, named_page
from node.http.revisions import has_revision, revisions_asked_for, with_revision
from signalling.client.messages import MAX_CHAT_PAGE
from signalling.client.rooms import RoomCreation, RoomPatch, check_room_name
from signalling.errors import ErrorCode, Refused
from signalling.ids import MessageId

if TYPE_CHECKING:
    from node.http.api import Api

MAX_MESSAGE_NAME: Final = 64
"""Characters of a message's id, as on the WebSocket."""

USUAL_CHAT_PAGE: Final = 50
"""Messages of a page that asks for no number."""


def rooms_blueprint(api: Api) -> Blueprint:
    """Make the resource."""
    blueprint = Blueprint("rooms", __name__)

    @blueprint.get("/v1/rooms")
    async def list_rooms() -> Response:
        """List the rooms by name, a page at a time."""
        after, limit = named_page()
        return json_response(await api.backend.room_desk.page(bearer_token(), after=after, limit=limit))

    @blueprint.post("/v1/rooms")
    async def create_room() -> Response:
        """Make a room under a name of the caller's choice."""
        creation = await read_body(RoomCreation)
        check_room_name(creation.room)
        made = await api.backend.room_desk.create(bearer_token(), creation)
        response = with_revision(json_response(made.details, status=201), made.revision)
        response.headers["Location"] = f"/v1/rooms/{made.details.room}"
        return response

    @blueprint.get("/v1/rooms/<room>")
    async def get_room(room: str) -> Response:
        """Show a room's definition; 304 where the caller has it already."""
        found = await api.backend.room_desk.get(bearer_token(), check_room_name(room))
        if has_revision(found.revision):
            return with_revision(Response(b"", status=304), found.revision)
        return with_revision(json_response(found.details), found.revision)

    @blueprint.patch("/v1/rooms/<room>")
    async def patch_room(room: str) -> Response:
        """Change what the body names."""
        name, patch = check_room_name(room), await read_body(RoomPatch)
        changed = await api.backend.room_desk.patch(bearer_token(), name, patch, revisions=revisions_asked_for())
        return with_revision(json_response(changed.details), changed.revision)

    @blueprint.delete("/v1/rooms/<room>")
    async def delete_room(room: str) -> Response:
        """Delete a room; whoever is inside loses the seat."""
        await api.backend.room_desk.delete(bearer_token(), check_room_name(room), revisions=revisions_asked_for())
        return Response(b"", status=204)

    @blueprint.post("/v1/rooms/<room>/join")
    async def join(room: str) -> Response:
        """Mint a room token for the session that the caller's token names."""
        name = check_room_name(room)
        return json_response(
            await api.backend.join_token(bearer_token(), name, await read_body(JoinRequest)), status=201
        )

    @blueprint.get("/v1/rooms/<room>/chat")
    async def chat(room: str) -> Response:
        """Show what was said in a room to somebody who sits in it."""
        name, limit = check_room_name(room), named_limit(MAX_CHAT_PAGE, usual=USUAL_CHAT_PAGE)
        page = await api.backend.chat_page(bearer_token(), name, before=_before(), limit=limit)
        return json_response({"messages": page.messages, "more": page.more})

    return blueprint


def _before() -> MessageId | None:
    text = request.args.get("before", "")
    if len(text) > MAX_MESSAGE_NAME:
        raise Refused(ErrorCode.MALFORMED_MESSAGE, "`before` names a message by its id, as `messages` of a page does.")
    return MessageId(text) if text else None
