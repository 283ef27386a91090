"""The look at all ways on real nodes: whole while all is well, and one that hangs is missed and named."""

from __future__ import annotations

import json
import os
import signal

import pytest

from node.admin import ADMIN_FILE
from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES, VIRGINIA
from node.demo.cluster import open_cluster
from tests.cluster.node.test_operating import starling

pytestmark = pytest.mark.cluster


async def test_every_node_reaches_every_other_one_until_one_hangs() -> None:
    async with open_cluster(STAGES) as cluster:
        found = await starling(cluster, "reachability", "--json")
        assert found.code == 0, found.said
        report = found.json_behind_notes
        assert report["is_whole"]
        assert report["silent"] == []
        assert len(report["ways"]) == 6, "each pair from both ends"
        for way in report["ways"]:
            assert (way["state"], way["problems"]) == ("up", [])
            assert way["mtu"] >= 1280
            assert 0 < way["setup_ms"] < 12_000
            assert abs(way["clock_ms"]) <= way["clock_error_ms"] + 5, "one machine has one clock"
        table = await starling(cluster, "reachability", node=SINGAPORE)
        assert "every node reaches every other one" in table.said
        # Its engine and its agent go on, so to the others its link is up and its gossip lives.
        hanging = json.loads((cluster.at(VIRGINIA).data_dir / ADMIN_FILE).read_text())["pid"]
        os.kill(hanging, signal.SIGSTOP)
        try:
            missed = await starling(cluster, "reachability", "--json", node=AMSTERDAM)
        finally:
            os.kill(hanging, signal.SIGCONT)
        assert missed.code == 1, missed.said
        assert not missed.json_behind_notes["is_whole"]
        assert VIRGINIA in missed.json_behind_notes["silent"]
        assert SINGAPORE not in missed.json_behind_notes["silent"]
