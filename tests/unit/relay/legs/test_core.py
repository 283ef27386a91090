from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from relay import legs
from relay.legs import (
    MAX_LEG,
    CloseLegIn,
    CloseLegOut,
    Legs,
    LegsEffect,
    LinkFallen,
    LinkRisen,
    OpenLegIn,
    OpenLegOut,
    TellLeg,
    TracksNamed,
    TracksOffered,
    TracksWanted,
    WordHeard,
)
from signalling.ids import NodeId, RoomId, TrackId
from signalling.mesh.link import LegsTaken, Unwant, Want, WantRefused

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")
ROOM, OTHER_ROOM = RoomId("room"), RoomId("other")
T1, T2 = TrackId("t1"), TrackId("t2")


def up() -> Legs:
    core = Legs(own=A)
    core.handle(LinkRisen(node=B), 0.0)
    return core


def test_a_want_opens_this_side_before_it_asks() -> None:
    core = up()
    effects = core.handle(TracksWanted(room=ROOM, tracks={T1: (B, "video")}), 0.0)
    assert effects == (
        OpenLegIn(node=B, leg=1, track=T1, kind="video", room=ROOM),
        TellLeg(node=B, word=Want(T1, 1)),
    )


def test_saying_a_want_again_does_nothing() -> None:
    core = up()
    core.handle(TracksWanted(room=ROOM, tracks={T1: (B, "video")}), 0.0)
    assert core.handle(TracksWanted(room=ROOM, tracks={T1: (B, "video")}), 0.0) == ()


def test_a_want_waits_for_the_link_and_is_said_again_on_the_next() -> None:
    core = Legs(own=A)
    assert core.handle(TracksWanted(room=ROOM, tracks={T1: (B, "audio")}), 0.0) == ()
    assert TellLeg(node=B, word=Want(T1, 1)) in core.handle(LinkRisen(node=B), 0.0)
    core.handle(LinkFallen(node=B), 0.0)
    assert TellLeg(node=B, word=Want(T1, 1)) in core.handle(LinkRisen(node=B), 0.0)


def test_the_first_word_on_a_link_ends_what_the_far_node_still_sends_on_it() -> None:
    core = Legs(own=A)
    core.handle(TracksWanted(room=ROOM, tracks={T1: (B, "audio")}), 0.0)
    assert core.handle(LinkRisen(node=B), 0.0)[0] == TellLeg(node=B, word=LegsTaken(()))


def test_no_longer_wanted_is_said_and_the_number_is_not_taken_at_once() -> None:
    core = up()
    core.handle(TracksWanted(room=ROOM, tracks={T1: (B, "video")}), 0.0)
    assert core.handle(TracksWanted(room=ROOM, tracks={}), 0.0) == (
        TellLeg(node=B, word=Unwant(1)),
        CloseLegIn(node=B, leg=1),
    )
    effects = core.handle(TracksWanted(room=ROOM, tracks={T1: (B, "video")}), 0.0)
    assert OpenLegIn(node=B, leg=2, track=T1, kind="video", room=ROOM) in effects


def test_numbers_go_round_and_pass_over_those_in_use() -> None:
    core = up()
    core.handle(TracksWanted(room=OTHER_ROOM, tracks={T2: (B, "video")}), 0.0)
    core._links[B].last_leg = MAX_LEG
    effects = core.handle(TracksWanted(room=ROOM, tracks={T1: (B, "video")}), 0.0)
    assert OpenLegIn(node=B, leg=2, track=T1, kind="video", room=ROOM) in effects


def test_a_track_wanted_in_two_rooms_is_one_leg_until_neither_wants_it() -> None:
    core = up()
    core.handle(TracksWanted(room=ROOM, tracks={T1: (B, "video")}), 0.0)
    assert core.handle(TracksWanted(room=OTHER_ROOM, tracks={T1: (B, "video")}), 0.0) == ()
    assert core.handle(TracksWanted(room=ROOM, tracks={}), 0.0) == ()
    assert len(core.handle(TracksWanted(room=OTHER_ROOM, tracks={}), 0.0)) == 2


def test_an_offered_track_is_sent_and_only_once() -> None:
    core = up()
    core.handle(TracksOffered(node=B, tracks={T1: ROOM}), 0.0)
    assert core.handle(WordHeard(node=B, word=Want(T1, 9)), 0.0) == (OpenLegOut(node=B, leg=9, track=T1, room=ROOM),)
    assert core.handle(WordHeard(node=B, word=Want(T1, 9)), 0.0) == ()
    assert core.handle(WordHeard(node=B, word=Want(T1, 10)), 0.0) == (
        CloseLegOut(node=B, leg=9),
        OpenLegOut(node=B, leg=10, track=T1, room=ROOM),
    )
    assert core.handle(WordHeard(node=B, word=Unwant(10)), 0.0) == (CloseLegOut(node=B, leg=10),)
    assert core.handle(WordHeard(node=B, word=Unwant(10)), 0.0) == ()


