"""``/.well-known/jwks.json``: the public keys that tokens of this cluster are signed with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quart import Blueprint, Response

from node.http.body import json_response

if TYPE_CHECKING:
    from node.http.api import Api

CACHE_S: Final = 300
"""A new key signs only after it has been in the file for longer than this."""


def keys_blueprint(api: Api) -> Blueprint:
    """Make the resource."""
    blueprint = Blueprint("keys", __name__)

    @blueprint.get("/.well-known/jwks.json")
    async def jwks() -> Response:
        """Show the keys as a JWK set (RFC 7517, section 5)."""
        response = json_response(api.backend.jwks())
        response.headers["Cache-Control"] = f"public, max-age={CACHE_S}"
        return response

    return blueprint
