"""Hostile tokens at the doors of a node: HTTP and WebSocket, with the real chain behind them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import structlog

from tests.unit.node.conductor.house import open_house
from tests.unit.node.http.fakes import make_app, serving
from tests.unit.node.http.test_websocket import connected
from tests.unit.session.hostile_tokens import Forge, hostile_tokens

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.node.conductor.house import House

CODES = {"token_invalid", "token_expired", "token_foreign"}
UNREADABLE = {"malformed_message", "message_too_large"}
"""What no JSON or no header can hold is refused before it is taken for a token."""

PACE = {"sessions_per_minute": 100_000, "sessions_burst": 100_000}


def corpus(house: House, kind: str) -> list[tuple[str, str]]:
    """Those that aim at this door; that the others fit it no better is tested without HTTP, which is much faster."""
    tokens = hostile_tokens(house.keys, cluster="test", now=time.time())
    aimed = {hostile.token: hostile.name for hostile in tokens if hostile.name.startswith(f"{kind}:")}
    assert len(aimed) >= 300
    return [(name, token) for token, name in aimed.items()]


async def test_none_opens_a_session(tmp_path: Path) -> None:
    async with open_house() as house:
        client = make_app(house.conductor, tmp_path, **PACE).test_client()
        good = Forge(house.keys, "test", time.time()).good("user")
        assert (await client.post("/v1/sessions", json={"name": "A", "token": good})).status_code == 201
        odd = {}
        for name, token in corpus(house, "user"):
            response = await client.post("/v1/sessions", json={"name": "A", "token": token})
            code = (await response.get_json()).get("error", {}).get("code")
            if not (400 <= response.status_code < 500 and code in CODES | UNREADABLE):
                odd[name] = (response.status_code, code)
        assert odd == {}


async def test_none_gets_a_room_token(tmp_path: Path) -> None:
    async with open_house() as house:
        client = make_app(house.conductor, tmp_path, changes_burst=100_000).test_client()
        good = Forge(house.keys, "test", time.time()).good("session")
        headers = {"Authorization": f"Bearer {good}"}
        assert (await client.post("/v1/rooms/hall/join", headers=headers, json={"attempt": 1})).status_code == 201
        odd = {}
        for name, token in corpus(house, "session"):
            try:
                if token != token.strip():
                    continue  # spaces around a token belong to the header
                headers = {"Authorization": f"Bearer {token}"}
                response = await client.post("/v1/rooms/hall/join", headers=headers, json={"attempt": 1})
            except (ValueError, UnicodeError):
                continue  # no client can put this into a header
            code = (await response.get_json()).get("error", {}).get("code")
            if not (400 <= response.status_code < 500 and code in CODES | UNREADABLE):
                odd[name] = (response.status_code, code)
        assert odd == {}


async def test_none_is_greeted_on_a_socket(tmp_path: Path) -> None:
    async with open_house() as house, serving(house.conductor, tmp_path) as server:
        good = Forge(house.keys, "test", time.time()).good("session")
        async with connected(server.port) as socket:
            await socket.send_message(json.dumps({"topic": "hello", "id": 1, "token": good}))
            assert json.loads(await socket.get_message())["topic"] == "welcome"
        odd = {}
        with structlog.testing.capture_logs() as logs:
            for name, token in corpus(house, "session"):
                async with connected(server.port) as socket:
                    await socket.send_message(json.dumps({"topic": "hello", "id": 1, "token": token}))
                    answer = json.loads(await socket.get_message())
                    if answer["topic"] != "error" or answer["code"] not in CODES | UNREADABLE:
                        odd[name] = answer
        assert odd == {}
        assert not [entry for entry in logs if entry["log_level"] in ("error", "critical")]
