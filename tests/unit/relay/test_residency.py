"""Media of a room that is kept in places passes no node of another one, and rather does not come at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from membership import NodeAppeared, NodeGone
from sfu.protocol import PeerState
from signalling.ids import NodeId, RoomId, TrackId
from tests.unit.relay.neighbours import World, open_world, person

if TYPE_CHECKING:
    from trio.testing import MockClock

A, M, N, P = map(NodeId, "amnp")
REGIONS = {A: "eu", M: "eu", N: "us", P: "eu"}
ROOM, TRACK = RoomId("room"), TrackId("tr_1")
WANTED = {TRACK: (P, "video")}


async def gather(world: World, *broken: str) -> None:
    """Ann's node and Pia's, with two between, one of them elsewhere; the pairs cannot reach each other."""
    world.broken |= {frozenset(map(NodeId, pair)) for pair in broken}
    world.nursery.start_soon(world.measure)
    for node, region in REGIONS.items():
        await world.open(node, region=region, warm_links=4)
    await trio.sleep(20)
    world.relays[A].share_room(ROOM, frozenset({P}), (person("ann", A),))
    world.relays[P].share_room(ROOM, frozenset({A}), (person("pia", P, TRACK),))


async def test_a_node_that_loses_its_link_asks_none_of_another_place(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await gather(world, "ap", "an")
        world.relays[A].want_tracks(ROOM, {TRACK: (P, "video")}, {"eu"})
        await trio.sleep(5)
        assert world.relays[A].source_of(TRACK) == M
        world.cut(M, P)
        for _ in range(600):
            await trio.sleep(0.1)
            assert world.relays[N].statistics().legs_passed == 0
        assert world.relays[A].source_of(TRACK) is None
        world.broken.discard(frozenset({M, P}))
        await trio.sleep(60)
        assert world.relays[A].source_of(TRACK) == M


async def test_a_track_stops_where_its_room_may_not_pass_any_more(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await gather(world, "ap", "am")
        world.relays[A].want_tracks(ROOM, {TRACK: (P, "video")})
        await trio.sleep(5)
        assert world.relays[A].source_of(TRACK) == N
        world.relays[A].want_tracks(ROOM, {TRACK: (P, "video")}, {"eu"})
        await trio.sleep(0.2)
        assert world.relays[A].source_of(TRACK) is None
        assert world.engines[A].legs_in == {}
        assert world.relays[N].statistics().legs_passed == 0
        world.relays[A].want_tracks(ROOM, {TRACK: (P, "video")})
        await trio.sleep(1)
        assert world.relays[A].source_of(TRACK) == N


async def test_a_track_goes_on_while_gossip_misses_the_middle_or_its_link_is_in_doubt(
    autojump_clock: MockClock,
) -> None:
    async with open_world() as world:
        await gather(world, "ap", "an")
        world.relays[A].want_tracks(ROOM, {TRACK: (P, "video")}, {"eu"})
        await trio.sleep(5)
        flows = dict(world.engines[A].legs_in)
        ((link, leg),) = flows
        assert leg == 1
        world.gossips[A].tell(NodeGone(member=world.members[M]))
        await trio.sleep(5)
        assert world.relays[A].ways_from(P) == ()
        assert world.engines[A].legs_in == flows
        world.gossips[A].tell(NodeAppeared(member=world.members[M]))
        await trio.sleep(5)
        assert len(world.relays[A].ways_from(P)) == 1
        world.engines[A].report(PeerState(peer=link, state="suspect", reason=""))
        await trio.sleep(0.3)
        assert world.relays[A].ways_from(P) == ()
        world.engines[A].report(PeerState(peer=link, state="connected", reason=""))
        await trio.sleep(5)
        # Perhaps on another end by now, but it is the same leg.
        assert {leg: track for (_, leg), track in world.engines[A].legs_in.items()} == {1: TRACK}
