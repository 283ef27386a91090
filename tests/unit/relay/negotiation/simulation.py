"""A cluster in a `for` loop: negotiation cores, a gossip that misbehaves by the book, engines that connect."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

import msgspec

from relay.envelope import Opened
from relay.negotiation import Inspector, Negotiation, Phase
from relay.negotiation.effects import (
    CloseEnd,
    ConnectEnd,
    EndRenewed,
    LinkFell,
    LinkRose,
    NegotiationEffect,
    OpenEnd,
    SendEnvelope,
)
from relay.negotiation.events import (
    DeadlinePassed,
    EndClosed,
    EndHeard,
    EndOpened,
    EndSuspect,
    EndUp,
    EnvelopeHeard,
    LinksWanted,
    Member,
    MemberSeen,
    NegotiationEvent,
    RenewalAsked,
)
from signalling.ids import NodeId, PeerId
from signalling.mesh.negotiation import Envelope, LinkParameters

CLUSTER = "simulated"
ENGINE_S = 0.005
CONNECT_S = 0.1
KEEPALIVES_S = 0.6
MOST_ENDS = 2
"""There may be another already when one is opened: the one in use and the one before it."""


def key_of(node: NodeId, boot: int = 1) -> bytes:
    return f"{node}/{boot}".encode().ljust(32, b".")


def verify(public_key: bytes, _: bytes, signature: bytes) -> bool:
    return signature == public_key * 2


@dataclass(frozen=True, kw_only=True)
class Weather:
    """What gossip does to each message on its way to each node."""

    loss: float = 0.0
    duplicates: float = 0.0
    delay_s: float = 0.3
    forgeries: float = 0.0


CALM = Weather()


@dataclass
class FakeEnd:
    node: NodeId
    peer: NodeId
    id: PeerId
    ours: LinkParameters
    theirs: LinkParameters | None = None
    is_up: bool = False


CoreFactory = Callable[[NodeId, int, Random], Negotiation]


def make_core(own: NodeId, boot: int, random: Random) -> Negotiation:
    inspector = Inspector(cluster=CLUSTER, own=own, verify=verify)
    return Negotiation(cluster=CLUSTER, own=own, boot=boot, idle_linger_s=300.0, inspector=inspector, random=random)


@dataclass
class Cluster:
    """Nodes `n0`, `n1`...; `run(until)` plays everything that is due."""

    size: int
    seed: int = 0
    make: CoreFactory = make_core
    weather: Weather = CALM
    now: float = 0.0
    ends: dict[tuple[NodeId, PeerId], FakeEnd] = field(default_factory=dict)
    log: list[tuple[float, NodeId, NegotiationEffect]] = field(default_factory=list)
    drops: Callable[[Envelope, NodeId], bool] = lambda _, __: False

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self._order = itertools.count()
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self.nodes = [NodeId(f"n{index}") for index in range(self.size)]
        self.cores = {node: self.make(node, 1, Random(f"{self.seed}/{node}")) for node in self.nodes}
        for node in self.nodes:
            for other in self.nodes:
                if other != node:
                    self.feed(node, MemberSeen(member=Member(node=other, boot=1, public_key=key_of(other))))

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when, next(self._order), action))

    def want_at(self, when: float, node: NodeId, others: Iterable[NodeId]) -> None:
        wanted = frozenset(others)
        self.at(when, lambda: self.feed(node, LinksWanted(nodes=wanted)))

    def renew_at(self, when: float, node: NodeId, other: NodeId) -> None:
        self.at(when, lambda: self.feed(node, RenewalAsked(node=other)))

    def feed(self, node: NodeId, event: NegotiationEvent) -> None:
        for effect in self.cores[node].handle(event, self.now):
            self.log.append((self.now, node, effect))
            self._run(node, effect)

    def run(self, until: float) -> None:
        while True:
            deadlines = [(at, node) for node, core in self.cores.items() if (at := core.next_deadline()) is not None]
            at, node = min(deadlines, default=(float("inf"), self.nodes[0]))
            queued = self._queue[0][0] if self._queue else float("inf")
            if min(at, queued) > until:
                self.now = until
                return
            if queued <= at:
                self.now, _, action = heapq.heappop(self._queue)
                action()
            else:
                self.now = max(self.now, at)
                self.feed(node, DeadlinePassed())
                after = self.cores[node].next_deadline()
                assert after is None or after > self.now - 1e-9, "a deadline that stays is a busy loop"

    def restart_engine(self, node: NodeId) -> None:
        from relay.negotiation.events import EngineRestarted

        for key in [key for key in self.ends if key[0] == node]:
            self._vanish(key)
        self.feed(node, EngineRestarted())

    # --- gossip -------------------------------------------------------------------------------

    def _gossip(self, envelope: Envelope) -> None:
        sender = envelope.sender
        true = msgspec.structs.replace(envelope, signature=key_of(sender) * 2)
        for node in self.nodes:
            copies = 1 + (self.random.random() < self.weather.duplicates)
            for _ in range(copies):
                if self.random.random() < self.weather.loss or self.drops(true, node):
                    continue
                delay = 0.02 + self.random.random() * self.weather.delay_s
                self._deliver(node, true, delay)
            if self.random.random() < self.weather.forgeries:
                # The same message in the sender's name, before the true one, with another's signature.
                self._deliver(node, msgspec.structs.replace(true, signature=b"\0" * 64), 0.01)
                self._deliver(node, msgspec.structs.replace(true, cluster="elsewhere"), 0.01)

    def _deliver(self, node: NodeId, envelope: Envelope, delay: float) -> None:
        heard = EnvelopeHeard(opened=Opened(envelope=envelope, signed=b""), late_s=delay - 30.0)
        self.at(self.now + delay, lambda: self.feed(node, heard))

    # --- engines ------------------------------------------------------------------------------

    def _run(self, node: NodeId, effect: NegotiationEffect) -> None:
        match effect:
            case OpenEnd(end=end, node=peer):
                ends = sum((e.node, e.peer) == (node, peer) for e in self.ends.values())
                assert ends <= MOST_ENDS, "ends that were never closed"
                tag = f"{node}{end}".encode()
                ours = LinkParameters("user" + end[-1], "p" * 24, tag.ljust(32, b"."), ("host 127.0.0.1 4000",))
                self.ends[node, end] = FakeEnd(node, peer, end, ours)
                self._tell(node, EndOpened(end=end, parameters=ours), ENGINE_S)
            case ConnectEnd(end=end, parameters=parameters):
                mine = self.ends[node, end]
                mine.theirs = parameters
                self._meet(mine)
            case CloseEnd(end=end):
                self._vanish((node, end))
            case SendEnvelope(envelope=envelope):
                self._gossip(envelope)
            case LinkRose(end=end) | EndRenewed(end=end):
                self._speak(self.ends[node, end])
            case _:
                pass

    def _speak(self, mine: FakeEnd) -> None:
        """The first word on an end that is up shows the other node that it is."""
        other = self.partner(mine)
        if other is not None:
            for event in (EndUp(end=other.id), EndHeard(end=other.id)):
                self._tell(other.node, event, CONNECT_S)

    def _tell(self, node: NodeId, event: EndOpened | EndUp | EndHeard | EndSuspect | EndClosed, delay: float) -> None:
        def arrive() -> None:
            if (node, event.end) in self.ends:
                self.feed(node, event)

        self.at(self.now + delay, arrive)

    def _meet(self, mine: FakeEnd) -> None:
        other = self.partner(mine)
        if other is not None and not mine.is_up:
            mine.is_up = other.is_up = True
            for end in (mine, other):
                self._tell(end.node, EndUp(end=end.id), CONNECT_S * (0.5 + self.random.random()))

    def partner(self, mine: FakeEnd) -> FakeEnd | None:
        """The end that this one is connected with, if both say so."""
        for other in self.ends.values():
            if other.node == mine.peer and mine.theirs == other.ours and other.theirs == mine.ours:
                return other
        return None

    def _vanish(self, key: tuple[NodeId, PeerId]) -> None:
        gone = self.ends.pop(key, None)
        if gone is None or not gone.is_up:
            return
        for other in self.ends.values():
            if other.node == gone.peer and other.theirs == gone.ours:
                self._tell(other.node, EndSuspect(end=other.id), KEEPALIVES_S)

    # --- what to look at ----------------------------------------------------------------------

    def is_linked(self, a: NodeId, b: NodeId) -> bool:
        """Whether both hold the link up, over ends that know each other, and no other end is left."""
        for node, peer in ((a, b), (b, a)):
            phases = [link.phase for link in self.cores[node].links() if link.node == peer]
            ends = [end for end in self.ends.values() if (end.node, end.peer) == (node, peer)]
            if phases != [Phase.UP] or len(ends) != 1 or self.partner(ends[0]) is None:
                return False
        return True

    def rises(self, node: NodeId) -> list[float]:
        return [at for at, who, effect in self.log if who == node and isinstance(effect, LinkRose)]

    def renewed(self, node: NodeId) -> list[float]:
        return [at for at, who, effect in self.log if who == node and isinstance(effect, EndRenewed)]

    def falls(self, node: NodeId) -> list[float]:
        return [at for at, who, effect in self.log if who == node and isinstance(effect, LinkFell)]
