"""Redis goes away under three real nodes: people come, talk, leave and come back, and nobody is seen twice.

No node has a link to another one before a room spans both (`mesh.warm_links` is 0), so a join during the outage
finds the room's nodes by a Serf query or not at all.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from node.admin import ask_node
from node.audit import AuditReport
from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES, VIRGINIA
from node.demo.cluster import Cluster, open_cluster
from signalling.client.admission import create_session
from signalling.client.connection import open_client
from signalling.client.messages import ChatMessage, ParticipantJoined, ParticipantLeft, Replaced
from signalling.ids import DeviceId, RoomId
from tests.cluster.durable.private_redis import private_redis
from tests.cluster.processes import descendants

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from signalling.client.admission import SessionGrant
    from signalling.client.connection import Client
    from signalling.client.messages import Joined, NodeEvent
    from signalling.ids import NodeId, ParticipantId

pytestmark = pytest.mark.cluster

HALL = RoomId("hall")

SEEN_S = 8.0
"""A query (1 s), a link (2 s) and what it says first, on two busy cores."""

JOIN_MS = 1500.0
"""The room's definition and the seat: two calls to the store of at most 0.4 s, on two busy cores."""

CLEAN_S = 10.0
"""From the store's return until an audit is clean on every node."""


@dataclass
class Guest:
    """A person with a socket, who notes whom they see and who would notice anybody twice."""

    client: Client
    grant: SessionGrant
    node: NodeId
    seen: dict[ParticipantId, str] = field(default_factory=dict)
    chats: list[str] = field(default_factory=list)
    events: list[NodeEvent] = field(default_factory=list)
    me: ParticipantId | None = None

    async def join(self, attempt: int = 1, room: RoomId = HALL) -> Joined:
        joined = await self.client.join(room, attempt=attempt)
        self.me = joined.participant
        names = [one.participant for one in joined.participants]
        assert len(names) == len(set(names)), "a duplicate in the reply"
        assert self.me not in names
        self.seen = {one.participant: one.node for one in joined.participants}
        return joined

    async def listen(self) -> None:
        async for event in self.client.events:
            self.events.append(event)
            match event:
                case ParticipantJoined(participant=info):
                    assert info.participant not in self.seen, f"{info.participant} joined twice"
                    assert info.participant != self.me, "a ghost of oneself"
                    self.seen[info.participant] = info.node
                case ParticipantLeft(participant=who):
                    assert who in self.seen, f"{who} left twice"
                    del self.seen[who]
                case ChatMessage(text=text):
                    self.chats.append(text)
                case _:
                    continue

    def sees(self, *others: Guest) -> bool:
        return set(self.seen) == {other.me for other in others}


@asynccontextmanager
async def guest(
    cluster: Cluster, node: NodeId, *, grant: SessionGrant | None = None, name: str = "Ann"
) -> AsyncIterator[Guest]:
    """Open a socket on a node, as somebody new or as the one whose grant is given."""
    here = await create_session(cluster.at(node).url, name=name, device=DeviceId(f"device-of-{name.lower()}"))
    async with open_client(here.session_url, token=(grant or here).token) as client, trio.open_nursery() as nursery:
        one = Guest(client=client, grant=grant or here, node=node)
        nursery.start_soon(one.listen)
        yield one
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool], *, within_s: float) -> float:
    """Wait until it holds; returns after how many milliseconds it did."""
    started = trio.current_time()
    with trio.fail_after(within_s):
        while not condition():
            await trio.sleep(0.02)
    return (trio.current_time() - started) * 1000


async def until_clean(cluster: Cluster) -> tuple[float, list[AuditReport]]:
    """Audit every node until all are clean; returns seconds."""
    started = trio.current_time()
    with trio.fail_after(CLEAN_S):
        while True:
            reports = [await ask_node(node.data_dir, "audit", AuditReport) for node in cluster.nodes]
            if all(report.is_clean and not report.seats_unconfirmed for report in reports):
                return trio.current_time() - started, reports
            await trio.sleep(0.1)


@asynccontextmanager
async def outage(cluster: Cluster, how: str) -> AsyncIterator[list[Callable[[], None]]]:
    """Take Redis away, stopped or killed; the list's one function brings it back, the same one or a fresh empty one."""
    (process,) = descendants(cluster.redis.pid)  # behind its tether
    if how == "stopped":
        os.kill(process, signal.SIGSTOP)
        try:
            yield [lambda: os.kill(process, signal.SIGCONT)]
        finally:
            os.kill(process, signal.SIGCONT)
        return
    os.kill(process, signal.SIGKILL)
    (cluster.folder / "redis.sock").unlink(missing_ok=True)
    opened = []

    def start_fresh() -> None:
        fresh = private_redis(cluster.folder)
        fresh.__enter__()
        opened.append(fresh)

    try:
        yield [start_fresh]
    finally:
        for fresh in opened:
            fresh.__exit__(None, None, None)


