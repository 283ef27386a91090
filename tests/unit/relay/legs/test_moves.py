"""Tracks whose owners move while words about them are on their way."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from relay.legs import (
    TRACK_UNKNOWN,
    Legs,
    LegsDeadline,
    LegsEffect,
    LinkFallen,
    LinkRisen,
    TracksNamed,
    TracksWanted,
    WordHeard,
)
from signalling.ids import NodeId, RoomId, TrackId
from signalling.mesh.link import WantRefused

ME, B, C = map(NodeId, ("me", "b", "c"))
ROOMS = RoomId("one"), RoomId("two")
T = TrackId("t")

NODES, ROOM = st.sampled_from((B, C)), st.sampled_from(ROOMS)


class MovingOwner(RuleBasedStateMachine):
    """One core that is told in two rooms whose a track is, and two nodes that refuse it as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.start(Legs)

    def start(self, core: type[Legs]) -> None:
        self.core = core(own=ME)
        self.now = 0.0
        self.owners: dict[RoomId, NodeId] = {}
        self.up: set[NodeId] = set()
        self.refused: set[NodeId] = set()
        """Those that refused and have not named the track, nor had a new link, since."""
        for node in (B, C):
            self.change_link(node)

    @rule(room=ROOM, owner=st.sampled_from((B, C, None)))
    def want(self, room: RoomId, owner: NodeId | None) -> None:
        self.owners.pop(room, None)
        if owner is not None:
            self.owners[room] = owner
        self.core.handle(TracksWanted(room=room, tracks={} if owner is None else {T: (owner, "video")}), self.now)

    @rule(node=NODES)
    def name(self, node: NodeId) -> None:
        if node in self.up:
            self.core.handle(TracksNamed(node=node, tracks=frozenset({T})), self.now)
            self.refused.discard(node)

    @rule(node=NODES)
    def refuse(self, node: NodeId) -> None:
        for sender, leg in self.core.incoming():
            if sender == node:
                self.core.handle(WordHeard(node=node, word=WantRefused(leg, TRACK_UNKNOWN)), self.now)
                self.refused.add(node)

    @rule(node=NODES)
    def change_link(self, node: NodeId) -> None:
        self.up ^= {node}
        self.core.handle(LinkRisen(node=node) if node in self.up else LinkFallen(node=node), self.now)
        self.refused.discard(node)

    @rule()
    def wait(self) -> None:
        if (deadline := self.core.next_deadline()) is not None:
            self.now = deadline
            self.core.handle(LegsDeadline(), self.now)

    @invariant()
    def it_is_asked_of_whom_it_is(self) -> None:
        """Where all rooms agree whose the track is, it comes from there, unless that node itself refused it."""
        owners = set(self.owners.values())
        if len(owners) == 1:
            (owner,) = owners
            if owner in self.up - self.refused:
                assert self.core.sender_of(T) == owner


MovingOwner.TestCase.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)
TestMovingOwner = MovingOwner.TestCase


class HoldsARefusalAgainstTheNext(Legs):
    def _want(self, event: TracksWanted, now: float) -> tuple[LegsEffect, ...]:
        refused = set(self._refused)
        effects = super()._want(event, now)
        self._refused |= refused & self._local.keys()
        return (*effects, *(effect for track in self._refused for effect in self._end_flow(track)))


def play(core: type[Legs]) -> None:
    """A node refuses what it no longer has before we hear where it is."""
    machine = MovingOwner()
    machine.start(core)
    machine.want(ROOMS[0], B)
    machine.name(C)
    machine.refuse(B)
    machine.want(ROOMS[0], C)
    machine.it_is_asked_of_whom_it_is()


def test_the_machine_misses_the_rule() -> None:
    play(Legs)
    with pytest.raises(AssertionError):
        play(HoldsARefusalAgainstTheNext)
