"""A track that crosses two real nodes, explained by the one at the end: by REST to who is inside, by the program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from node.demo.cast import AMSTERDAM, ATRIUM, PEOPLE, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from node.demo.people import open_crowd
from signalling.client.admission import create_session
from signalling.client.connection import open_client
from tests.cluster.node.test_operating import starling

if TYPE_CHECKING:
    from node.demo.cluster import Cluster

pytestmark = pytest.mark.cluster


async def test_a_track_over_a_link_is_explained_step_by_step() -> None:
    people = [person for person in PEOPLE if person.room == ATRIUM]
    async with open_cluster(STAGES[:2]) as cluster, open_crowd(cluster, people):
        url = cluster.at(SINGAPORE).url
        grant = await create_session(url, name="Asker")
        async with open_client(grant.session_url, token=grant.token) as asker:
            await asker.join(ATRIUM, attempt=1)
            track = await _far_picture(cluster)
            explained = await _ask_until_whole(url, asker.token, track)
            assert [step["kind"] for step in explained["steps"]] == ["publisher", "link"]
            first, link = explained["steps"]
            assert (link["from"], link["to"]) == (AMSTERDAM, SINGAPORE)
            assert first["to"] == AMSTERDAM
            assert first["from"] == explained["publisher"]
            assert 100_000 < link["bitrate_bps"] < 2_000_000, "the crowd's pictures are 400 kbit/s"
            assert link["rtt_ms"] < 500
            assert explained["codec"]
            first_token = (await _get(url, grant.token, track)).raise_for_status().json()
            assert first_token["track"] == track, "what POST /v1/sessions gave names no session yet"
            outsider = await create_session(url, name="Outsider")
            refused = await _get(url, outsider.token, track)
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "track_unknown")
        told = await starling(cluster, "explain", track, "--json", node=SINGAPORE)
        assert [step["kind"] for step in told.json["steps"]] == ["publisher", "link"]
        # Whoever asked above may still be let go of; it never took an offer.
        assert "flowing" in [step["state"] for step in told.json["receivers"]]
        assert f"{AMSTERDAM} -> {SINGAPORE}" in (await starling(cluster, "explain", track, node=SINGAPORE)).said
        unknown = await starling(cluster, "explain", "nothing", "--json", node=SINGAPORE)
        assert (unknown.code, unknown.json["error"]["code"]) == (1, "track_unknown")


async def _far_picture(cluster: Cluster) -> str:
    """A picture from the other node, once this one has heard of it."""
    with trio.fail_after(20):
        while True:
            known = (await starling(cluster, "explain", "--json", node=SINGAPORE)).json
            for one in known:
                if (one["node"], one["kind"]) == (AMSTERDAM, "video"):
                    return str(one["track"])


async def _ask_until_whole(url: str, token: str, track: str) -> dict[str, Any]:
    """Ask until the link has measured itself, a second or two after it came up."""
    with trio.fail_after(20):
        while True:
            answer = (await _get(url, token, track)).raise_for_status().json()
            if len(answer["steps"]) == 2 and answer["steps"][1]["rtt_ms"] is not None:
                return dict(answer)


async def _get(url: str, token: str, track: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=10.0, trust_env=False) as http:
        return await http.get(f"{url}/v1/explain/track/{track}", headers={"Authorization": f"Bearer {token}"})
