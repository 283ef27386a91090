"""``/v1/explain/track/{track}``: how a track gets from who publishes it to who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quart import Blueprint, Response

from node.http.body import bearer_token, json_response
from node.http.rest.placement_query import check_words
from signalling.errors import ErrorCode, Refused
from signalling.ids import TrackId

if TYPE_CHECKING:
    from node.http.api import Api

MAX_TRACK_NAME: Final = 128
"""Characters of a track's id; the nodes' own are shorter."""


def tracks_blueprint(api: Api) -> Blueprint:
    """Make the resource."""
    blueprint = Blueprint("tracks", __name__)

    @blueprint.get("/v1/explain/track/<track>")
    async def explain(track: str) -> Response:
        """Say which way a track takes, step by step, with what is measured on each."""
        check_words(())
        if len(track) > MAX_TRACK_NAME:
            raise Refused(ErrorCode.TRACK_UNKNOWN, "No track has a name as long as this.")
        return json_response(await api.backend.explain_track(bearer_token(), TrackId(track)))

    return blueprint