def test_a_track_of_no_shared_room_is_refused() -> None:
    core = up()
    core.handle(TracksOffered(node=A, tracks={T1: ROOM}), 0.0)
    assert core.handle(WordHeard(node=B, word=Want(T1, 9)), 0.0) == (
        TellLeg(node=B, word=WantRefused(9, legs.TRACK_UNKNOWN)),
    )


def test_a_track_that_ends_ends_its_leg_and_says_so() -> None:
    core = up()
    core.handle(TracksOffered(node=B, tracks={T1: ROOM}), 0.0)
    core.handle(WordHeard(node=B, word=Want(T1, 9)), 0.0)
    assert core.handle(TracksOffered(node=B, tracks={}), 0.0) == (
        CloseLegOut(node=B, leg=9),
        TellLeg(node=B, word=WantRefused(9, legs.TRACK_UNKNOWN)),
    )


def test_a_refused_want_is_asked_again_when_the_owner_names_the_track() -> None:
    core = up()
    core.handle(TracksWanted(room=ROOM, tracks={T1: (B, "video")}), 0.0)
    assert core.handle(WordHeard(node=B, word=WantRefused(1, "track_unknown")), 0.0) == (CloseLegIn(node=B, leg=1),)
    assert core.handle(TracksWanted(room=ROOM, tracks={T1: (B, "video")}), 0.0) == ()
    assert core.handle(TracksNamed(node=B, tracks=frozenset({T2})), 0.0) == ()
    assert TellLeg(node=B, word=Want(T1, 2)) in core.handle(TracksNamed(node=B, tracks=frozenset({T1})), 0.0)


def test_a_refused_want_is_asked_of_the_node_that_the_track_has_moved_to() -> None:
    core = up()
    core.handle(LinkRisen(node=C), 0.0)
    core.handle(TracksWanted(room=ROOM, tracks={T1: (B, "video")}), 0.0)
    # Whom it moved to names it before the node that it left takes it back.
    core.handle(TracksNamed(node=C, tracks=frozenset({T1})), 0.0)
    core.handle(WordHeard(node=B, word=WantRefused(1, "track_unknown")), 0.0)
    assert TellLeg(node=C, word=Want(T1, 1)) in core.handle(TracksWanted(room=ROOM, tracks={T1: (C, "video")}), 0.0)


def test_numbers_out_of_range_and_words_without_a_link_change_nothing() -> None:
    core = up()
    core.handle(TracksOffered(node=B, tracks={T1: ROOM}), 0.0)
    for leg in (-1, 0, MAX_LEG + 1):
        assert core.handle(WordHeard(node=B, word=Want(T1, leg)), 0.0) == ()
    assert core.handle(WordHeard(node=A, word=Want(T1, 1)), 0.0) == ()
    assert core.outgoing() == {}


