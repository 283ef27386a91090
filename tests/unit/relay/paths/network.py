"""Many nodes with nothing but their paths and legs, and links between them that come, go and change: seeded.

Links are ordered and take half their round trip. One that breaks loses what is on its way; each end notices after a
time of its own. After every event the chains of legs that end at the node concerned are followed up.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from relay.legs import Legs, LegsEvent, OpenLegIn, TellLeg, TracksNamed, TracksOffered, TracksWanted, WordHeard
from relay.paths import MAX_HOPS, LinkQuality, Paths
from relay.paths.events import LinkMeasured, PathsEvent, ReportsHeard, TellReports
from relay.steering import Steering, SteeringEffect
from signalling.ids import NodeId, RoomId, TrackId
from signalling.mesh.link import LegsTaken, LinkReports, Unwant, Want, WantRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from signalling.client.messages import MediaKind

ROOM: Final = RoomId("room")
NOTICED_S: Final = (0.05, 1.0)
"""How long an end takes to notice that its link is dead, from and to."""

MEASURED_S: Final = 2.0
"""Half as often as in truth, for the test's own sake."""

Word = LinkReports | Want | Unwant | WantRefused | LegsTaken


class LoopError(Exception):
    """A chain of legs came back to where it was."""


@dataclass(slots=True)
class SimulatedLink:
    rtt_ms: float
    loss: float = 0.0
    is_up: bool = False
    turn: int = 0
    free_at: dict[NodeId, float] = field(default_factory=dict)


class WatchedSteering(Steering):
    """The real thing, looked after."""

    def __init__(self, name: NodeId, network: Network, legs: type[Legs]) -> None:
        super().__init__(own=name, boot=1, max_hops=MAX_HOPS, run=self._say)
        self.legs = legs(own=name)
        self._name = name
        self._network = network

    def take(self, event: LegsEvent, now: float) -> None:
        super().take(event, now)
        self._network.check(self._network.nodes[self._name])

    def steer(self, event: PathsEvent, now: float) -> None:
        if self._network.decides:
            super().steer(event, now)

    def _say(self, effect: SteeringEffect) -> None:
        match effect:
            case TellLeg(node=node, word=word):
                self._network.say(self._name, node, word)
            case TellReports(node=node, reports=reports):
                self._network.counts["reports"] += len(reports)
                self._network.say(self._name, node, LinkReports(reports))
            case OpenLegIn():
                self._network.counts["opened"] += 1
            case _:
                pass


class SimulatedNode:
    """A node, as far as tracks and their ways go."""

    def __init__(self, name: NodeId, network: Network, legs: type[Legs]) -> None:
        self.name = name
        self.steering = WatchedSteering(name, network, legs)
        self.turns: dict[NodeId, int] = {}
        self._network = network
        self._deadline = math.inf

    @property
    def legs(self) -> Legs:
        return self.steering.legs

    @property
    def paths(self) -> Paths:
        return self.steering.paths

    def rise(self, node: NodeId, turn: int) -> None:
        if self.turns.get(node) == turn:
            return
        self.fall(node)
        self.turns[node] = turn
        self.steering.rise(node, self._network.now)
        self.wake()

    def fall(self, node: NodeId) -> None:
        if self.turns.pop(node, None) is not None:
            self.steering.fall(node, self._network.now)
            self.wake()

    def want(self, *tracks: TrackId) -> None:
        wanted: dict[TrackId, tuple[NodeId, MediaKind]] = {track: (origin_of(track), "video") for track in tracks}
        self.take(TracksWanted(room=ROOM, tracks=wanted))

    def hear(self, node: NodeId, word: Word) -> None:
        if isinstance(word, LinkReports):
            self.steer(ReportsHeard(node=node, reports=word.reports))
        else:
            self.take(WordHeard(node=node, word=word))

    def take(self, event: LegsEvent) -> None:
        self.steering.take(event, self._network.now)
        self.wake()

    def steer(self, event: PathsEvent) -> None:
        self.steering.steer(event, self._network.now)
        self.wake()

    def wake(self) -> None:
        """Have the deadlines of the cores kept."""
        deadline = self.steering.next_deadline()
        if deadline is not None and (deadline < self._deadline or self._deadline <= self._network.now):
            self._deadline = deadline
            self._network.at(deadline, self._pass_deadlines)

    def _pass_deadlines(self) -> None:
        self._deadline = math.inf
        self.steering.pass_deadlines(self._network.now)
        self.wake()


