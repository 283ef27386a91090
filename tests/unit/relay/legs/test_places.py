"""Legs of a track that must stay within some places: none that may lead outside, and none ended for want of news."""

from __future__ import annotations

from relay.legs import (
    TOO_FAR,
    CloseLegIn,
    Hop,
    Legs,
    LegsEffect,
    LinkRisen,
    TellLeg,
    TracksWanted,
    ViaRefused,
    WaysKnown,
    WordHeard,
)
from signalling.ids import NodeId, RoomId, TrackId
from signalling.mesh.link import Unwant, WantRefused

ME, O, V, W = map(NodeId, ("me", "origin", "v", "w"))  # noqa: E741 - the origin
ROOM, OTHER_ROOM, T = RoomId("room"), RoomId("other"), TrackId("t")
EU = frozenset({"eu"})


def ways(core: Legs, hop: Hop | None = None) -> tuple[LegsEffect, ...]:
    return core.handle(WaysKnown(hops={} if hop is None else {O: hop}), 0.0)


def watch(core: Legs, places: frozenset[str] = EU, room: RoomId = ROOM) -> tuple[LegsEffect, ...]:
    return core.handle(TracksWanted(room=room, tracks={T: (O, "video")}, places=places), 0.0)


def watched(*places: frozenset[str], via: NodeId = V, hops: int = 2) -> Legs:
    """A track that comes by a neighbour, for a room that was kept in these places one after the other."""
    core = Legs(own=ME)
    core.handle(LinkRisen(node=V), 0.0)
    core.handle(LinkRisen(node=W), 0.0)
    ways(core, Hop(via=via, hops=hops))
    for each in places:
        watch(core, each)
    assert core.incoming() == {(via, 1): T}
    return core


def ended(node: NodeId, leg: int = 1) -> tuple[LegsEffect, ...]:
    return (TellLeg(node=node, word=Unwant(leg)), CloseLegIn(node=node, leg=leg))


def test_a_longer_way_than_the_middle_was_picked_for_is_not_taken() -> None:
    core = watched(EU)
    assert core.handle(WordHeard(node=V, word=WantRefused(1, TOO_FAR)), 0.0) == (
        CloseLegIn(node=V, leg=1),
        ViaRefused(origin=O, via=V),
    )


def test_a_leg_of_which_nobody_said_that_it_stays_ends_when_the_track_has_to() -> None:
    core = watched(frozenset())
    ways(core)
    assert core.incoming() == {(V, 1): T}, "it may pass anywhere"
    assert watch(core) == ended(V)
    assert core.sender_of(T) is None


def test_a_leg_that_stays_goes_on_while_no_way_is_known() -> None:
    core = watched(EU)
    assert ways(core) == ()
    assert watch(core) == ()
    assert ways(core, Hop(via=V, hops=2)) == ()


def test_a_leg_that_was_there_before_goes_on_if_its_way_is_named_still() -> None:
    core = watched(frozenset(), EU)
    assert ways(core) == ()


def test_a_leg_that_stays_in_other_places_ends() -> None:
    core = watched(EU | {"ch"})
    ways(core)
    assert watch(core, frozenset({"ch"})) == ended(V), "it may be in the other one"
    core = watched(EU)
    ways(core)
    assert watch(core, EU | {"ch"}) == ()


def test_each_room_that_wants_the_track_counts() -> None:
    core = watched(EU | {"ch"})
    ways(core)
    assert watch(core, frozenset(), OTHER_ROOM) == ()
    assert watch(core, EU, OTHER_ROOM) == ended(V)


def test_a_leg_of_too_many_links_is_asked_for_anew_where_they_may_be_fewer() -> None:
    core = watched(frozenset(), hops=3)
    ways(core, Hop(via=V, hops=2))
    assert core.incoming() == {(V, 1): T}, "nobody minds"
    assert watch(core)[-2:] == ended(V)
    assert core.incoming() == {(V, 2): T}


def test_the_former_leg_ends_at_once_if_it_leads_outside() -> None:
    core = watched(frozenset(), via=W)
    ways(core, Hop(via=V, hops=2))
    assert core.incoming() == {(W, 1): T, (V, 1): T}
    assert watch(core) == ended(W)
    assert core.incoming() == {(V, 1): T}


def test_the_origin_itself_may_be_anywhere() -> None:
    core = Legs(own=ME)
    for node in (O, V):
        core.handle(LinkRisen(node=node), 0.0)
    watch(core, frozenset())
    ways(core, Hop(via=V, hops=2))
    assert watch(core) == ()
    assert core.incoming() == {(O, 1): T, (V, 1): T}
