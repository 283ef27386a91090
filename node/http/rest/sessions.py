"""``/v1/sessions``: the way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response

from node.http.body import json_response, read_body
from signalling.client.admission import SessionRequest

if TYPE_CHECKING:
    from node.http.api import Api


def sessions_blueprint(api: Api) -> Blueprint:
    """Make the resource."""
    blueprint = Blueprint("sessions", __name__)

    @blueprint.post("/v1/sessions")
    async def create_session() -> Response:
        """Turn a user token, or the wish to come in as a guest, into a session token."""
        api.spend(api.session_pace, "sessions")
        granted = await api.backend.create_session(await read_body(SessionRequest))
        return json_response(granted, status=201)

    return blueprint
