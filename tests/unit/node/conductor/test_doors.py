"""The doors of a node: guests by leave, addresses by pace, both live keys for everybody to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from session import ClusterKeys
from signalling.ids import UserId
from tests.unit.node.conductor.house import open_house
from tests.unit.node.http.fakes import make_app

if TYPE_CHECKING:
    from pathlib import Path


async def test_without_guests_a_user_token_is_needed(tmp_path: Path) -> None:
    async with open_house(guests=False) as house:
        client = make_app(house.conductor, tmp_path).test_client()
        refused = await client.post("/v1/sessions", json={"name": "Ann"})
        assert refused.status_code == 403
        assert (await refused.get_json())["error"]["code"] == "not_permitted"
        user = house.tokens.issue_user(user=UserId("us_1"), name="Ann")
        assert (await client.post("/v1/sessions", json={"token": user})).status_code == 201


async def test_an_address_opens_sessions_at_a_pace(tmp_path: Path) -> None:
    async with open_house() as house:
        client = make_app(house.conductor, tmp_path, sessions_per_minute=1, sessions_burst=3).test_client()
        codes = [(await client.post("/v1/sessions", json={"token": "hostile"})).status_code for _ in range(5)]
        assert codes == [401, 401, 401, 429, 429]


async def test_both_live_keys_are_public_and_neither_private_half(tmp_path: Path) -> None:
    keys = ClusterKeys.generate().with_next()
    async with open_house(keys=keys) as house:
        client = make_app(house.conductor, tmp_path).test_client()
        shown = (await (await client.get("/.well-known/jwks.json")).get_json())["keys"]
        assert [entry["kid"] for entry in shown] == list(keys.verifying)
        assert len(shown) == 2
        assert all(set(entry) == {"kty", "crv", "x", "kid", "use", "alg"} for entry in shown)
