"""Two real nodes and a client whose measurements say that the other one is near."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx
import pytest
import trio

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.cluster

SETTINGS: Final[Mapping[str, Mapping[str, object]]] = {
    "mesh": {"warm_links": 1},
    "http": {"placements_per_minute": 60, "placements_burst": 100},
}
NEAR_SINGAPORE: Final = f"rtt={AMSTERDAM}:180&rtt={SINGAPORE}:8"


async def test_a_client_is_sent_to_the_node_that_it_measured_to_be_near_and_told_why() -> None:
    async with open_cluster(STAGES[:2], settings=SETTINGS) as cluster, httpx.AsyncClient(trust_env=False) as http:
        here, there = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url

        sent = await http.post(f"{here}/v1/sessions?{NEAR_SINGAPORE}", json={"name": "Ada"})
        assert (sent.status_code, sent.headers["Location"]) == (307, f"{there}/v1/sessions?stay=1")
        better = sent.json()["better"]
        assert (better["node"], better["rtt_ms"], better["rtt_source"]) == (SINGAPORE, 8.0, "measured")

        stays = await http.post(f"{here}/v1/sessions?{NEAR_SINGAPORE}&stay=1", json={"name": "Ada"})
        assert stays.status_code == 201
        assert stays.json()["session_url"] == f"ws{here.removeprefix('http')}/v1/session"
        # A client that follows is let in there at once, with what it said.
        followed = await http.post(f"{here}/v1/sessions?{NEAR_SINGAPORE}", json={"name": "Ada"}, follow_redirects=True)
        assert followed.status_code == 201
        assert followed.json()["session_url"] == f"ws{there.removeprefix('http')}/v1/session"
        near = await http.post(f"{there}/v1/sessions?{NEAR_SINGAPORE}", json={"name": "Ada"})
        assert near.status_code == 201, "it is there already"
        assert (await http.post(f"{here}/v1/sessions", json={})).status_code == 201, "nothing is known of it"

        ordered = (await http.get(f"{here}/v1/nodes?{NEAR_SINGAPORE}")).json()["nodes"]
        assert [one["node"] for one in ordered] == [SINGAPORE, AMSTERDAM]
        explained = (await http.get(f"{here}/v1/explain/placement?{NEAR_SINGAPORE}")).json()
        assert (explained["asked"], explained["measured"]) == (AMSTERDAM, {AMSTERDAM: 180.0, SINGAPORE: 8.0})
        assert explained["verdict"].startswith(f"{SINGAPORE}, because ")
        assert "172 ms more" in explained["verdict"]
        assert explained["nodes"] == ordered
        assert explained["left_out"] == []


async def test_asking_for_nodes_has_a_pace_and_harms_nobody_who_comes_in() -> None:
    async with open_cluster(STAGES[:1], settings=SETTINGS) as cluster, httpx.AsyncClient(trust_env=False) as http:
        url = cluster.at(AMSTERDAM).url
        with trio.fail_after(60):
            while (refused := await http.get(f"{url}/v1/explain/placement")).status_code == 200:
                pass
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
        assert 1 <= int(refused.headers["Retry-After"]) <= 2
        assert (await http.post(f"{url}/v1/sessions", json={})).status_code == 201
        await trio.sleep(int(refused.headers["Retry-After"]))
        assert (await http.get(f"{url}/v1/nodes")).status_code == 200
