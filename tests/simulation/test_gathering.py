"""Whole nodes with distances between them: a room gathers where it is better for everyone, and does not flap."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import pytest
import trio
from trio.testing import MockClock

from membership import ClusterView, NodeState
from session import RoomDirectory
from tests.simulation.faulty_store import FaultyStore
from tests.simulation.links import Links
from tests.simulation.simulated_node import SimulatedNode, settings_of
from tests.simulation.traveller import Traveller, url_of
from tests.simulation.universe import Universe
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.membership.places import member

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from signalling.client.rooms import PlacementPolicy
    from signalling.ids import NodeId

A, B, C = (SimulatedNode.id_of(number) for number in range(3))

FAR_MS: Final = 90.0
"""Between any two nodes, one way."""

SETTLED_S: Final = 40.0
"""An advice stands for 10 s before it is followed, and who is led is there at once."""

LONG_S: Final = 400.0
"""Several times as long as anything rests in the planner."""


@dataclass
class _World:
    universe: Universe
    nodes: dict[NodeId, SimulatedNode]
    links: Links
    states: dict[NodeId, NodeState]
    nursery: trio.Nursery

    async def enter(self, name: str, node: NodeId, a_ms: float, b_ms: float, *, insists: bool = False) -> Traveller:
        """Somebody comes to a node, so far from the first and from the second, and far from the third."""
        rtts_ms = {A: a_ms, B: b_ms, C: a_ms + b_ms + 200.0}
        one = Traveller(self.universe, self.nodes, self.nursery, name, rtts_ms, noise_ms=4.0, insists=insists)
        await one.come(node)
        return one


@asynccontextmanager
async def _world(universe: Universe, placement: PlacementPolicy) -> AsyncIterator[_World]:
    repository = MemoryRepository()
    directory = RoomDirectory(repository, max_rooms=10)
    settings = settings_of(A)
    states = dict.fromkeys((A, B, C), NodeState.SERVING)

    def view(own: NodeId) -> ClusterView:
        known = {node: member(node, public_url=url_of(node)) for node in states}
        seen = {node: replace(one, tags=replace(one.tags, state=states[node])) for node, one in known.items()}
        return ClusterView(own_id=own, members=MappingProxyType(seen), is_fresh=True)

    async with trio.open_nursery() as nursery:
        store = FaultyStore(
            universe, lease_s=settings.lease_s, tombstone_s=settings.tombstone_s, repository=repository, late=nursery
        )
        links = Links(universe, nursery)
        links.costs = {node: dict.fromkeys({A, B, C} - {node}, FAR_MS) for node in (A, B, C)}
        nodes = {
            name: SimulatedNode(
                universe,
                name,
                store=store,
                directory=directory,
                repository=repository,
                links=links,
                view=view,
                placement=placement,
            )
            for name in (A, B, C)
        }
        for node in nodes.values():
            await nursery.start(node.live)
        await trio.sleep(5.0)
        yield _World(universe, nodes, links, states, nursery)
        nursery.cancel_scope.cancel()


def _play(seed: int, placement: PlacementPolicy, story: Callable[[_World], Awaitable[None]]) -> None:
    universe = Universe(seed)

    async def run() -> None:
        async with _world(universe, placement) as world:
            await story(world)

    with universe.begun():
        trio.run(run, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("seed", range(4))
def test_one_between_two_nodes_is_led_to_the_others_once_and_stays(seed: int) -> None:
    async def story(world: _World) -> None:
        people = [
            await world.enter("ada", A, 10.0, 190.0),
            await world.enter("bob", A, 12.0, 190.0),
            await world.enter("cyd", B, 34.0, 20.0),
        ]
        await trio.sleep(SETTLED_S)
        assert [one.at for one in people] == [A, A, A]
        await trio.sleep(LONG_S)
        assert [[(node, why) for _, node, why in one.moves] for one in people] == [[], [], [(A, "gather")]]
        assert [one.seen_leaving for one in people] == [[], [], []]
        assert all(set(one.sees.values()) <= {A} for one in people)

    _play(seed, "auto", story)


@pytest.mark.parametrize("seed", range(2))
def test_two_sides_that_win_nothing_by_it_are_left_where_they_are(seed: int) -> None:
    async def story(world: _World) -> None:
        people = [await world.enter("ada", A, 10.0, 190.0), await world.enter("bob", B, 190.0, 10.0)]
        await trio.sleep(LONG_S)
        assert [(one.at, one.moves) for one in people] == [(A, []), (B, [])]

    _play(seed, "auto", story)


@pytest.mark.parametrize("seed", range(4))
def test_sides_that_decide_apart_during_a_partition_come_together_after_it(seed: int) -> None:
    async def story(world: _World) -> None:
        world.links.part(A, B)
        people = [
            await world.enter("ada", A, 20.0, 40.0),
            await world.enter("bob", B, 40.0, 20.0),
            await world.enter("cyd", B, 40.0, 22.0),
        ]
        await trio.sleep(SETTLED_S)
        world.links.mend()
        await trio.sleep(SETTLED_S)
        (node,) = {one.at for one in people}
        moved = [len(one.moves) for one in people]
        await trio.sleep(LONG_S)
        assert {one.at for one in people} == {node}
        assert [len(one.moves) for one in people] == moved, "nobody is led to and fro"
        assert max(moved) <= 2

    _play(seed, "gather", story)


def test_who_insists_stays_and_nobody_else_is_led_to_and_fro_for_it() -> None:
    async def story(world: _World) -> None:
        people = [
            await world.enter("ada", A, 10.0, 30.0),
            await world.enter("bob", B, 30.0, 12.0),
            await world.enter("cyd", B, 10.0, 150.0, insists=True),
        ]
        await trio.sleep(LONG_S)
        assert (people[2].at, people[2].moves) == (B, [])
        assert people[0].at == people[1].at
        assert all(len(one.moves) <= 1 for one in people)

    _play(0, "gather", story)


@pytest.mark.parametrize("policy", ["auto", "gather"])
def test_nobody_is_led_to_a_node_that_is_emptied(policy: PlacementPolicy) -> None:
    async def story(world: _World) -> None:
        world.states[A] = NodeState.DRAINING
        people = [await world.enter("ada", B, 10.0, 30.0), await world.enter("bob", C, 12.0, 30.0)]
        await trio.sleep(LONG_S)
        assert A not in {node for one in people for _, node, _ in one.moves}
        assert A not in {one.at for one in people}

    _play(0, policy, story)


def test_a_node_that_is_emptied_gives_the_room_up_and_it_gathers_on_another() -> None:
    async def story(world: _World) -> None:
        ada = await world.enter("ada", A, 10.0, 30.0)
        bob = await world.enter("bob", B, 14.0, 12.0)
        await trio.sleep(SETTLED_S)
        assert (ada.at, bob.at) == (A, A)
        world.states[A] = NodeState.DRAINING
        await trio.sleep(2 * SETTLED_S)
        assert (ada.at, bob.at) == (B, B)
        assert ada.seen_leaving == bob.seen_leaving == []

    _play(0, "gather", story)
