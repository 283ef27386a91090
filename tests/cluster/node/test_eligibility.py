"""What an operator said about new people holds for the next process, however the last one ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from node.admin import ask_node
from node.drain.eligibility import INELIGIBLE_FILE
from node.lifecycle_orders import NodeAnswer, NodeOrder
from tests.cluster.node.test_up import ended, read_url, starling

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.cluster


async def test_a_node_that_was_killed_still_takes_nobody_new(tmp_path: Path) -> None:
    data_dir = tmp_path / "starling" / "one"
    words = ("up", "--http-port", "0", "--node-id", "one")

    async def reasons(url: str) -> list[str]:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            return [one["code"] for one in (await http.get("/readyz")).json()["reasons"]]

    async with starling(tmp_path, *words) as process:
        assert await reasons(await read_url(process)) == []
        answer = await ask_node(data_dir, "node", NodeAnswer, NodeOrder(action="ineligible"))
        assert (answer.code, answer.eligible) == ("", False)
        process.kill()
        await process.wait()
    assert (data_dir / INELIGIBLE_FILE).exists()
    async with starling(tmp_path, *words) as process:
        url = await read_url(process)
        assert await reasons(url) == ["node_ineligible"]
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            explained = (await http.get("/v1/explain/placement")).json()
        assert [one["code"] for one in explained["left_out"]] == ["ineligible"], "its tag says so too"
        answer = await ask_node(data_dir, "node", NodeAnswer, NodeOrder(action="eligible"))
        assert (answer.code, answer.eligible) == ("", True)
        process.terminate()
        assert (await ended(process))[0] == 0
    async with starling(tmp_path, *words) as process:
        assert await reasons(await read_url(process)) == []