class TwoNodes(RuleBasedStateMachine):
    """Two cores with an ordered link between them that falls at any time; engines that believe every effect."""

    def __init__(self) -> None:
        super().__init__()
        self.cores = {A: Legs(own=A), B: Legs(own=B)}
        self.wires: dict[NodeId, list[Want | Unwant | WantRefused | LegsTaken]] = {A: [], B: []}
        self.legs_in: dict[NodeId, dict[int, TrackId]] = {A: {}, B: {}}
        self.legs_out: dict[NodeId, dict[int, TrackId]] = {A: {}, B: {}}
        self.offered = {A: frozenset[TrackId](), B: frozenset[TrackId]()}
        self.wants = {A: frozenset[TrackId](), B: frozenset[TrackId]()}
        self.is_up = False

    @staticmethod
    def far(node: NodeId) -> NodeId:
        return B if node == A else A

    def run(self, node: NodeId, effects: tuple[LegsEffect, ...]) -> None:
        for effect in effects:
            match effect:
                case TellLeg(word=word):
                    self.wires[self.far(node)].append(word)
                case OpenLegIn(leg=leg, track=track):
                    assert leg not in self.legs_in[node]
                    self.legs_in[node][leg] = track
                case CloseLegIn(leg=leg):
                    del self.legs_in[node][leg]
                case OpenLegOut(leg=leg, track=track):
                    assert leg not in self.legs_out[node]
                    assert track not in self.legs_out[node].values(), "two legs for one track"
                    self.legs_out[node][leg] = track
                case CloseLegOut(leg=leg):
                    del self.legs_out[node][leg]

    @rule(node=st.sampled_from([A, B]), tracks=st.frozensets(st.sampled_from([T1, T2])))
    def want(self, node: NodeId, tracks: frozenset[TrackId]) -> None:
        self.wants[node] = tracks
        far = self.far(node)
        self.run(
            node, self.cores[node].handle(TracksWanted(room=ROOM, tracks=dict.fromkeys(tracks, (far, "video"))), 0.0)
        )

    @rule(node=st.sampled_from([A, B]), tracks=st.frozensets(st.sampled_from([T1, T2])))
    def offer(self, node: NodeId, tracks: frozenset[TrackId]) -> None:
        self.offered[node] = tracks
        self.run(
            node, self.cores[node].handle(TracksOffered(node=self.far(node), tracks=dict.fromkeys(tracks, ROOM)), 0.0)
        )
        self.deliver_all()
        self.name(node)

    def name(self, node: NodeId) -> None:
        if self.is_up:
            far = self.far(node)
            self.run(far, self.cores[far].handle(TracksNamed(node=node, tracks=self.offered[node]), 0.0))

    @rule(node=st.sampled_from([A, B]))
    def deliver(self, node: NodeId) -> None:
        if self.wires[node]:
            word = self.wires[node].pop(0)
            self.run(node, self.cores[node].handle(WordHeard(node=self.far(node), word=word), 0.0))

    @rule()
    def change_link(self) -> None:
        self.is_up = not self.is_up
        for node in (A, B):
            self.wires[node].clear()
            self.legs_in[node].clear()
            self.legs_out[node].clear()
        for node in (A, B):
            event = LinkRisen(node=self.far(node)) if self.is_up else LinkFallen(node=self.far(node))
            self.run(node, self.cores[node].handle(event, 0.0))

    def deliver_all(self) -> None:
        while self.wires[A] or self.wires[B]:
            self.deliver(A)
            self.deliver(B)

    @invariant()
    def one_leg_a_track(self) -> None:
        for node in (A, B):
            assert len(set(self.legs_in[node].values())) == len(self.legs_in[node])

    def teardown(self) -> None:
        if not self.is_up:
            self.change_link()
        self.deliver_all()
        for node in (A, B):
            self.name(node)
        self.deliver_all()
        for node in (A, B):
            flowing = {
                track for leg, track in self.legs_in[node].items() if self.legs_out[self.far(node)].get(leg) == track
            }
            assert flowing == self.wants[node] & self.offered[self.far(node)]
            assert set(self.legs_out[self.far(node)].values()) == flowing


TwoNodes.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestTwoNodes = TwoNodes.TestCase


class NeverAsksAgain(Legs):
    def handle(self, event: legs.LegsEvent, now: float) -> tuple[LegsEffect, ...]:
        return () if isinstance(event, TracksNamed) else super().handle(event, now)


class KeepsEndedTracks(Legs):
    def _offer(self, event: TracksOffered, now: float) -> tuple[LegsEffect, ...]:
        self._offered[event.node] = event.tracks
        return ()


class OneMoreLegEachWant(Legs):
    def _end_outgoing(self, node: NodeId, track: TrackId) -> tuple[LegsEffect, ...]:
        return ()


ALL, NONE = frozenset({T1}), frozenset[TrackId]()


def play(core: type[Legs], steps: Steps) -> None:
    """The machine's own steps and checks, over a link that is up."""
    machine = TwoNodes()
    machine.cores = {A: core(own=A), B: core(own=B)}
    machine.change_link()
    for step in steps:
        step(machine)
        machine.one_leg_a_track()
    machine.teardown()


Steps = Sequence[Callable[[TwoNodes], None]]

REFUSED_THEN_NAMED: Steps = [lambda m: m.want(A, ALL), lambda m: m.deliver_all(), lambda m: m.offer(B, ALL)]
ENDED: Steps = [
    lambda m: m.offer(B, ALL),
    lambda m: m.want(A, ALL),
    lambda m: m.deliver_all(),
    lambda m: m.offer(B, NONE),
]
WANTED_TWICE: Steps = [
    lambda m: m.offer(B, ALL),
    lambda m: m.want(A, ALL),
    lambda m: m.want(A, NONE),
    lambda m: m.want(A, ALL),
]


@pytest.mark.parametrize(
    ("mutant", "steps"),
    [(NeverAsksAgain, REFUSED_THEN_NAMED), (KeepsEndedTracks, ENDED), (OneMoreLegEachWant, WANTED_TWICE)],
)
def test_the_machine_misses_each_rule(mutant: type[Legs], steps: Steps) -> None:
    play(Legs, steps)
    with pytest.raises(AssertionError):
        play(mutant, steps)
