"""A node killed with -9 leaves nothing running."""

from __future__ import annotations

import os
import signal
from typing import Final

import pytest
import trio

from node.demo.cast import STAGES
from node.demo.cluster import open_cluster
from tests.cluster.processes import alive, arguments, descendants, program, wait_for

pytestmark = pytest.mark.cluster

GONE_S: Final = 1.0


async def test_a_killed_node_takes_its_agent_and_engine_along() -> None:
    """Its serf agent and its engine are gone within a second; the other node lives on."""
    async with open_cluster(STAGES[:2]) as cluster:
        killed, other = cluster.nodes
        (node,) = (pid for pid in descendants(killed.process.pid) if "node" in arguments(pid))
        children = descendants(node)
        assert {"serf", "starling-sfu"} <= {program(pid) for pid in children}
        os.kill(node, signal.SIGKILL)
        took_s = await trio.to_thread.run_sync(lambda: wait_for(lambda: not alive(children), within_s=GONE_S))
        assert took_s < GONE_S
        assert other.process.returncode is None
        assert {"serf", "starling-sfu"} <= {program(pid) for pid in descendants(other.process.pid)}
