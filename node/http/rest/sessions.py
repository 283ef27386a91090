"""``/v1/sessions``: the way in, or to the node where it is shorter."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from quart import Blueprint, Response, request

from node.http.body import json_response, read_body
from node.http.candidates import TakenElsewhere
from node.http.origins import origin_of
from node.http.rest.placement_query import flag, read_query
from signalling.client.admission import SessionRequest
from signalling.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.http.api import Api
    from node.http.candidates import LeftOut, NodeCandidate

REFUSALS: Final[Mapping[str, ErrorCode]] = MappingProxyType(
    {
        "draining": ErrorCode.NODE_DRAINING,
        "ineligible": ErrorCode.NODE_FULL,
        "residency": ErrorCode.ROOM_NOT_HERE,
    }
)
"""What is said where a node is no candidate for a session, by why not; for any other reason it takes people all the
same, where they cannot be sent on."""


def sessions_blueprint(api: Api) -> Blueprint:
    """Make the resource."""
    blueprint = Blueprint("sessions", __name__)

    @blueprint.post("/v1/sessions")
    async def create_session() -> Response:
        """Turn a user token, or the wish to come in as a guest, into a session token.

        A client that is known to be much nearer to another node is told so by a 307, unless it says ``stay=1``. So is
        everybody where this node takes nobody new, or not for that room; who cannot be sent on, or insists, is refused
        with the nodes that take them.
        """
        api.spend(api.session_pace, "sessions")
        query, stays = read_query(api, "stay"), flag("stay")
        wanted = await read_body(SessionRequest)
        may_go = not stays and _may_be_sent_on(api)
        place = await api.backend.session_place(query, wanted, may_go=may_go)
        if place.better is not None and may_go:
            return _sent_on(place.better)
        if place.left_out is not None and place.left_out.code in REFUSALS:
            raise _refused(place.left_out, place.nodes)
        granted = await api.backend.create_session(wanted)
        return json_response(granted, status=201)

    return blueprint


def _refused(left_out: LeftOut, nodes: tuple[NodeCandidate, ...]) -> TakenElsewhere:
    code = REFUSALS[left_out.code]
    next_step = "ask one of `nodes`." if nodes else "and no other node would take you now; try again later."
    return TakenElsewhere(code, f"This node does not take you: {left_out.text}; {next_step}", nodes)


def _may_be_sent_on(api: Api) -> bool:
    """Whether whoever asks can follow: a program, or a page of this very node.

    A page that asks across origins and is sent on to a third one says ``Origin: null`` there (Fetch standard,
    "HTTP-redirect fetch"), and no node lets that in.
    """
    origin = request.headers.get("Origin")
    return origin is None or origin_of(origin) in {
        origin_of(api.public_url),
        origin_of(f"{request.scheme}://{request.host}"),
    }


def _sent_on(better: NodeCandidate) -> Response:
    """307: the same request, there; it is not sent on again, as two nodes may see the world differently."""
    response = json_response({"better": better}, status=307)
    response.headers["Location"] = f"{better.url.rstrip('/')}/v1/sessions?stay=1"
    return response
