"""A node is emptied while people talk: nobody sees anybody leave, no word is lost, all sit on another node."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import pytest
import trio

from membership.agent.child import open_tethered
from node.admin import Links, ask_node
from node.demo.cast import AMSTERDAM, SINGAPORE, STAGES, VIRGINIA
from node.demo.cluster import open_cluster
from node.drain.events import INTERVAL_S
from node.lifecycle_orders import NodeAnswer, NodeOrder
from signalling.client.messages import ChatMessage, ParticipantLeft
from signalling.client.seat import Away, Ended, Seated, open_seat
from signalling.ids import RoomId
from tests.cluster.processes import descendants, program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from membership.agent.child import TetheredChild
    from node.demo.cluster import Cluster
    from signalling.client.seat import RoomSeat
    from signalling.ids import NodeId

pytestmark = pytest.mark.cluster

ROOM: Final = RoomId("parliament")
DEADLINE_S: Final = 60.0
POLL_S: Final = 0.1
HEARD_S: Final = 15.0
TOLD_S: Final = 2.0
"""For somebody who was told to move to be there."""

CROWD: Final = 8
"""Moved one by one, half of them leaves two seconds on average for what comes between."""
SETTINGS: Final[Mapping[str, Mapping[str, object]]] = {"mesh": {"warm_links": 8}, "node": {"drain_deadline_s": 20.0}}


@dataclass
class Person:
    """Somebody with a seat, and what they saw."""

    seat: RoomSeat
    node: str = ""
    seats: int = 0
    moves: int = 0
    left: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    ended: str = ""

    def words(self, said: list[str]) -> list[str]:
        """What they heard of what was said."""
        known = set(said)
        return [text for text in self.heard if text in known]

    async def watch(self) -> None:
        """Note all that happens; a move is done as soon as the new connection stands, as no media is sent."""
        async for event in self.seat.events:
            match event:
                case Seated(moved=moved):
                    self.seats += 1
                    self.moves += moved
                    assert self.seat.client is not None
                    self.node = self.seat.client.welcome.node
                    self.seat.carried()
                case ParticipantLeft(reason=reason):
                    self.left.append(reason)
                case ChatMessage(text=text):
                    self.heard.append(text)
                case Away(code=code):
                    self.away.append(code)
                case Ended(code=code):
                    self.ended = code
                case _:
                    pass


@asynccontextmanager
async def _people(cluster: Cluster, homes: Sequence[NodeId]) -> AsyncIterator[list[Person]]:
    """One person a name, each on that node; they know of the others."""
    urls = {node.node: node.url for node in cluster.nodes}
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        people = []
        for number, home in enumerate(homes):
            nodes = [urls[home], *(url for node, url in urls.items() if node != home)]
            seat = await stack.enter_async_context(open_seat(nodes, ROOM, name=f"Person {number}"))
            people.append(Person(seat))
            nursery.start_soon(people[-1].watch)
        yield people
        nursery.cancel_scope.cancel()


async def test_a_drained_node_is_empty_and_nobody_noticed() -> None:
    """Four people move from Amsterdam while somebody talks; newcomers are refused, and taken after an undo."""
    async with (
        open_cluster(STAGES, settings=SETTINGS) as cluster,
        _people(cluster, [AMSTERDAM] * 4 + [SINGAPORE]) as people,
    ):
        await _wait_linked(cluster)
        said: list[str] = []
        async with trio.open_nursery() as talking:
            talking.start_soon(_talk, people[0], said, trio.Event())
            await trio.sleep(0.5)
            answer = await _order(cluster, AMSTERDAM, NodeOrder(action="drain", deadline_s=30.0, batch=2))
            assert answer.state == "draining"
            answer = await _wait_empty(cluster, AMSTERDAM)
            talking.cancel_scope.cancel()
        assert (answer.state, answer.moved, answer.left, answer.released) == ("draining", 4, 0, 0)
        assert [person.moves for person in people] == [1, 1, 1, 1, 0]
        assert AMSTERDAM not in {person.node for person in people}
        assert await _status(cluster, AMSTERDAM) == (200, 503, ["node_draining"])
        await _all_heard(people, said)
        assert [(person.left, person.away, person.ended) for person in people] == [([], [], "")] * len(people)
        async with open_seat([cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url], ROOM, name="Late") as late:
            assert late.client is not None
            assert late.client.welcome.node == SINGAPORE
        answer = await _order(cluster, AMSTERDAM, NodeOrder(action="undrain"))
        assert answer.state == "serving"
        with trio.fail_after(DEADLINE_S):
            while await _status(cluster, AMSTERDAM) != (200, 200, []):
                await trio.sleep(POLL_S)
        async with open_seat([cluster.at(AMSTERDAM).url], ROOM, name="Later") as later:
            assert later.client is not None


async def test_a_rolling_restart_loses_nobody() -> None:
    """Each of three nodes is told to stop and started again, while people of all three talk."""
    async with (
        open_cluster(STAGES, settings=SETTINGS) as cluster,
        _people(cluster, [AMSTERDAM, AMSTERDAM, SINGAPORE, SINGAPORE, VIRGINIA, VIRGINIA]) as people,
    ):
        said: list[str] = []
        await _wait_linked(cluster)
        async with trio.open_nursery() as talking, AsyncExitStack() as restarted:
            enough = trio.Event()
            talking.start_soon(_talk, people[0], said, enough)
            for running in cluster.nodes:
                running.process.send_signal(signal.SIGTERM)
                with trio.fail_after(DEADLINE_S):
                    assert await running.process.wait() == 0
                await _start_again(restarted, cluster, running.node)  # ready means linked: the next may go
                own = await ask_node(running.data_dir, "links", Links)
                assert [link.state for link in own.links] == ["up"] * (len(cluster.nodes) - 1)
            enough.set()
            await _all_heard(people, said)
            assert [(person.left, person.away, person.ended) for person in people] == [([], [], "")] * len(people)
            assert all(person.moves >= 1 for person in people)


async def test_a_second_signal_does_not_wait() -> None:
    """The node is gone at once, and its person is taken in by the other."""
    async with (
        open_cluster(STAGES[:2], settings=SETTINGS) as cluster,
        _people(cluster, [AMSTERDAM, SINGAPORE]) as people,
    ):
        assert people[0].seat.client is not None
        process = cluster.at(AMSTERDAM).process
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(10.0):
            await process.wait()
        with trio.fail_after(DEADLINE_S):
            while people[0].node != SINGAPORE:
                await trio.sleep(POLL_S)
        assert people[0].ended == ""


async def test_an_engine_that_dies_does_not_hold_the_drain_up() -> None:
    """Killed with -9 as the drain begins: all are moved at once, and stay."""
    async with (
        open_cluster(STAGES[:2], settings=SETTINGS) as cluster,
        _people(cluster, [AMSTERDAM] * 3 + [SINGAPORE]) as people,
    ):
        engines = [pid for pid in descendants(cluster.at(AMSTERDAM).process.pid) if program(pid) == "starling-sfu"]
        await _order(cluster, AMSTERDAM, NodeOrder(action="drain", deadline_s=60.0, batch=1))
        for pid in engines:
            os.kill(pid, signal.SIGKILL)
        answer = await _wait_empty(cluster, AMSTERDAM)
        assert (answer.moved, answer.left) == (3, 0)
        assert [(person.left, person.away, person.ended) for person in people] == [([], [], "")] * len(people)


async def test_an_engine_that_dies_while_a_node_stops_does_not_keep_it_from_ending() -> None:
    """Half of its people have gone when the engine is killed; the others follow, and the process ends in good order."""
    async with (
        open_cluster(STAGES[:2], settings=SETTINGS) as cluster,
        _people(cluster, [AMSTERDAM] * CROWD) as people,
    ):
        process = cluster.at(AMSTERDAM).process
        engines = [pid for pid in descendants(process.pid) if program(pid) == "starling-sfu"]
        await _order(cluster, AMSTERDAM, NodeOrder(action="drain", deadline_s=600.0, batch=1))
        await _wait_half_way(people)
        process.send_signal(signal.SIGTERM)
        for pid in engines:
            os.kill(pid, signal.SIGKILL)
        with trio.fail_after(DEADLINE_S):
            assert await process.wait() == 0
        with trio.fail_after(DEADLINE_S):
            while {person.node for person in people} != {SINGAPORE}:
                await trio.sleep(POLL_S)
        assert [(person.left, person.away, person.ended) for person in people] == [([], [], "")] * CROWD


async def test_who_comes_during_a_drain_sits_elsewhere_and_does_not_hold_it_up() -> None:
    """A newcomer who asks the node that drains first, while half of its people are there."""
    async with (
        open_cluster(STAGES[:2], settings=SETTINGS) as cluster,
        _people(cluster, [AMSTERDAM] * CROWD) as people,
    ):
        urls = [cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url]
        await _order(cluster, AMSTERDAM, NodeOrder(action="drain", deadline_s=600.0, batch=1))
        await _wait_half_way(people)
        async with open_seat(urls, ROOM, name="New") as new:
            assert new.client is not None
            assert new.client.welcome.node == SINGAPORE
            assert (await _order(cluster, AMSTERDAM, NodeOrder())).remaining > 0, "it was over before"
            answer = await _wait_empty(cluster, AMSTERDAM)
        assert (answer.moved, answer.left, answer.released) == (CROWD, 0, 0)
        assert [person.moves for person in people] == [1] * CROWD
        assert [(person.away, person.ended) for person in people] == [([], "")] * CROWD


async def test_an_undone_drain_keeps_who_is_left_and_the_node_in_service() -> None:
    """Some are moved before it is undone; nobody after it, and the others stay where they are."""
    async with (
        open_cluster(STAGES[:2], settings=SETTINGS) as cluster,
        _people(cluster, [AMSTERDAM] * CROWD) as people,
    ):
        await _order(cluster, AMSTERDAM, NodeOrder(action="drain", deadline_s=600.0, batch=1))
        await _wait_half_way(people)
        answer = await _order(cluster, AMSTERDAM, NodeOrder(action="undrain"))
        assert answer.state == "serving"
        with trio.fail_after(DEADLINE_S):
            while await _status(cluster, AMSTERDAM) != (200, 200, []):
                await trio.sleep(POLL_S)
        await trio.sleep(TOLD_S)  # Who was told before the undo may still go.
        moved = sum(person.moves for person in people)
        await trio.sleep(3 * INTERVAL_S)
        assert CROWD // 2 <= moved < CROWD
        assert sum(person.node == SINGAPORE for person in people) == sum(person.moves for person in people) == moved
        assert [(person.left, person.away, person.ended) for person in people] == [([], [], "")] * len(people)


async def test_an_ineligible_node_keeps_its_people_and_takes_no_others() -> None:
    """Its members are told; who sits there sits on, whoever comes goes elsewhere."""
    async with (
        open_cluster(STAGES[:2], settings=SETTINGS) as cluster,
        _people(cluster, [AMSTERDAM]) as people,
    ):
        answer = await _order(cluster, AMSTERDAM, NodeOrder(action="ineligible"))
        assert (answer.state, answer.eligible) == ("serving", False)
        async with open_seat([cluster.at(AMSTERDAM).url, cluster.at(SINGAPORE).url], ROOM, name="New") as new:
            assert new.client is not None
            assert new.client.welcome.node == SINGAPORE
        async with httpx.AsyncClient(trust_env=False) as http:
            with trio.fail_after(DEADLINE_S):
                while await _candidates(http, cluster.at(SINGAPORE).url) != [SINGAPORE]:
                    await trio.sleep(POLL_S)
        assert people[0].node == AMSTERDAM
        assert (await _order(cluster, AMSTERDAM, NodeOrder(action="eligible"))).eligible


async def _wait_half_way(people: Sequence[Person]) -> None:
    with trio.fail_after(DEADLINE_S):
        while sum(person.moves for person in people) < len(people) // 2:
            await trio.sleep(0.01)


async def _talk(person: Person, said: list[str], enough: trio.Event) -> None:
    for number in range(10_000):
        if enough.is_set():
            return
        await person.seat.chat(f"word {number}")
        said.append(f"word {number}")
        await trio.sleep(0.05)


async def _all_heard(people: Sequence[Person], said: list[str]) -> None:
    """Everybody hears every word, once and in order."""
    with trio.move_on_after(HEARD_S):
        while any(said != person.words(said) for person in people):
            await trio.sleep(POLL_S)
    for person in people:
        missing = [text for text in said if text not in person.heard]
        assert (person.words(said) == said, missing) == (True, []), f"{person.node}, {person.moves} moves"


async def _order(cluster: Cluster, node: NodeId, order: NodeOrder) -> NodeAnswer:
    answer = await ask_node(cluster.at(node).data_dir, "node", NodeAnswer, order)
    assert answer.code == "", answer.message
    return answer


async def _wait_empty(cluster: Cluster, node: NodeId) -> NodeAnswer:
    with trio.fail_after(DEADLINE_S):
        while (answer := await _order(cluster, node, NodeOrder())).remaining:
            await trio.sleep(POLL_S)
    return answer


async def _status(cluster: Cluster, node: NodeId) -> tuple[int, int, list[str]]:
    """What `/healthz` and `/readyz` say."""
    url = cluster.at(node).url
    async with httpx.AsyncClient(trust_env=False) as http:
        health, ready = await http.get(f"{url}/healthz"), await http.get(f"{url}/readyz")
    return health.status_code, ready.status_code, [reason["code"] for reason in ready.json()["reasons"]]


async def _candidates(http: httpx.AsyncClient, url: str) -> list[str]:
    return [one["node"] for one in (await http.get(f"{url}/v1/nodes")).json()["nodes"]]


async def _wait_linked(cluster: Cluster) -> None:
    """Wait until every node has its links with all others: over them it hears who moved where."""
    with trio.fail_after(DEADLINE_S):
        for running in cluster.nodes:
            while True:
                links = await ask_node(running.data_dir, "links", Links)
                if sum(link.state == "up" for link in links.links) == len(cluster.nodes) - 1:
                    break
                await trio.sleep(POLL_S)


async def _start_again(stack: AsyncExitStack, cluster: Cluster, node: str) -> TetheredChild:
    """Run the node once more, until it is ready and sees all others."""
    config = Path(cluster.folder) / node / "node.toml"
    command = [sys.executable, "-m", "node", "up", "--config", str(config)]
    process = await stack.enter_async_context(open_tethered(command, name=f"node {node}", close_grace_s=8.0))
    async with httpx.AsyncClient(trust_env=False) as http:
        with trio.fail_after(DEADLINE_S):
            while True:
                try:
                    ready = await http.get(f"{cluster.at(node).url}/readyz")
                    if ready.is_success and len(await _candidates(http, cluster.at(node).url)) == len(cluster.nodes):
                        return process
                except httpx.TransportError:
                    pass
                await trio.sleep(POLL_S)
