"""A real node that has no place left, and where another one sends people then."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

import httpx
import pytest
import trio

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from signalling.client.admission import create_session
from signalling.client.connection import open_client

pytestmark = pytest.mark.cluster

PLACES: Final = 2
NEAR_SINGAPORE: Final = f"rtt={AMSTERDAM}:180&rtt={SINGAPORE}:8"
TOLD_S: Final = 30.0
"""A look each 5 s, a second of the agent's, and a busy machine."""


async def test_nobody_is_sent_to_a_node_that_is_full_and_it_is_shown() -> None:
    settings = {"http": {"max_sessions": PLACES, "placements_per_minute": 600, "placements_burst": 600}}
    async with (
        open_cluster(STAGES[:2], settings=settings) as cluster,
        httpx.AsyncClient(trust_env=False) as http,
        AsyncExitStack() as people,
    ):
        here, there = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
        assert await _load(http, here) == "low"
        for number in range(PLACES):
            grant = await create_session(there, name=f"p{number}")
            await people.enter_async_context(open_client(grant.session_url, token=grant.token))
        with trio.fail_after(TOLD_S):
            while await _load(http, here) != "full":
                await trio.sleep(0.2)
        ordered = (await http.get(f"{here}/v1/nodes?{NEAR_SINGAPORE}")).json()["nodes"]
        assert [one["node"] for one in ordered] == [AMSTERDAM, SINGAPORE], "the last that is asked"
        stays = await http.post(f"{here}/v1/sessions?{NEAR_SINGAPORE}", json={"name": "Ada"})
        assert stays.status_code == 201, "near it would be, and refused"


async def _load(http: httpx.AsyncClient, url: str) -> str:
    nodes = (await http.get(f"{url}/v1/nodes?{NEAR_SINGAPORE}")).json()["nodes"]
    return next(str(one["load"]) for one in nodes if one["node"] == SINGAPORE)
