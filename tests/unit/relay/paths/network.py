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

from relay import legs as legs_core
from relay.legs import Hop, Legs, TellLeg, TracksNamed, TracksOffered, TracksWanted, ViaRefused, WaysKnown, WordHeard
from relay.paths import LinkQuality, Paths
from relay.paths import events as paths_core
from signalling.ids import NodeId, RoomId, TrackId
from signalling.mesh.link import LinkReports, Unwant, Want, WantRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

ROOM: Final = RoomId("room")
NOTICED_S: Final = (0.05, 1.0)
"""How long an end takes to notice that its link is dead, from and to."""

MEASURED_S: Final = 2.0
"""Half as often as in truth, for the test's own sake."""

Word = LinkReports | Want | Unwant | WantRefused


class LoopError(Exception):
    """A chain of legs came back to where it was."""


@dataclass(slots=True)
class SimulatedLink:
    rtt_ms: float
    loss: float = 0.0
    is_up: bool = False
    turn: int = 0
    free_at: dict[NodeId, float] = field(default_factory=dict)


class SimulatedNode:
    """The owner of the two cores, as relay/owner.py is, without all the rest."""

    def __init__(self, name: NodeId, network: Network, legs: type[Legs]) -> None:
        self.name = name
        self.paths = Paths(own=name, boot=1)
        self.legs = legs(own=name)
        self.turns: dict[NodeId, int] = {}
        self.wanted: frozenset[TrackId] = frozenset()
        self._network = network
        self._deadline = math.inf

    def rise(self, node: NodeId, turn: int) -> None:
        if self.turns.get(node) == turn:
            return
        self.fall(node)
        self.turns[node] = turn
        self.take(legs_core.LinkRisen(node=node))
        self.steer(paths_core.LinkRisen(node=node))

    def fall(self, node: NodeId) -> None:
        if self.turns.pop(node, None) is not None:
            self.steer(paths_core.LinkFallen(node=node))
            self.take(legs_core.LinkFallen(node=node))

    def want(self, *tracks: TrackId) -> None:
        self.wanted = frozenset(tracks)
        wanted = {track: (origin_of(track), "video") for track in tracks}
        self.take(TracksWanted(room=ROOM, tracks=wanted))  # type: ignore[arg-type]

    def hear(self, node: NodeId, word: Word) -> None:
        if isinstance(word, LinkReports):
            self.steer(paths_core.ReportsHeard(node=node, reports=word.reports))
        else:
            self.take(WordHeard(node=node, word=word))

    def take(self, event: legs_core.LegsEvent) -> None:
        self.steer(paths_core.OriginsWanted(demands=self.legs.demands(event)))
        pending = [event]
        while pending:
            for effect in self.legs.handle(pending.pop(0), self._network.now):
                match effect:
                    case TellLeg(node=node, word=word):
                        self._network.say(self, node, word)
                    case ViaRefused(origin=origin, via=via):
                        self._network.counts["refused"] += 1
                        self.steer(paths_core.WayRefused(origin=origin, via=via))
                    case legs_core.OpenLegIn():
                        self._network.counts["opened"] += 1
                    case _:
                        pass
            self._network.check(self)
        self.wake()
        self.steer(paths_core.OriginsWanted(demands=self.legs.demands()))

    def steer(self, event: paths_core.PathsEvent) -> None:
        if not self._network.decides:
            return
        for effect in self.paths.handle(event, self._network.now):
            match effect:
                case paths_core.TellReports(node=node, reports=reports):
                    self._network.counts["reports"] += len(reports)
                    self._network.say(self, node, LinkReports(reports))
                case paths_core.WaysChosen(ways=ways):
                    self.take(WaysKnown(hops={at: Hop(via=way.via, hops=way.hops) for at, way in ways.items()}))
        self.wake()

    def wake(self) -> None:
        """Have the deadlines of the cores kept."""
        times = [at for at in (self.paths.next_deadline(), self.legs.next_deadline()) if at is not None]
        if times and (min(times) < self._deadline or self._deadline <= self._network.now):
            self._deadline = min(times)
            self._network.at(self._deadline, self._pass_deadlines)

    def _pass_deadlines(self) -> None:
        self._deadline = math.inf
        self.steer(paths_core.PathsDeadline())
        self.take(legs_core.LegsDeadline())


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

    def say(self, sender: SimulatedNode, receiver: NodeId, word: Word) -> None:
        link = self.links[frozenset((sender.name, receiver))]
        turn = sender.turns.get(receiver)
        if not link.is_up or turn != link.turn:
            return
        arrives = max(self.now + link.rtt_ms / 2000, link.free_at.get(receiver, 0.0) + 1e-6)
        link.free_at[receiver] = arrives

        def deliver() -> None:
            if link.is_up and link.turn == turn:
                self._rise(receiver, sender.name, turn)
                self.nodes[receiver].hear(sender.name, word)

        self.at(arrives, deliver)

    def offer(self, origin: NodeId, track: TrackId, watchers: list[NodeId]) -> None:
        """The track is there, for these."""
        for watcher in watchers:
            self.nodes[origin].take(TracksOffered(node=watcher, tracks={track: ROOM}))
            self.nodes[watcher].take(TracksNamed(node=origin, tracks=frozenset({track})))

    def chains(self, node: NodeId, track: TrackId) -> list[tuple[NodeId, ...]]:
        """Every chain of legs that ends at a node, from where it begins."""
        found: list[tuple[NodeId, ...]] = []
        pending = [(node,)]
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
            self.nodes[node].steer(paths_core.LinkMeasured(node=far, quality=quality))
        self.at(self.now + MEASURED_S, lambda: self._measure(node, far, turn))


def track_of(origin: NodeId) -> TrackId:
    """The one track of a node."""
    return TrackId(f"tr_{origin}")


def origin_of(track: TrackId) -> NodeId:
    """Whose it is."""
    return NodeId(track.removeprefix("tr_"))
