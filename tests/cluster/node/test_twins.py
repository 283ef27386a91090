"""A node's folder was copied to another machine and started there: both nodes say so, and one of them serves."""

from __future__ import annotations

import shutil
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import httpx
import pytest
import trio

from membership.agent.child import open_tethered
from node.admin import Links, StatusReport, ask_node
from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from node.demo.ports import find_free_ports
from tests.cluster.node.test_doctor import run_doctor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from node.demo.cluster import Cluster, RunningNode

pytestmark = pytest.mark.cluster

DEADLINE_S: Final = 30.0


@asynccontextmanager
async def _copy_of(node: RunningNode) -> AsyncIterator[str]:
    """The same node on other ports, as another machine would have it: where clients reach it."""
    home = node.data_dir.parent.with_name("copy")
    shutil.copytree(node.data_dir.parent, home, ignore=lambda _folder, names: [n for n in names if n == "admin.json"])
    http, gossip = find_free_ports(2)
    url = f"http://127.0.0.1:{http}"
    settings = (home / "node.toml").read_text().replace(str(node.data_dir.parent), str(home)).replace(node.url, url)
    lines = [_own_port(line, mine) for line, mine in _with_sections(settings, {"http": http, "mesh": gossip})]
    (home / "node.toml").write_text("\n".join(lines))
    command = [sys.executable, "-m", "node", "up", "--config", str(home / "node.toml")]
    async with open_tethered(command, name="copy", close_grace_s=8.0):
        yield url


def _with_sections(settings: str, ports: dict[str, int]) -> list[tuple[str, int | None]]:
    found, section = [], ""
    for line in settings.splitlines():
        section = line.strip("[]") if line.startswith("[") else section
        found.append((line, ports.get(section)))
    return found


def _own_port(line: str, port: int | None) -> str:
    return f"port = {port}" if port is not None and line.startswith("port = ") else line


async def _reasons(url: str) -> list[str] | None:
    """Why it is not ready; None while it does not answer."""
    async with httpx.AsyncClient(trust_env=False) as http:
        try:
            answer = await http.get(f"{url}/readyz")
        except httpx.TransportError:
            return None
    reasons = [str(one["code"]) for one in answer.json()["reasons"]]
    assert (answer.status_code == 503) is bool(reasons)
    return reasons


async def _wait_reasons(url: str, wanted: list[str]) -> None:
    with trio.fail_after(DEADLINE_S):
        while await _reasons(url) != wanted:
            await trio.sleep(0.1)


async def _status(node: Path) -> StatusReport:
    return await ask_node(node, "status", StatusReport)


async def _wait_link(cluster: Cluster, node: str, far: str) -> None:
    with trio.fail_after(DEADLINE_S):
        while True:
            links = (await ask_node(cluster.at(node).data_dir, "links", Links)).links
            if any((one.node, one.state) == (far, "up") for one in links):
                return
            await trio.sleep(0.1)


async def test_the_older_of_two_copies_takes_nobody_until_it_is_alone() -> None:
    async with open_cluster(STAGES[:2], settings={"mesh": {"warm_links": 1}}) as cluster:
        first = cluster.at(SINGAPORE)
        await _wait_link(cluster, AMSTERDAM, SINGAPORE)
        async with _copy_of(first) as url:
            await _wait_reasons(first.url, ["node_twin"])
            await _wait_reasons(url, [])
            status = await _status(first.data_dir)
            assert (status.ready, [one.code for one in status.problems]) == (False, ["node_twin"])
            assert "give each machine its own" in status.problems[0].message
            code, found = await run_doctor("--data-dir", str(first.data_dir))
            assert (code, found["ready:node_twin"]["verdict"]) == (1, "fail")
            async with httpx.AsyncClient(trust_env=False) as http:
                refused = await http.post(f"{first.url}/v1/sessions?stay=1", json={"name": "Ada", "device": "d" * 22})
                taken = await http.post(f"{url}/v1/sessions?stay=1", json={"name": "Ada", "device": "d" * 22})
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "node_full")
            assert taken.status_code == 201
            await _wait_link(cluster, AMSTERDAM, SINGAPORE)  # with the newer one
            for folder in (cluster.folder / "copy" / "data", cluster.at(AMSTERDAM).data_dir):
                with trio.fail_after(DEADLINE_S):
                    while [one.code for one in (await _status(folder)).warnings] != ["node_twin"]:
                        await trio.sleep(0.2)
        await _wait_reasons(first.url, [])
        await _wait_link(cluster, AMSTERDAM, SINGAPORE)
        await _wait_link(cluster, SINGAPORE, AMSTERDAM)
        async with httpx.AsyncClient(trust_env=False) as http:
            candidates = (await http.get(f"{cluster.at(AMSTERDAM).url}/v1/nodes")).json()["nodes"]
        assert first.url in [one["url"] for one in candidates]
        with trio.fail_after(DEADLINE_S):
            while (await _status(cluster.at(AMSTERDAM).data_dir)).warnings:
                await trio.sleep(0.2)