async def refused_list(one: Guest, cluster: Cluster) -> float:
    """Ask for the list of rooms; returns after how many milliseconds it was refused."""
    started = trio.current_time()
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        token = {"Authorization": f"Bearer {one.client.token}"}
        answer = await http.get(f"{cluster.at(one.node).url}/v1/rooms", headers=token)
    took_ms = (trio.current_time() - started) * 1000
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")
    assert took_ms < JOIN_MS
    return took_ms


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_people_come_and_go_without_the_store(how: str) -> None:
    times: dict[str, float] = {}
    async with (
        open_cluster(STAGES) as cluster,
        guest(cluster, AMSTERDAM, name="Ann") as ann,
        guest(cluster, AMSTERDAM, name="Bob") as bob,
        guest(cluster, VIRGINIA, name="Cal") as cal,
        guest(cluster, VIRGINIA, name="Dan") as dan,
    ):
        assert not (await ann.join()).degraded
        assert not (await bob.join()).degraded
        async with outage(cluster, how) as (bring_back,):
            # Somebody comes in on a node that knows nothing of the room and has no link.
            started = trio.current_time()
            joined = await cal.join()
            times["join ms"] = (trio.current_time() - started) * 1000
            assert joined.degraded
            assert times["join ms"] < JOIN_MS
            assert not joined.participants
            times["seen ms"] = await until(
                lambda: cal.sees(ann, bob) and ann.sees(bob, cal) and bob.sees(ann, cal), within_s=SEEN_S
            )

            # What needs the store alone is refused, and in time.
            times["list of rooms ms"] = await refused_list(cal, cluster)

            # They talk across nodes.
            await cal.client.chat("from Virginia")
            await ann.client.chat("from Amsterdam")
            times["chat ms"] = await until(
                lambda: "from Virginia" in ann.chats and "from Amsterdam" in cal.chats, within_s=SEEN_S
            )

            # Bob leaves, and comes again with the next attempt; a late old one is refused by his own node.
            await bob.client.leave()
            bob.seen.clear()
            times["leave ms"] = await until(lambda: ann.sees(cal) and cal.sees(ann), within_s=SEEN_S)
            assert (await bob.join(attempt=2)).degraded
            times["rejoin here ms"] = await until(
                lambda: bob.sees(ann, cal) and ann.sees(bob, cal) and cal.sees(ann, bob), within_s=SEEN_S
            )

            # Cal refreshes: a new socket on the same node, the old one still open.
            async with guest(cluster, VIRGINIA, grant=cal.grant, name="Cal2") as again:
                assert (await again.join(attempt=2)).degraded
                await until(lambda: any(isinstance(event, Replaced) for event in cal.events), within_s=SEEN_S)
                await until(lambda: again.sees(ann, bob), within_s=SEEN_S)
                assert ann.sees(bob, again)

                # And once more, on a third node, which has no link either; the old socket closes a moment later.
                async with guest(cluster, SINGAPORE, grant=cal.grant, name="Cal3") as moved:
                    assert (await moved.join(attempt=3)).degraded
                    times["rejoin elsewhere ms"] = await until(lambda: moved.sees(ann, bob), within_s=SEEN_S)
                    assert (await dan.join()).degraded
                    await until(lambda: dan.sees(ann, bob, moved), within_s=SEEN_S)

                    bring_back()
                    times["clean s"], reports = await until_clean(cluster)
                    # Ann and Bob, Dan, and Cal once, where they came last; their socket before is told so.
                    assert {one.node: one.seats_here for one in reports} == {AMSTERDAM: 2, VIRGINIA: 1, SINGAPORE: 1}
                    assert any(isinstance(event, Replaced) for event in again.events)
                    # Calls went on: everybody is there once, and a word still reaches all.
                    await until(lambda: ann.sees(bob, moved, dan) and moved.sees(ann, bob, dan), within_s=SEEN_S)
                    await dan.client.chat("after")
                    await until(lambda: "after" in ann.chats and "after" in moved.chats, within_s=SEEN_S)
                    assert not any(isinstance(event, Replaced) for event in (*ann.events, *bob.events, *moved.events))
                    folder = str(cluster.at(VIRGINIA).data_dir)
                    command = [sys.executable, "-m", "node", "audit", "--json", "--data-dir", folder]
                    audited = await trio.run_process(command, capture_stdout=True)
                    assert json.loads(audited.stdout)["seats_stored"] == 4
    print(how, {name: round(value, 2) for name, value in times.items()})  # noqa: T201


async def test_a_store_that_is_awake_now_and_then_holds_nobody_up() -> None:
    """Redis sleeps for 0.6 s of each 0.7 s: every join is answered in time, whether it got through or not."""
    took_ms = []
    degraded = 0
    async with open_cluster(STAGES[:1]) as cluster, guest(cluster, AMSTERDAM) as ann:
        (process,) = descendants(cluster.redis.pid)

        async def doze() -> None:
            try:
                while True:
                    os.kill(process, signal.SIGSTOP)
                    await trio.sleep(0.6)
                    os.kill(process, signal.SIGCONT)
                    await trio.sleep(0.1)
            finally:
                os.kill(process, signal.SIGCONT)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(doze)
            for attempt in range(1, 21):
                if attempt > 1:
                    await ann.client.leave()
                    # Each join meets another moment of the sleep.
                    await trio.sleep(0.13 * attempt % 0.7)
                started = trio.current_time()
                degraded += (await ann.join(attempt=attempt)).degraded
                took_ms.append((trio.current_time() - started) * 1000)
            nursery.cancel_scope.cancel()
        clean_s, _ = await until_clean(cluster)
    print(f"slow: joins took at most {max(took_ms):.0f} ms, {degraded} of 20 degraded, clean after {clean_s:.1f} s")  # noqa: T201
    assert max(took_ms) < JOIN_MS
    assert 0 < degraded < 20
