"""Tracks of other nodes: passed on for neighbours, and taken over other neighbours."""

from __future__ import annotations

from relay.legs import (
    NO_WAY,
    SWITCH_S,
    TOO_FAR,
    TRACK_UNKNOWN,
    CloseLegIn,
    CloseLegOut,
    Hop,
    Legs,
    LegsDeadline,
    LegsEffect,
    LinkFallen,
    LinkRisen,
    OpenLegIn,
    OpenLegOut,
    TellLeg,
    TracksNamed,
    TracksOffered,
    TracksWanted,
    ViaRefused,
    WaysKnown,
    WordHeard,
)
from relay.paths import Demand
from signalling.ids import NodeId, RoomId, TrackId
from signalling.mesh.link import Transit, Unwant, Want, WantRefused

ME, O, V, W = map(NodeId, ("me", "origin", "v", "w"))  # noqa: E741 - the origin
ROOM = RoomId("room")
T = TrackId("t")


def transit(level: int, *behind: NodeId) -> Transit:
    return Transit(O, level, ROOM, "video", behind)


def linked(*nodes: NodeId, own: NodeId = ME) -> Legs:
    core = Legs(own=own)
    for node in nodes:
        core.handle(LinkRisen(node=node), 0.0)
    return core


def hop(core: Legs, via: NodeId, hops: int, now: float = 0.0) -> tuple[LegsEffect, ...]:
    return core.handle(WaysKnown(hops={O: Hop(via=via, hops=hops)}), now)


def watch(core: Legs) -> tuple[LegsEffect, ...]:
    return core.handle(TracksWanted(room=ROOM, tracks={T: (O, "video")}), 0.0)


def ask(core: Legs, node: NodeId, level: int, leg: int = 9, *behind: NodeId) -> tuple[LegsEffect, ...]:
    return core.handle(WordHeard(node=node, word=Want(T, leg, transit(level, *(behind or (node,))))), 0.0)


def opened(node: NodeId, leg: int) -> OpenLegIn:
    return OpenLegIn(node=node, leg=leg, track=T, kind="video", room=ROOM)


def sent(node: NodeId, leg: int) -> OpenLegOut:
    return OpenLegOut(node=node, leg=leg, track=T, room=ROOM)


def refused(node: NodeId, code: str, leg: int = 9) -> TellLeg:
    return TellLeg(node=node, word=WantRefused(leg, code))


def test_a_track_is_asked_for_by_the_way_that_is_known() -> None:
    core = linked(O, V)
    hop(core, V, 2)
    assert watch(core) == (opened(V, 1), TellLeg(node=V, word=Want(T, 1, transit(2, ME))))
    assert core.partners() == {O, V}
    assert core.sender_of(T) == V


def test_a_way_over_a_link_that_is_down_is_none() -> None:
    core = linked(O)
    hop(core, V, 2)
    assert opened(O, 1) in watch(core)


def test_a_neighbour_gets_what_comes_from_the_origin_over_one_leg_for_all() -> None:
    core = linked(O, V, W)
    assert ask(core, V, 2) == (
        opened(O, 1),
        TellLeg(node=O, word=Want(T, 1, transit(1, V))),
        sent(V, 9),
    )
    assert ask(core, W, 3, 5) == (TellLeg(node=O, word=Want(T, 1, transit(1, V, W))), sent(W, 5))
    assert watch(core) == (TellLeg(node=O, word=Want(T, 1, transit(1, ME, V, W))),)
    assert core.transit_legs() == 2
    assert core.demands() == {O: Demand(max_hops=1, askers=frozenset({V, W}))}


def test_a_leg_ends_when_nobody_behind_it_is_left() -> None:
    core = linked(O, V)
    ask(core, V, 2)
    assert core.handle(WordHeard(node=V, word=Unwant(9)), 0.0) == (
        CloseLegOut(node=V, leg=9),
        TellLeg(node=O, word=Unwant(1)),
        CloseLegIn(node=O, leg=1),
    )
    ask(core, V, 2)
    assert core.handle(LinkFallen(node=V), 0.0) == (TellLeg(node=O, word=Unwant(2)), CloseLegIn(node=O, leg=2))


def test_who_asks_too_low_is_refused_and_nothing_is_opened_for_it() -> None:
    core = linked(O, V, W)
    assert ask(core, V, 1) == (refused(V, TOO_FAR),)
    hop(core, W, 2)
    assert ask(core, V, 2) == (refused(V, TOO_FAR),)
    assert core.incoming() == {}


def test_who_has_no_way_says_so() -> None:
    core = linked(V)
    assert ask(core, V, 3) == (refused(V, NO_WAY),)
    assert core.demands() == {}


