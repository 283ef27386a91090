"""``/v1/nodes``: which node a client should take; ``/v1/explain/placement``: and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response

from node.http.body import json_response
from node.http.rest.placement_query import read_query

if TYPE_CHECKING:
    from node.http.api import Api


def nodes_blueprint(api: Api) -> Blueprint:
    """Make the resources."""
    blueprint = Blueprint("nodes", __name__)

    @blueprint.before_request
    async def pace_questions() -> None:
        # Each weighs all nodes of the cluster, for whoever asks: nobody has to come in first.
        api.spend(api.placement_pace, "questions for nodes")

    @blueprint.get("/v1/nodes")
    async def candidates() -> Response:
        """Order the nodes for this client, best first; see placement_query.py for what it may say of itself."""
        return json_response({"nodes": await api.backend.candidates(read_query(api))})

    @blueprint.get("/v1/explain/placement")
    async def explain() -> Response:
        """Say what the same question is answered with, from what, and what the alternatives cost."""
        return json_response(await api.backend.explain_placement(read_query(api)))

    return blueprint
