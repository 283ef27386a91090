"""``/v1/nodes``: which node a client should take."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from quart import Blueprint, Response, request

from node.http.backend import CandidateQuery
from node.http.body import json_response
from signalling.errors import ErrorCode, Refused
from signalling.ids import RoomId, is_room_id

if TYPE_CHECKING:
    from node.http.api import Api

MAX_LATITUDE = 90.0
MAX_LONGITUDE = 180.0


def nodes_blueprint(api: Api) -> Blueprint:
    """Make the resource."""
    blueprint = Blueprint("nodes", __name__)

    @blueprint.get("/v1/nodes")
    async def candidates() -> Response:
        """Order the nodes for this client, best first; ``latitude``, ``longitude`` and ``room`` may be given."""
        latitude, longitude = _degrees("latitude", MAX_LATITUDE), _degrees("longitude", MAX_LONGITUDE)
        if (latitude is None) != (longitude is None):
            raise Refused(ErrorCode.MALFORMED_MESSAGE, "latitude and longitude come together.")
        query = CandidateQuery(
            latitude=latitude, longitude=longitude, room=_room(), spread_key=api.client_key().encode()
        )
        return json_response({"nodes": await api.backend.candidates(query)})

    return blueprint


def _degrees(name: str, bound: float) -> float | None:
    text = request.args.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not -bound <= value <= bound:
        raise Refused(ErrorCode.MALFORMED_MESSAGE, f"{name} is a number from {-bound:g} to {bound:g}.")
    return value


def _room() -> RoomId | None:
    text = request.args.get("room")
    if text is None:
        return None
    if not is_room_id(text):
        raise Refused(ErrorCode.ROOM_INVALID, "That is no name of a room.")
    return RoomId(text)
