"""``/healthz``: the process answers. ``/readyz``: send it clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response

from node.http.body import json_response
from node.http.errors import RETRY_AFTER_ELSE_S

if TYPE_CHECKING:
    from node.http.api import Api


def health_blueprint(api: Api) -> Blueprint:
    """Make the resource."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    async def healthz() -> Response:
        """Say that the process is alive; a restart would not help, whatever else is wrong."""
        return json_response({"status": "ok"})

    @blueprint.get("/readyz")
    async def readyz() -> Response:
        """Say whether new clients are welcome, and if not, why; `degraded` is welcome, with something missing."""
        problems, missing = api.backend.readiness(), api.backend.degradations()
        status = "unready" if problems else "degraded" if missing else "ready"
        body = {"status": status, "reasons": problems or missing}
        response = json_response(body, status=503 if problems else 200)
        if problems:
            response.headers["Retry-After"] = str(RETRY_AFTER_ELSE_S)
        return response

    return blueprint
