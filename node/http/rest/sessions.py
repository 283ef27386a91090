"""``/v1/sessions``: the way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from quart import Blueprint, Response

from node.http.body import json_response, read_body
from signalling.client.admission import SessionRequest
from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from node.http.api import Api


def sessions_blueprint(api: Api) -> Blueprint:
    """Make the resource."""
    blueprint = Blueprint("sessions", __name__)

    @blueprint.post("/v1/sessions")
    async def create_session() -> Response:
        """Turn a user token, or the wish to come in as a guest, into a session token."""
        if not api.session_pace.take(api.client_key(), trio.current_time()):
            raise Refused(ErrorCode.RATE_LIMITED, "Too many sessions from this address; try again in a minute.")
        granted = await api.backend.create_session(await read_body(SessionRequest))
        return json_response(granted, status=201)

    return blueprint
