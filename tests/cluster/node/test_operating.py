"""What an operator does with two real nodes, by the program as it is typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
import trio

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from tests.cluster.processes import arguments, descendants, program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from node.demo.cluster import Cluster

pytestmark = pytest.mark.cluster

DEADLINE_S: Final = 60.0
GONE_S: Final = 20.0


@dataclass(frozen=True)
class Ended:
    """How a verb ended.

    Attributes:
        code: its exit code.
        said: what it printed.
    """

    code: int
    said: str

    @property
    def json(self) -> Any:
        """What it printed, read."""
        return json.loads(self.said)

    @property
    def json_behind_notes(self) -> Any:
        """The same of a verb that first says on stderr what it is about to do."""
        return json.loads(self.said[self.said.index("{") :])


async def starling(cluster: Cluster, *words: str, node: str = AMSTERDAM) -> Ended:
    """Run the program against one of the nodes."""
    folder = cluster.at(node).data_dir
    with trio.fail_after(DEADLINE_S):
        done = await trio.run_process(
            [sys.executable, "-m", "node", *words, "--data-dir", str(folder)],
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return Ended(done.returncode, done.stdout.decode())


@asynccontextmanager
async def two_nodes() -> AsyncIterator[Cluster]:
    async with open_cluster(STAGES[:2], settings={"mesh": {"warm_links": 1}}) as cluster:
        yield cluster


async def test_looking_at_a_cluster_changes_nothing_of_it() -> None:
    async with two_nodes() as cluster:
        pair = await starling(cluster, "rtt", AMSTERDAM, SINGAPORE, "--json")
        assert pair.code == 0, pair.said
        assert {pair.json["a"], pair.json["b"]} == {AMSTERDAM, SINGAPORE}
        assert pair.json["rtt_ms"] >= 0
        matrix = await starling(cluster, "rtt", "--matrix", "--json")
        assert matrix.json["nodes"] == [AMSTERDAM, SINGAPORE]
        assert (await starling(cluster, "rtt", "nobody", "--json")).json["error"]["code"] == "member_unknown"
        assert (await starling(cluster, "rtt")).code == 2
        overview = await starling(cluster, "top", "--once", "--json")
        assert overview.json["status"]["node"] == AMSTERDAM
        table = await starling(cluster, "top", "--once")
        assert SINGAPORE in table.said
        history = await starling(cluster, "events", "--history", "--json")
        assert SINGAPORE in {event["node"] for event in history.json["events"]}
        log = await starling(cluster, "monitor", "--level", "debug", "--count", "1", "--json")
        assert log.code == 0, log.said
        assert json.loads(log.said.splitlines()[0])
        found = await starling(cluster, "doctor", "--json")
        assert found.code in (0, 1), found.said
        assert found.json["running"]
        assert [check for check in found.json["checks"] if check["verdict"] == "fail"] == []
        assert {check["name"].partition(":")[0] for check in found.json["checks"]} >= {"store", "certificate", "files"}


async def test_only_who_is_gone_can_be_forgotten() -> None:
    async with two_nodes() as cluster:
        living = await starling(cluster, "force-leave", SINGAPORE, "--json")
        assert (living.code, living.json["error"]["code"]) == (1, "member_alive")
        unknown = await starling(cluster, "force-leave", "nobody", "--json")
        assert unknown.json["error"]["code"] == "member_unknown"
        (node,) = (pid for pid in descendants(cluster.at(SINGAPORE).process.pid) if "node" in arguments(pid))
        (agent,) = (pid for pid in descendants(node) if program(pid) == "serf")
        os.kill(agent, signal.SIGKILL)
        os.kill(node, signal.SIGKILL)
        with trio.fail_after(GONE_S):
            while await _state(cluster, SINGAPORE) == "alive":
                await trio.sleep(0.3)
        gone = await starling(cluster, "force-leave", SINGAPORE, "--json")
        assert gone.code == 0, gone.said
        assert [name.startswith(SINGAPORE) for name in gone.json["forgotten"]] == [True]


async def test_a_node_joins_by_an_address_and_leaves() -> None:
    async with two_nodes() as cluster:
        members = (await starling(cluster, "members", "--json")).json["members"]
        address = next(one["address"] for one in members if one["node"] == SINGAPORE)
        assert (await starling(cluster, "join", address)).code == 0
        assert (await starling(cluster, "join", "here")).code == 2
        nobody = await starling(cluster, "join", "127.0.0.1:9", "--json")
        assert (nobody.code, nobody.json["error"]["code"]) == (1, "seeds_unreachable")
        left = await starling(cluster, "leave", "--json", node=SINGAPORE)
        assert left.code == 0, left.said
        assert left.json["ended"]
        with trio.fail_after(GONE_S):
            while await _state(cluster, SINGAPORE) != "left":
                await trio.sleep(0.3)
        assert (await starling(cluster, "status", node=SINGAPORE)).code == 3


async def _state(cluster: Cluster, node: str) -> str:
    members = (await starling(cluster, "members", "--json")).json["members"]
    return next((str(one["state"]) for one in members if one["node"] == node), "unknown")
