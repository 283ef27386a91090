"""Two nodes without a link and their neighbours, whatever is lost on the way: in the end both know all."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.carriage import (
    AFTER_S,
    HELLO_EVERY_S,
    HELLOS_EACH,
    SILENT_S,
    Arrived,
    Carriage,
    PassOn,
    Reached,
    Unreached,
)
from relay.rooms import LinkFallen, LinkRisen, Rooms, RoomsDeadline, RoomShared, StateHeard, TellRoom
from signalling.ids import NodeId, RoomId
from tests.unit.relay.neighbours import person

if TYPE_CHECKING:
    from collections.abc import Sequence

    from relay.carriage import CarriageEffect
    from relay.rooms import RoomsEffect
    from signalling.mesh.link import Carried, RoomState

A, B, C, D = map(NodeId, "abcd")
OTHER = {A: B, B: A}
BOOTS = dict.fromkeys((A, B, C, D), 1)
ROOM = RoomId("room")
STEP_S = 0.25
CALM_S = AFTER_S + (2 * HELLOS_EACH + 2) * HELLO_EVERY_S + SILENT_S


@dataclass
class Pair:
    """Ann's node and Ben's, with two neighbours between, each of which may let words through or not."""

    now: float = 0.0
    open: dict[NodeId, bool] = field(default_factory=lambda: {C: True, D: True})
    ways: tuple[NodeId, ...] = (C, D)
    delay_s: float = 0.1

    def __post_init__(self) -> None:
        self.carriages = {node: Carriage(own=node, boot=1) for node in OTHER}
        self.rooms = {node: Rooms(forget_after_s=8.0) for node in OTHER}
        self.states: dict[bytes, RoomState] = {}
        self.sees: dict[NodeId, int] = dict.fromkeys(OTHER, 0)
        self.shares: dict[NodeId, int] = dict.fromkeys(OTHER, 0)
        self.revisions: dict[NodeId, list[int]] = {node: [] for node in OTHER}
        self._order = itertools.count()
        self._wire: list[tuple[float, int, NodeId, NodeId, Carried]] = []

    def share(self, node: NodeId, count: int) -> None:
        self.shares[node] = count
        people = tuple(person(f"{node}{number}", node) for number in range(count))
        shared = RoomShared(room=ROOM, nodes=frozenset({OTHER[node]}), participants=people)
        self._rooms(node, self.rooms[node].handle(shared, self.now))

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += STEP_S
            while self._wire and self._wire[0][0] <= self.now:
                _, _, neighbour, target, word = heapq.heappop(self._wire)
                hear = self.carriages[target].hear
                self._run(target, hear(neighbour, word, linked={C, D}, boots=BOOTS, now=self.now))
            for node, other in OTHER.items():
                settled = self.carriages[node].settle({other}, {C, D}, BOOTS.keys(), lambda _: self.ways, self.now)
                self._run(node, settled)
                deadline = self.rooms[node].next_deadline()
                if deadline is not None and deadline <= self.now:
                    self._rooms(node, self.rooms[node].handle(RoomsDeadline(), self.now))

    def _run(self, node: NodeId, effects: Sequence[CarriageEffect]) -> None:
        for effect in effects:
            match effect:
                case PassOn(neighbour=neighbour, word=word):
                    if self.open[neighbour]:
                        at = self.now + self.delay_s
                        heapq.heappush(self._wire, (at, next(self._order), neighbour, word.target, word))
                case Reached(node=other, boot=boot):
                    self._rooms(node, self.rooms[node].handle(LinkRisen(node=other, boot=boot), self.now))
                case Unreached(node=other):
                    self._rooms(node, self.rooms[node].handle(LinkFallen(node=other), self.now))
                case Arrived(origin=other, data=data):
                    self.revisions[node].append(int(data))
                    heard = StateHeard(node=other, state=self.states[data])
                    self._rooms(node, self.rooms[node].handle(heard, self.now))

    def _rooms(self, node: NodeId, effects: Sequence[RoomsEffect]) -> None:
        for effect in effects:
            if isinstance(effect, TellRoom):
                data = str(len(self.states)).encode()
                self.states[data] = effect.state
                passed = self.carriages[node].wrap(effect.node, data, self.now)
                self._run(node, () if passed is None else (passed,))
            else:
                self.sees[node] = len(effect.participants)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("share"), st.sampled_from([A, B]), st.integers(0, 3)),
        st.tuples(st.just("open"), st.sampled_from([C, D]), st.booleans()),
        st.tuples(st.just("ways"), st.just(A), st.sampled_from([(C, D), (D, C), (C,), (D,), ()])),
        st.tuples(st.just("delay"), st.just(A), st.sampled_from([0.01, 0.1, 0.6])),
        st.tuples(st.just("wait"), st.just(A), st.sampled_from([0.25, 1.0, 2.0, 5.0, 12.0])),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS, passing=st.sampled_from([C, D]))
def test_whatever_was_lost_both_know_all_soon_after(steps: list[tuple[str, NodeId, object]], passing: NodeId) -> None:
    pair = Pair()
    pair.share(A, 1)
    pair.share(B, 1)
    for what, node, value in steps:
        match what, value:
            case "share", int():
                pair.share(node, value)
            case "open", bool():
                pair.open[node] = value
            case "ways", tuple():
                pair.ways = value
            case "delay", float():
                pair.delay_s = value
            case "wait", float():
                pair.pass_time(value)
    # One of the neighbours carries from now on, and the other one need not.
    pair.ways, pair.open[passing] = (C, D), True
    pair.pass_time(CALM_S)
    for node, other in OTHER.items():
        assert pair.sees[node] == pair.shares[other]
    for heard in pair.revisions.values():
        assert len(heard) == len(set(heard)), "no word counts twice"
