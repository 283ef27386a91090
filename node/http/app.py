"""The Quart application: all resources, deadlines, origins, and JSON for every error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
import trio
from quart import Response, request
from quart_trio import QuartTrio
from typing_extensions import override
from werkzeug.exceptions import HTTPException

from node.http.candidates import TakenElsewhere
from node.http.errors import OF_STATUS, error_response
from node.http.origins import CORS_EXPOSED, CORS_HEADERS, CORS_METHODS, PREFLIGHT_CACHE_S
from node.http.rest.accounts import accounts_blueprint
from node.http.rest.bans import bans_blueprint
from node.http.rest.health import health_blueprint
from node.http.rest.invitations import invitations_blueprint
from node.http.rest.keys import keys_blueprint
from node.http.rest.metrics import metrics_blueprint
from node.http.rest.nodes import nodes_blueprint
from node.http.rest.page import WEB_ROOT, page_blueprint
from node.http.rest.participants import participants_blueprint
from node.http.rest.rooms import rooms_blueprint
from node.http.rest.sessions import sessions_blueprint
from node.http.rest.tracks import tracks_blueprint
from node.http.revisions import with_revision
from node.http.websocket import websocket_blueprint
from signalling.errors import ErrorCode, Refused, RevisionConflict, RoomElsewhere

if TYPE_CHECKING:
    from pathlib import Path

    from quart.ctx import RequestContext
    from quart.typing import ResponseReturnValue

    from node.http.api import Api

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

API_PREFIX = "/v1/"
SDK_PREFIX = "/sdk/"
ROOMS_PREFIX = "/v1/rooms"

_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class NodeApp(QuartTrio):
    """Quart with a deadline on every request."""

    request_deadline_s: float

    @override
    async def dispatch_request(self, request_context: RequestContext | None = None) -> ResponseReturnValue:
        """Run the handler of a request.

        Raises:
            trio.TooSlowError: It did not answer in time.
        """
        with trio.fail_after(self.request_deadline_s):
            return await super().dispatch_request(request_context)


def build_app(api: Api, *, web_root: Path = WEB_ROOT) -> NodeApp:
    """Make the application. It owns no task: whatever lives longer than a request is the backend's."""
    app = NodeApp("node.http", static_folder=None)
    app.request_deadline_s = api.config.request_deadline_s
    app.config["MAX_CONTENT_LENGTH"] = api.config.max_body_bytes
    app.config["BODY_TIMEOUT"] = api.config.read_deadline_s
    # The guard times every send; a page over a slow line is not an error.
    app.config["RESPONSE_TIMEOUT"] = None
    # The page's folders are addresses of their own.
    app.url_map.redirect_defaults = False
    for blueprint in (
        sessions_blueprint(api),
        accounts_blueprint(api),
        rooms_blueprint(api),
        participants_blueprint(api),
        bans_blueprint(api),
        invitations_blueprint(api),
        nodes_blueprint(api),
        tracks_blueprint(api),
        keys_blueprint(api),
        health_blueprint(api),
        metrics_blueprint(api),
        websocket_blueprint(api),
        page_blueprint(web_root),
    ):
        app.register_blueprint(blueprint)
    _add_cors(app, api)
    _add_pace(app, api)
    _add_errors(app)
    return app


def _add_cors(app: NodeApp, api: Api) -> None:
    @app.before_request
    async def check_origin() -> Response | None:
        origin = request.headers.get("Origin")
        if origin is None or not _is_shared(request.path):
            return None
        if not api.origins.is_allowed(origin, request.host):
            return error_response(
                ErrorCode.ORIGIN_REFUSED, "Pages from that origin may not talk to this node (http.allowed_origins)."
            )
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return Response(b"", status=204)
        return None

    @app.after_request
    async def add_cors_headers(response: Response) -> Response:
        if not _is_shared(request.path):
            return response
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin is not None and api.origins.is_allowed(origin, request.host):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = CORS_EXPOSED
            if request.method == "OPTIONS":
                response.headers["Access-Control-Allow-Methods"] = CORS_METHODS
                response.headers["Access-Control-Allow-Headers"] = CORS_HEADERS
                response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_CACHE_S)
        return response


def _add_pace(app: NodeApp, api: Api) -> None:
    @app.before_request
    async def pace_changes() -> None:
        if request.method in _CHANGES and request.path.startswith(ROOMS_PREFIX):
            api.spend(api.change_pace, "changes")


def _is_shared(path: str) -> bool:
    """Whether pages of other origins ask for this path."""
    return path.startswith((API_PREFIX, SDK_PREFIX))


def _add_errors(app: NodeApp) -> None:
    @app.errorhandler(Refused)
    async def refused(error: Refused) -> Response:
        return error_response(error.code, error.message, retry_after_s=error.retry_after_s)

    @app.errorhandler(RevisionConflict)
    async def conflict(error: RevisionConflict) -> Response:
        return with_revision(error_response(error.code, error.message), error.revision)

    @app.errorhandler(RoomElsewhere)
    async def elsewhere(error: RoomElsewhere) -> Response:
        return error_response(error.code, error.message, url=error.url)

    @app.errorhandler(TakenElsewhere)
    async def taken_elsewhere(error: TakenElsewhere) -> Response:
        return error_response(error.code, error.message, nodes=error.nodes)

    @app.errorhandler(trio.TooSlowError)
    async def too_slow(_: trio.TooSlowError) -> Response:
        return error_response(ErrorCode.DEADLINE_EXCEEDED, "The node did not get to it in time; try again.")

    @app.errorhandler(HTTPException)
    async def refused_by_framework(error: HTTPException) -> Response:
        status = error.code or 500
        code, message = OF_STATUS.get(status, (ErrorCode.INTERNAL_ERROR, "The node failed; try again."))
        response = error_response(code, message, status=status)
        allowed = getattr(error, "valid_methods", None)
        if allowed:
            response.headers["Allow"] = ", ".join(sorted(allowed))
        return response

    @app.errorhandler(Exception)
    async def failed(error: Exception) -> Response:
        log.error("request_failed", path=request.url_rule.rule if request.url_rule else None, exc_info=error)
        return error_response(ErrorCode.INTERNAL_ERROR, "The node failed; try again.")
