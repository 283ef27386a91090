"""`/v1/explain/track/{track}`: needs a token, and says what the backend says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.node.http.fakes import GOOD_TOKEN, FakeBackend, make_app

if TYPE_CHECKING:
    from pathlib import Path

    from quart.typing import TestClientProtocol


@pytest.fixture
def client(tmp_path: Path) -> TestClientProtocol:
    return make_app(FakeBackend(), tmp_path).test_client()


async def test_steps_say_from_where_to_where(client: TestClientProtocol) -> None:
    response = await client.get("/v1/explain/track/t-1", headers={"Authorization": f"Bearer {GOOD_TOKEN}"})
    explained = await response.get_json()
    assert response.status_code == 200
    assert (explained["trace"], explained["codec"]) == ("ab", "VP8")
    assert (explained["steps"][0]["from"], explained["steps"][0]["to"]) == ("anna", "here")


@pytest.mark.parametrize(
    ("path", "token", "status", "code"),
    [
        ("t-2", GOOD_TOKEN, 404, "track_unknown"),
        ("t" * 200, GOOD_TOKEN, 404, "track_unknown"),
        ("t-1", "", 401, "token_invalid"),
    ],
)
async def test_refusals(client: TestClientProtocol, path: str, token: str, status: int, code: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    response = await client.get(f"/v1/explain/track/{path}", headers=headers)
    assert (response.status_code, (await response.get_json())["error"]["code"]) == (status, code)
