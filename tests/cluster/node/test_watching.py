"""What an operator sees live: who is killed and who comes, and what node and agent say about it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
import trio

from membership.agent.child import open_tethered
from node.admin.asking import read_admin_file
from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from tests.cluster.processes import arguments, descendants, program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from node.demo.cluster import Cluster

pytestmark = pytest.mark.cluster

DEADLINE_S: Final = 40.0


class Lines:
    """What a verb that streams has printed so far."""

    def __init__(self) -> None:
        self.read: list[dict[str, Any]] = []

    async def follow(self, process: trio.Process) -> None:
        assert process.stdout is not None
        rest = b""
        async for part in process.stdout:
            *lines, rest = (rest + part).split(b"\n")
            self.read += [json.loads(line) for line in lines]

    async def wait(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first line that fits, once it is there."""
        with trio.fail_after(DEADLINE_S):
            while not (found := [line for line in self.read if holds(line)]):
                await trio.sleep(0.05)
        return found[0]


@asynccontextmanager
async def _watching(cluster: Cluster, *words: str) -> AsyncIterator[Lines]:
    folder = str(cluster.at(AMSTERDAM).data_dir)
    command = [sys.executable, "-m", "node", *words, "--json", "--data-dir", folder]
    lines = Lines()
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, stdout=subprocess.PIPE, check=False)
        process = await nursery.start(run)
        nursery.start_soon(lines.follow, process)
        yield lines
        process.send_signal(signal.SIGINT)
        with trio.fail_after(DEADLINE_S):
            await process.wait()
        nursery.cancel_scope.cancel()


async def test_who_is_killed_and_who_joins_is_seen_live() -> None:
    async with (
        open_cluster(STAGES[:2], settings={"mesh": {"warm_links": 1}}) as cluster,
        _watching(cluster, "events") as events,
        _watching(cluster, "monitor") as log,
    ):
        # Both are there before anything happens: the log of the agent begins with old lines, but not for us.
        with trio.fail_after(DEADLINE_S):
            while not await _watched(cluster, 2):
                await trio.sleep(0.1)
        (node,) = (pid for pid in descendants(cluster.at(SINGAPORE).process.pid) if "node" in arguments(pid))
        (agent,) = (pid for pid in descendants(node) if program(pid) == "serf")
        os.kill(agent, signal.SIGKILL)
        os.kill(node, signal.SIGKILL)
        failed = await events.wait(lambda line: line.get("kind") == "failed")
        assert failed["node"] == SINGAPORE
        config = cluster.folder / SINGAPORE / "node.toml"
        command = [sys.executable, "-m", "node", "up", "--config", str(config)]
        async with open_tethered(command, name="again", close_grace_s=8.0):
            came = await events.wait(lambda line: line.get("kind") == "appeared")
            assert came["node"] == SINGAPORE
            assert came["number"] > failed["number"]
            assert came["serf_name"] != failed["serf_name"], "each boot has a name of its own"
            agents = await log.wait(lambda line: line.get("source") == "agent" and SINGAPORE in line["text"])
            nodes = await log.wait(lambda line: line.get("source") == "node")
        assert agents["level"] in ("info", "warning", "error")
        assert nodes["level"] in ("info", "warning", "error")


async def _watched(cluster: Cluster, streams: int) -> bool:
    """Whether so many terminals follow the first node: its connections on loopback, by the kernel's word."""
    port = read_admin_file(cluster.at(AMSTERDAM).data_dir).port
    table = (await trio.Path("/proc/net/tcp").read_text()).splitlines()[1:]
    rows = [line.split() for line in table]
    return sum(row[3] == "01" and int(row[1].partition(":")[2], 16) == port for row in rows) >= streams