class Network:
    """The nodes, what lies between them, and the time."""

    """With `decides` the paths of each node do; without, somebody else tells the legs their ways."""

    def __init__(self, random: Random, legs: type[Legs] = Legs, *, decides: bool = True) -> None:
        self.random = random
        self.decides = decides
        self.now = 0.0
        self.nodes: dict[NodeId, SimulatedNode] = {}
        self.links: dict[frozenset[NodeId], SimulatedLink] = {}
        self.counts: Counter[str] = Counter()
        self._legs = legs
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def add(self, name: str) -> NodeId:
        node = NodeId(name)
        self.nodes[node] = SimulatedNode(node, self, self._legs)
        return node

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(when, self.now), next(self._order), what))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            self.counts["events"] += 1
            what()
        self.now = until

    def connect(self, one: NodeId, other: NodeId, rtt_ms: float, loss: float = 0.0) -> None:
        """Let there be a link; both ends know of it within a round trip, and measure it."""
        link = self.links.setdefault(frozenset((one, other)), SimulatedLink(rtt_ms))
        link.rtt_ms, link.loss, link.is_up = rtt_ms, loss, True
        link.turn += 1
        link.free_at.clear()
        turn = link.turn
        for node, far in ((one, other), (other, one)):
            self.at(self.now + self.random.random() * rtt_ms / 1000, lambda n=node, f=far: self._rise(n, f, turn))  # type: ignore[misc]
            self.at(self.now + self.random.random() + 0.1, lambda n=node, f=far: self._measure(n, f, turn))  # type: ignore[misc]

    def cut(self, one: NodeId, other: NodeId) -> None:
        """Let it break; each end notices in its time."""
        link = self.links[frozenset((one, other))]
        link.is_up = False
        turn = link.turn
        for node, far in ((one, other), (other, one)):
            self.at(self.now + self.random.uniform(*NOTICED_S), lambda n=node, f=far: self._fall(n, f, turn))  # type: ignore[misc]

    def say(self, sender: NodeId, receiver: NodeId, word: Word) -> None:
        link = self.links[frozenset((sender, receiver))]
        turn = self.nodes[sender].turns.get(receiver)
        if turn is None or not link.is_up or turn != link.turn:
            return
        arrives = max(self.now + link.rtt_ms / 2000, link.free_at.get(receiver, 0.0) + 1e-6)
        link.free_at[receiver] = arrives

        def deliver() -> None:
            if link.is_up and link.turn == turn:
                self._rise(receiver, sender, turn)
                self.nodes[receiver].hear(sender, word)

        self.at(arrives, deliver)

    def offer(self, origin: NodeId, track: TrackId, watchers: list[NodeId]) -> None:
        """The track is there, for these."""
        for watcher in watchers:
            self.nodes[origin].take(TracksOffered(node=watcher, tracks={track: ROOM}))
            self.nodes[watcher].take(TracksNamed(node=origin, tracks=frozenset({track})))

    def chains(self, node: NodeId, track: TrackId) -> list[tuple[NodeId, ...]]:
        """Every chain of legs that ends at a node, from where it begins."""
        found: list[tuple[NodeId, ...]] = []
        pending: list[tuple[NodeId, ...]] = [(node,)]
        while pending:
            chain = pending.pop()
            if len(set(chain)) < len(chain):
                raise LoopError(f"a loop: {chain}")
            flow = self.nodes[chain[0]].legs._flows.get(track)
            senders = [
                leg.node
                for leg in (flow.legs if flow is not None else ())
                if self.sends(leg.node, chain[0], leg.leg, track)
            ]
            pending += [(sender, *chain) for sender in senders]
            if not senders:
                found.append(chain)
        return found

    def sends(self, sender: NodeId, receiver: NodeId, leg: int, track: TrackId) -> bool:
        link = self.nodes[sender].legs._links.get(receiver)
        out = link.outgoing.get(track) if link is not None else None
        same = self.nodes[sender].turns.get(receiver) == self.nodes[receiver].turns.get(sender)
        return same and out is not None and out.is_open and out.leg == leg

    def check(self, node: SimulatedNode) -> None:
        for track in node.legs._flows:
            self.chains(node.name, track)

    def is_delivered(self, node: NodeId, track: TrackId) -> bool:
        return any(chain[0] == origin_of(track) for chain in self.chains(node, track))

    def _rise(self, node: NodeId, far: NodeId, turn: int) -> None:
        link = self.links[frozenset((node, far))]
        if link.is_up and link.turn == turn:
            self.nodes[node].rise(far, turn)

    def _fall(self, node: NodeId, far: NodeId, turn: int) -> None:
        if self.nodes[node].turns.get(far) == turn:
            self.nodes[node].fall(far)

    def _measure(self, node: NodeId, far: NodeId, turn: int) -> None:
        link = self.links[frozenset((node, far))]
        if link.turn != turn:
            return
        if link.is_up:
            quality = LinkQuality(rtt_ms=link.rtt_ms, jitter_ms=link.rtt_ms / 50, loss=link.loss)
            self.nodes[node].steer(LinkMeasured(node=far, quality=quality))
        self.at(self.now + MEASURED_S, lambda: self._measure(node, far, turn))


def track_of(origin: NodeId) -> TrackId:
    """The one track of a node."""
    return TrackId(f"tr_{origin}")


def origin_of(track: TrackId) -> NodeId:
    """Whose it is."""
    return NodeId(track.removeprefix("tr_"))
