"""A node whose key is revoked is out within seconds, links included, and in again when it is taken off the list."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

import pytest
import trio

from node.admin import Links, MemberReport, Members, ask_node
from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from tests.cluster.processes import arguments, descendants

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.cluster

WITHIN_S: Final = 10.0
POLL_S: Final = 0.05


async def test_a_revoked_node_is_out_at_once_and_back_when_it_is_forgiven(tmp_path: Path) -> None:
    revoked = tmp_path / "revoked"
    revoked.write_text("# nobody yet\n")
    mesh: dict[str, object] = {"warm_links": 1, "revoked_keys_file": str(revoked)}
    async with open_cluster(STAGES[:2], settings={"mesh": mesh}) as cluster:
        node = cluster.at(AMSTERDAM)
        folder = node.data_dir
        (pid,) = (pid for pid in descendants(node.process.pid) if "node" in arguments(pid))
        await reach(folder, lambda other, up: other.state == "alive" and up)
        (other,) = [one for one in (await members(folder)).members if one.node == SINGAPORE]
        revoked.write_text(f"{other.public_key}  # stolen\n")
        os.kill(pid, signal.SIGHUP)
        await reach(folder, lambda other, up: other.state == "refused" and "key_revoked" in other.reason and not up)
        revoked.write_text("what?\n")
        os.kill(pid, signal.SIGHUP)
        await trio.sleep(0.5)
        await reach(folder, lambda other, up: other.state == "refused" and not up)
        revoked.write_text("")
        os.kill(pid, signal.SIGHUP)
        await reach(folder, lambda other, up: other.state == "alive" and up)


async def reach(folder: Path, wanted: Callable[[MemberReport, bool], bool]) -> None:
    """Wait until the other node, and whether there is a link to it, are as wanted."""
    with trio.fail_after(WITHIN_S):
        while True:
            (other,) = [one for one in (await members(folder)).members if one.node.startswith(SINGAPORE)]
            links = (await ask_node(folder, "links", Links)).links
            if wanted(other, any(link.node == SINGAPORE and link.state == "up" for link in links)):
                return
            await trio.sleep(POLL_S)


async def members(folder: Path) -> Members:
    return await ask_node(folder, "members", Members)
