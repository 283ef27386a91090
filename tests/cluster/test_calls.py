"""Calls on real nodes: who gets in, what others see of a reload, and what an engine's death costs."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Final

import httpx
import pytest
import trio

from node.demo.cast import AMSTERDAM, ATRIUM, PEOPLE, SINGAPORE, STAGES
from node.demo.cluster import open_cluster
from node.demo.people import open_crowd
from node.demo.report import KINDS
from session import ClusterKeys, Tokens
from signalling.client.admission import create_session
from signalling.client.connection import open_client
from signalling.client.messages import ParticipantJoined, ParticipantLeft, Replaced
from signalling.client.refusal import RefusedByNodeError
from signalling.ids import DeviceId, NodeId, RoomId, UserId
from tests.cluster.processes import descendants, program

if TYPE_CHECKING:
    from node.demo.people import Crowd
    from signalling.client.connection import Client
    from signalling.client.messages import MediaKind

pytestmark = pytest.mark.cluster

ROOM: Final = RoomId("calls")
HOUR_S: Final = 3600.0
CLUSTER: Final = "starling-demo"

MEDIA_GAP_S: Final = 4.0
"""After the engine's death, until everybody receives everybody again (design goal, 99th percentile)."""

READ_S: Final = 0.3
"""Between two readings: 15 packets of a sound."""


def session_token(tokens: Tokens) -> str:
    """A session token for somebody."""
    return tokens.issue_session(user=UserId("us_1"), device=DeviceId("device-1"), name="Eve")


async def test_tokens_that_do_not_hold_are_refused_and_the_node_lives_on() -> None:
    """Expired, of another cluster, by another key, and no token at all: each with its own code."""
    async with open_cluster(STAGES[:1]) as cluster:
        running = cluster.nodes[0]
        ours = ClusterKeys.load(running.data_dir.parent / "cluster-keys.json")
        long_ago = Tokens(ours, cluster=CLUSTER, clock=lambda: time.time() - 2 * HOUR_S)
        elsewhere = Tokens(ours, cluster="another-cluster")
        forged = Tokens(ClusterKeys.generate(), cluster=CLUSTER)
        user = Tokens(ours, cluster=CLUSTER).issue_user(user=UserId("us_1"), name="Eve")
        url = f"{running.url.replace('http', 'ws', 1)}/v1/session"
        for token, code in (
            (session_token(long_ago), "token_expired"),
            (session_token(elsewhere), "token_foreign"),
            (session_token(forged), "token_foreign"),
            (user, "token_invalid"),
            ("nonsense", "token_invalid"),
        ):
            with pytest.raises(RefusedByNodeError) as refused:
                async with open_client(url, token=token):
                    pytest.fail(f"{code} got in")
            assert refused.value.code == code
        grant = await create_session(running.url, name="Ada")
        async with open_client(grant.session_url, token=grant.token) as client:
            joined = await client.join(ROOM, attempt=1)
            assert joined.participants == ()


async def test_a_reload_on_another_node_is_not_seen_as_a_leave() -> None:
    """The new socket comes before the old one's end is noticed, on another node: still one person, never gone."""
    async with open_cluster(STAGES[:2]) as cluster:
        here, there = cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url
        watching = await create_session(here, name="Watcher")
        moving = await create_session(here, name="Mover")
        async with open_client(watching.session_url, token=watching.token) as watcher:
            await watcher.join(ROOM, attempt=1)
            async with open_client(moving.session_url, token=moving.token) as before:
                me = (await before.join(ROOM, attempt=1)).participant
                # A token of any node is good at any other: the same device, the next attempt.
                url = f"{there.replace('http', 'ws', 1)}/v1/session"
                async with open_client(url, token=moving.token) as after:
                    again = await after.join(ROOM, attempt=2)
                    assert again.participant == me
                    with trio.fail_after(10):
                        assert any([isinstance(event, Replaced) async for event in before.events])
                    await _wait_until_seated(here, watcher.token, {AMSTERDAM, SINGAPORE})
                    await after.leave()
            seen = await _until_left(watcher)
        assert [type(event) for event in seen] == [ParticipantJoined, ParticipantLeft]


async def _wait_until_seated(url: str, token: str, nodes: set[NodeId]) -> None:
    """Wait until this node sees people of the room on exactly these nodes: by the next renewal of the seats."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(timeout=5.0, trust_env=False, headers=headers) as http:
        with trio.fail_after(10):
            while True:
                rooms = (await http.get(f"{url}/v1/rooms")).raise_for_status().json()["rooms"]
                if any(room["room"] == ROOM and set(room["nodes"]) == nodes for room in rooms):
                    return
                await trio.sleep(0.1)


async def _until_left(watcher: Client) -> list[ParticipantJoined | ParticipantLeft]:
    seen: list[ParticipantJoined | ParticipantLeft] = []
    with trio.fail_after(15):
        async for event in watcher.events:
            if isinstance(event, ParticipantJoined | ParticipantLeft):
                seen.append(event)
            if isinstance(event, ParticipantLeft):
                break
    return seen


async def test_an_engine_killed_in_a_call_is_replaced_and_everybody_hears_everybody_again() -> None:
    """Sockets and seats stay; both sides of the link come back; the gap is measured at the receivers."""
    people = [person for person in PEOPLE if person.room == ATRIUM]
    async with open_cluster(STAGES[:2]) as cluster, open_crowd(cluster, people) as crowd:
        await _wait_until_all_receive(crowd, within_s=15)
        node = cluster.at(AMSTERDAM).process.pid
        (engine,) = (pid for pid in descendants(node) if program(pid) == "starling-sfu")
        os.kill(engine, signal.SIGKILL)
        killed_at = trio.current_time()
        # What the dead engine had sent is read by now; from here on, only what the next one sends counts.
        await trio.sleep(READ_S)
        await _wait_until_all_receive(crowd, within_s=15)
        assert trio.current_time() - killed_at < MEDIA_GAP_S + READ_S


async def _wait_until_all_receive(crowd: Crowd, *, within_s: float) -> None:
    """Wait until every track of everybody else in the room arrived at everybody since the reading before."""
    with trio.fail_after(within_s):
        before: dict[tuple[str, str, MediaKind], int] = {}
        while True:
            people = await crowd.report()
            now: dict[tuple[str, str, MediaKind], int] = {
                (one.id, item.source, item.kind): item.packets for one in people for item in one.received
            }
            due = len(KINDS) * len(people) * (len(people) - 1)
            if len(before) == due and all(now[key] > packets for key, packets in before.items()):
                return
            before = now
            await trio.sleep(READ_S)
