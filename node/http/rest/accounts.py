"""``/v1/accounts``: register, log in, change the password, log out everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quart import Blueprint, Response

from node.http.body import bearer_token, json_response, read_body
from signalling.client.accounts import LogIn, PasswordChange, Registration

if TYPE_CHECKING:
    from node.http.api import Api

USER_TOKEN: Final = "a user token, which POST /v1/accounts/login gives"


def accounts_blueprint(api: Api) -> Blueprint:
    """Make the resource; every request of it costs a token of its address."""
    blueprint = Blueprint("accounts", __name__)

    def pace() -> None:
        api.spend(api.account_pace, "requests")

    @blueprint.post("/v1/accounts")
    async def register() -> Response:
        """Make an account; answers with a user token."""
        pace()
        return json_response(await api.backend.accounts.register(await read_body(Registration)), status=201)

    @blueprint.post("/v1/accounts/login")
    async def log_in() -> Response:
        """Turn login and password into a user token."""
        pace()
        return json_response(await api.backend.accounts.log_in(await read_body(LogIn)))

    @blueprint.post("/v1/accounts/password")
    async def change_password() -> Response:
        """Change the password; answers with the one user token that holds from now on."""
        pace()
        return json_response(await api.backend.accounts.change_password(await read_body(PasswordChange)))

    @blueprint.post("/v1/accounts/logout")
    async def log_out() -> Response:
        """End all user tokens and sessions of whoever the token in the header names."""
        pace()
        return json_response(await api.backend.accounts.log_out(bearer_token(USER_TOKEN)))

    return blueprint