def test_the_one_that_the_track_comes_from_does_not_get_it() -> None:
    core = linked(V, W)
    hop(core, V, 2)
    watch(core)
    assert ask(core, V, 3) == (refused(V, TOO_FAR),)
    assert ask(core, W, 3) == (TellLeg(node=V, word=Want(T, 1, transit(2, ME, W))), sent(W, 9))


def test_the_new_leg_flows_before_the_former_ends() -> None:
    core = linked(O, V)
    watch(core)
    assert hop(core, V, 2, now=10.0) == (opened(V, 1), TellLeg(node=V, word=Want(T, 1, transit(2, ME))))
    assert core.next_deadline() == 10.0 + SWITCH_S
    assert core.handle(LegsDeadline(), 10.0 + SWITCH_S) == (
        TellLeg(node=O, word=Unwant(1)),
        CloseLegIn(node=O, leg=1),
    )
    assert core.next_deadline() is None


def test_a_change_of_mind_keeps_the_former_leg() -> None:
    core = linked(O, V)
    watch(core)
    hop(core, V, 2, now=10.0)
    assert hop(core, O, 1, now=11.0) == (TellLeg(node=V, word=Unwant(1)), CloseLegIn(node=V, leg=1))
    assert core.incoming() == {(O, 1): T}


def test_a_neighbour_waits_until_no_leg_of_ours_is_above_it() -> None:
    core = linked(O, V, W)
    hop(core, W, 2)
    watch(core)
    hop(core, O, 1)
    assert sent(V, 9) not in ask(core, V, 2), "the former leg is on level 2, too"
    assert core.handle(LegsDeadline(), SWITCH_S)[-1] == sent(V, 9)


def test_neighbours_that_a_longer_way_cannot_serve_are_refused_before_it_is_taken() -> None:
    core = linked(O, V, W)
    watch(core)
    ask(core, V, 2)
    effects = hop(core, W, 2)
    assert effects[:2] == (CloseLegOut(node=V, leg=9), refused(V, TOO_FAR))
    assert opened(W, 1) in effects


def test_a_leg_that_is_too_high_for_a_neighbour_is_asked_for_anew_if_the_way_is_short_enough() -> None:
    core = linked(V, W)
    hop(core, W, 3)
    watch(core)
    hop(core, W, 2)
    effects = ask(core, V, 3)
    assert effects == (
        opened(W, 2),
        TellLeg(node=W, word=Want(T, 2, transit(2, ME, V))),
        TellLeg(node=W, word=Unwant(1)),
        CloseLegIn(node=W, leg=1),
        sent(V, 9),
    )


def test_a_refusal_by_the_neighbour_goes_back_to_the_former_leg_and_asks_for_another_way() -> None:
    core = linked(O, V)
    watch(core)
    hop(core, V, 2)
    assert core.handle(WordHeard(node=V, word=WantRefused(1, NO_WAY)), 0.0) == (
        CloseLegIn(node=V, leg=1),
        ViaRefused(origin=O, via=V),
    )
    assert core.incoming() == {(O, 1): T}


def test_a_way_that_is_longer_than_thought_is_taken_if_it_may_be() -> None:
    core = linked(V, W)
    hop(core, V, 2)
    watch(core)
    assert core.handle(WordHeard(node=V, word=WantRefused(1, TOO_FAR)), 0.0) == (
        CloseLegIn(node=V, leg=1),
        opened(V, 2),
        TellLeg(node=V, word=Want(T, 2, transit(3, ME))),
    )
    assert core.handle(WordHeard(node=V, word=WantRefused(2, TOO_FAR)), 0.0) == (
        CloseLegIn(node=V, leg=2),
        ViaRefused(origin=O, via=V),
    )


def test_a_track_that_ended_is_refused_all_the_way() -> None:
    core = linked(O, V)
    ask(core, V, 2)
    watch(core)
    assert core.handle(WordHeard(node=O, word=WantRefused(1, TRACK_UNKNOWN)), 0.0) == (
        CloseLegIn(node=O, leg=1),
        CloseLegOut(node=V, leg=9),
        refused(V, TRACK_UNKNOWN),
    )
    assert ask(core, V, 2) == (refused(V, TRACK_UNKNOWN),)
    assert core.handle(TracksNamed(node=V, tracks=frozenset({T})), 0.0) == (), "not V's to name"
    assert opened(O, 2) in core.handle(TracksNamed(node=O, tracks=frozenset({T})), 0.0)


def test_a_track_that_is_ours_by_now_comes_over_no_leg_whoever_it_is_asked_for_as() -> None:
    core = linked(O, V)
    core.handle(TracksOffered(node=V, tracks={T: ROOM}), 0.0)
    assert ask(core, V, 2) == (sent(V, 9),)
    assert core.transit_legs() == 0
    assert core.incoming() == {}


