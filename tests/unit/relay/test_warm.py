"""Links that are kept for later: both ends agree on them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import trio
from hypothesis import given
from hypothesis import strategies as st

from relay import LinkLost
from relay.warm import warm_nodes
from signalling.ids import NodeId, RoomId, TrackId
from tests.unit.relay.neighbours import open_world, person

if TYPE_CHECKING:
    from trio.testing import MockClock

IDS = st.sets(st.text("abc", min_size=1, max_size=3).map(NodeId), max_size=12)


@given(nodes=IDS, count=st.integers(0, 5))
def test_both_ends_want_a_warm_link_or_none(nodes: set[NodeId], count: int) -> None:
    wanted = {node: warm_nodes(node, nodes - {node}, count) for node in nodes}
    for node in nodes:
        assert node not in wanted[node]
        assert wanted[node] >= set(sorted(nodes - {node})[:count])
        for other in wanted[node]:
            assert node in wanted[other]


async def test_warm_links_of_a_quiet_cluster_stay(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        for name in "abcde":
            await world.open(name, warm_links=2)
        await trio.sleep(3600)
        assert [world.of(name, LinkLost) for name in "abcde"] == [[]] * 5
        links = Counter({name: world.relays[NodeId(name)].statistics().links_up for name in "abcde"})
        assert links == {"a": 4, "b": 4, "c": 2, "d": 2, "e": 2}


async def test_a_link_that_carries_for_others_is_not_idle(autojump_clock: MockClock) -> None:
    a, b, c = map(NodeId, "abc")
    room, track = RoomId("room"), TrackId("tr_2")
    people = {a: person("ann", a), b: person("bob", b, track), c: person("cid", c)}
    async with open_world() as world:
        world.broken.add(frozenset({a, b}))
        world.nursery.start_soon(world.measure)
        for name in "abc":
            await world.open(name)
        for node, one in people.items():
            world.relays[node].share_room(room, frozenset(people.keys() - {node}), (one,))
        world.relays[a].want_tracks(room, {track: (b, "video")})
        await trio.sleep(20)
        assert world.relays[a].source_of(track) == c
        # Cid goes, and the picture passes the node all the same.
        for node, other in ((a, b), (b, a)):
            world.relays[node].share_room(room, frozenset({other}), (people[node],))
        world.relays[c].share_room(room, frozenset(), ())
        await trio.sleep(1000)
        assert world.relays[a].source_of(track) == c
        lost = world.of("a", LinkLost) + world.of("c", LinkLost)
        assert "idle" not in {event.reason for event in lost if isinstance(event, LinkLost)}
