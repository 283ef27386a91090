"""The Python client's seat, at real nodes: a killed node, another device, a device over restarts of its process."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import pytest
import trio

from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from session import ClusterKeys, Tokens
from signalling.client.device_memory import open_device_file
from signalling.client.messages import ChatMessage
from signalling.client.seat import Ended, Seated, open_seat
from signalling.ids import RoomId, UserId
from tests.cluster.processes import descendants

if TYPE_CHECKING:
    from node.demo.cluster import Cluster
    from signalling.client.seat import RoomSeat
    from signalling.ids import NodeId

pytestmark = pytest.mark.cluster

T = TypeVar("T")

ROOM: Final = RoomId("seats")
DEADLINE_S: Final = 30.0
WHILE_AWAY: Final = [f"while away {number}" for number in range(5)]


async def test_a_killed_node_costs_no_seat_and_no_message() -> None:
    """Back at the other node as the same participant; what was said meanwhile arrives there once, in order."""
    async with open_cluster(STAGES[:2]) as cluster:
        nodes = [cluster.at(node).url for node in (AMSTERDAM, SINGAPORE)]
        async with open_seat(nodes, ROOM, name="Ada") as ada, open_seat(nodes[1:], ROOM, name="Bob") as bob:
            first = await _next(ada, Seated)
            await ada.chat("before")
            _kill(cluster, AMSTERDAM)
            acknowledged: list[str] = []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_say_all, ada, acknowledged)
                again = await _next(ada, Seated)
            assert again.resumed
            assert again.joined.participant == first.joined.participant
            assert ada.client is not None
            assert ada.client.welcome.node == SINGAPORE
            assert acknowledged == WHILE_AWAY
            heard: list[str] = []
            while len(heard) < len(WHILE_AWAY):
                text = (await _next(bob, ChatMessage)).text
                if text != "before":  # which the link may not have carried any more
                    heard.append(text)
            assert heard == WHILE_AWAY


async def test_a_second_device_of_a_user_takes_the_seat_for_good() -> None:
    """`replaced` is the end of the first; it does not come back to take it again."""
    async with open_cluster(STAGES[:1]) as cluster:
        url = cluster.at(AMSTERDAM).url
        keys = ClusterKeys.load(cluster.folder / AMSTERDAM / "cluster-keys.json")
        token = Tokens(keys, cluster="starling-demo").issue_user(user=UserId("us_1"), name="Ada")
        async with open_seat([url], ROOM, name="Ada", user_token=token) as first:
            await _next(first, Seated)
            async with open_seat([url], ROOM, name="Ada", user_token=token) as second:
                await _next(second, Seated)
                assert (await _next(first, Ended)).code == "replaced"
                assert first.ended is not None
                assert second.ended is None


async def test_a_device_in_a_file_outlives_its_process(tmp_path: Path) -> None:
    """The second life of the device joins with a higher attempt, which the node admits without a word."""
    async with open_cluster(STAGES[:1]) as cluster:
        url = cluster.at(AMSTERDAM).url
        for life in (1, 2):
            async with open_device_file(tmp_path / "device.json") as device:
                async with open_seat([url], ROOM, name="Ada", device=device) as seat:
                    await _next(seat, Seated)
                assert await device.raise_attempt() == 2 * life


async def _next(seat: RoomSeat, kind: type[T]) -> T:
    with trio.fail_after(DEADLINE_S):
        async for event in seat.events:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"no {kind.__name__} before the end: {seat.ended}")


async def _say_all(seat: RoomSeat, acknowledged: list[str]) -> None:
    for text in WHILE_AWAY:
        await seat.chat(text)
        acknowledged.append(text)


def _kill(cluster: Cluster, node: NodeId) -> None:
    tree = descendants(cluster.at(node).process.pid)
    (pid,) = (pid for pid in tree if "node" in Path(f"/proc/{pid}/cmdline").read_text().split("\0"))
    os.kill(pid, signal.SIGKILL)