def test_a_track_that_becomes_ours_while_we_pass_it_on_is_sent_on_and_its_leg_ends() -> None:
    core = linked(O, V)
    ask(core, V, 2)
    assert core.handle(TracksOffered(node=V, tracks={T: ROOM}), 0.0) == (
        TellLeg(node=O, word=Unwant(1)),
        CloseLegIn(node=O, leg=1),
    )
    assert core.is_sent(V, T)


def test_who_may_not_have_a_track_of_ours_waits_until_they_may_if_they_take_it_for_another_nodes() -> None:
    core = linked(O, V)
    core.handle(TracksOffered(node=W, tracks={T: ROOM}), 0.0)
    assert ask(core, V, 2) == ()
    assert core.handle(TracksOffered(node=V, tracks={T: ROOM}), 0.0) == (sent(V, 9),)


def test_a_track_that_is_ours_no_longer_comes_over_a_leg_again_for_whom_it_is_passed_on_to() -> None:
    core = linked(O, V)
    core.handle(TracksOffered(node=V, tracks={T: ROOM}), 0.0)
    ask(core, V, 2)
    assert core.handle(TracksOffered(node=V, tracks={}), 0.0) == (
        CloseLegOut(node=V, leg=9),
        opened(O, 1),
        TellLeg(node=O, word=Want(T, 1, transit(1, V))),
        sent(V, 9),
    )


def test_the_origin_gives_for_whom_it_shares_the_room_with_and_no_longer() -> None:
    core = linked(V, own=O)
    assert ask(core, V, 1, 9, W) == (refused(V, TRACK_UNKNOWN),)
    core.handle(TracksOffered(node=W, tracks={T: ROOM}), 0.0)
    assert ask(core, V, 1, 9, W) == (sent(V, 9),)
    assert core.transit_legs() == 0, "a track of its own"
    assert ask(core, V, 1, 9, W, ME) == (), "the same leg, for one more"
    core.handle(TracksOffered(node=ME, tracks={T: ROOM}), 0.0)
    assert core.handle(TracksOffered(node=W, tracks={}), 0.0) == (), "there is one more"
    assert core.handle(TracksOffered(node=ME, tracks={}), 0.0) == (
        CloseLegOut(node=V, leg=9),
        refused(V, TRACK_UNKNOWN),
    )


def test_a_word_out_of_shape_changes_nothing() -> None:
    core = linked(O, V)
    for odd in (transit(0, V), transit(4, V), Transit(NodeId("no id!"), 2, ROOM, "video", (V,)), transit(2)):
        assert core.handle(WordHeard(node=V, word=Want(T, 9, odd)), 0.0) == ()
    assert core.oddities == {"want_out_of_range": 4}


def test_a_number_that_means_another_track_now_ends_what_it_meant() -> None:
    core = linked(O, V)
    ask(core, V, 2)
    other = Want(TrackId("u"), 9, transit(2, V))
    effects = core.handle(WordHeard(node=V, word=other), 0.0)
    assert effects[:3] == (CloseLegOut(node=V, leg=9), TellLeg(node=O, word=Unwant(1)), CloseLegIn(node=O, leg=1))
    assert core.outgoing() == {(V, 9): TrackId("u")}


def test_a_link_that_comes_back_beside_the_former_carries_everything_anew() -> None:
    core = linked(O, V)
    watch(core)
    effects = core.handle(LinkRisen(node=O), 0.0)
    assert opened(O, 1) in effects
    assert core.incoming() == {(O, 1): T}


def test_what_must_stay_within_some_places_is_demanded_so_for_all_of_its_origin() -> None:
    core, other = linked(O, V), RoomId("other")
    core.handle(TracksWanted(room=other, tracks={TrackId("u"): (O, "video")}), 0.0)
    assert core.demands() == {O: Demand(max_hops=3)}
    kept = TracksWanted(room=ROOM, tracks={T: (O, "video")}, places=frozenset({"eu", "ch"}))
    assert core.demands(kept) == {O: Demand(max_hops=2, places=frozenset({"eu", "ch"}))}
    core.handle(kept, 0.0)
    core.handle(TracksWanted(room=other, tracks={TrackId("u"): (O, "video")}, places=frozenset({"eu"})), 0.0)
    assert core.demands() == {O: Demand(max_hops=2, places=frozenset({"eu"}))}
    core.handle(TracksWanted(room=ROOM, tracks={}), 0.0)
    core.handle(TracksWanted(room=other, tracks={TrackId("u"): (O, "video")}), 0.0)
    assert core.demands() == {O: Demand(max_hops=3)}
