"""Gossip and engines in memory: what two relays need to find each other, under a mock clock."""

from __future__ import annotations

import heapq
import itertools
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from membership import (
    Change,
    ClusterView,
    GossipUnavailableError,
    MemberState,
    NodeAppeared,
    NodeGone,
    NodeTags,
    ViewMember,
    ViewReset,
)
from relay import Relay, RelayConfig, RelayEvent, open_relay
from sfu.errors import EngineLostError, EngineRefused
from sfu.protocol import EngineEvent, LinkMeasured, LinkMessage, LinkOpened, PeerState
from signalling.client.messages import MediaKind, ParticipantInfo, TrackInfo
from signalling.ids import NodeId, ParticipantId, PeerId, RoomId, TrackId, UserId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

GOSSIP_S = 0.2
CONNECT_S = 0.05
ONE_WAY_S = 0.03
WALL_S = 1_800_000_000.0


def person(name: str, node: NodeId, *tracks: TrackId) -> ParticipantInfo:
    infos = tuple(TrackInfo(track=track, kind="video", source="camera") for track in tracks)
    return ParticipantInfo(
        participant=ParticipantId(f"pa_{name}"), user=UserId(name), name=name, node=node, region="here", tracks=infos
    )


class FakeGossip:
    """One node's view of a cluster that everybody is in."""

    boot = 1

    def __init__(self, world: World, own: NodeId) -> None:
        self._world = world
        self._own = own
        self._events_in, self.user_events = trio.open_memory_channel[bytes](100)
        self._changes_in: trio.MemorySendChannel[Change] | None = None
        self.is_down = False
        self.rereads = 0
        self.event_queue: int | None = None

    @property
    def view(self) -> ClusterView:
        return ClusterView(own_id=self._own, members=MappingProxyType(dict(self._world.members)), is_fresh=True)

    @contextmanager
    def changes(self) -> Iterator[trio.MemoryReceiveChannel[Change]]:
        self._changes_in, receive = trio.open_memory_channel[Change](100)
        self._changes_in.send_nowait(ViewReset(view=self.view))
        yield receive

    def reread_members(self) -> None:
        self.rereads += 1

    async def send_event(self, payload: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_down:
            raise GossipUnavailableError("no agent")
        for gossip in self._world.gossips.values():
            self._world.later(GOSSIP_S, lambda gossip=gossip: gossip._events_in.send_nowait(payload))  # type: ignore[misc]

    def tell(self, change: Change) -> None:
        if self._changes_in is not None:
            self._changes_in.send_nowait(change)


@dataclass
class FakePeer:
    opened: LinkOpened
    lane: int = 0
    beside: PeerId | None = None
    far: tuple[str, bytes] | None = None
    partner: tuple[FakeEngine, PeerId] | None = None


class FakeEngine:
    """Ends, legs and messages of one node; ends that know each other connect."""

    def __init__(self, world: World, own: NodeId) -> None:
        self._world = world
        self._own = own
        self.peers: dict[PeerId, FakePeer] = {}
        self.legs_out: dict[tuple[PeerId, int], TrackId] = {}
        self.legs_in: dict[tuple[PeerId, int], TrackId] = {}
        self.spans: set[tuple[PeerId, RoomId]] = set()
        self.sent = 0
        self.congested = 0
        self.is_dead = False
        self.dark: set[PeerId] = set()
        """Ends whose words are lost on the way."""

    def _live(self, peer: PeerId) -> FakePeer:
        if self.is_dead:
            raise EngineLostError("dead")
        if peer not in self.peers:
            raise EngineRefused("peer_unknown", "no such peer")
        return self.peers[peer]

    async def open_link(self, peer: PeerId, *, controlling: bool, lane: int, beside: PeerId | None) -> LinkOpened:
        await trio.sleep(0.001)
        if self.is_dead:
            raise EngineLostError("dead")
        name = f"{self._own}{peer}{'c' if controlling else ''}"
        opened = LinkOpened(
            id=0,
            ufrag="ufrag" + peer[-1],
            password="p" * 24,
            fingerprint=name.encode().ljust(32, b".")[:32],
            candidates=("host 127.0.0.1 4000",),
        )
        self.peers[peer] = FakePeer(opened, lane, beside)
        return opened

    async def connect_link(
        self, peer: PeerId, *, ufrag: str, password: str, fingerprint: bytes, candidates: tuple[str, ...]
    ) -> None:
        await trio.sleep(0.001)
        mine = self._live(peer)
        assert (len(password), len(candidates)) == (24, 1)
        mine.far = (ufrag, fingerprint)
        for engine in self._world.engines.values():
            for other_id, other in engine.peers.items():
                if frozenset({self._own, engine._own}) in self._world.broken:
                    continue
                if mine.far == identity(other) and other.far == identity(mine):
                    assert mine.lane == other.lane
                    mine.partner, other.partner = (engine, other_id), (self, peer)
                    self._world.later(
                        CONNECT_S, lambda: self.report(PeerState(peer=peer, state="connected", reason=""))
                    )
                    connected = PeerState(peer=other_id, state="connected", reason="")
                    self._world.later(CONNECT_S, lambda: engine.report(connected))  # noqa: B023 - returns below
                    return

    async def send_link(self, peer: PeerId, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        mine = self._live(peer)
        if mine.partner is None:
            raise EngineRefused("link_not_open", "not yet")
        if self.congested > 0:
            self.congested -= 1
            raise EngineRefused("link_congested", "full")
        self.sent += 1
        if peer in self.dark:
            return
        engine, far = mine.partner
        if frozenset({self._own, engine._own}) in self._world.broken:
            return
        self._world.later(ONE_WAY_S, lambda: engine.report(LinkMessage(peer=far, data=data)))

    async def close_peer(self, peer: PeerId) -> None:
        await trio.lowlevel.checkpoint()
        self.peers.pop(peer, None)
        for legs in (self.legs_in, self.legs_out):
            for key in [key for key in legs if key[0] == peer]:
                del legs[key]
        self.spans = {span for span in self.spans if span[0] != peer}

    async def span_room(self, peer: PeerId, *, room: RoomId, spans: bool) -> None:
        await trio.lowlevel.checkpoint()
        mine = self._live(peer)
        (self.spans.add if spans else self.spans.discard)((peer, room))
        if spans and mine.beside is not None:
            self.spans.discard((mine.beside, room))

    async def open_leg_out(self, peer: PeerId, *, leg: int, track: TrackId, room: RoomId) -> None:
        await trio.lowlevel.checkpoint()
        self._live(peer)
        self.legs_out[peer, leg] = track

    async def close_leg_out(self, peer: PeerId, *, leg: int) -> None:
        await trio.lowlevel.checkpoint()
        self._live(peer)
        self.legs_out.pop((peer, leg), None)

    async def open_leg_in(self, peer: PeerId, *, leg: int, track: TrackId, kind: MediaKind, room: RoomId) -> None:
        await trio.lowlevel.checkpoint()
        self._live(peer)
        assert kind == "video"
        self.legs_in[peer, leg] = track

    async def close_leg_in(self, peer: PeerId, *, leg: int) -> None:
        await trio.lowlevel.checkpoint()
        self._live(peer)
        self.legs_in.pop((peer, leg), None)

    def report(self, event: EngineEvent) -> None:
        relay = self._world.relays.get(self._own)
        if relay is not None and not self.is_dead and getattr(event, "peer", None) in self.peers:
            relay.handle_engine_event(event)

    def kill(self) -> None:
        """Every end is gone; the far ends notice."""
        self.is_dead = True
        for peer in self.peers.values():
            if peer.partner is not None:
                engine, far = peer.partner
                suspect = PeerState(peer=far, state="suspect", reason="")
                self._world.later(0.6, lambda engine=engine, suspect=suspect: engine.report(suspect))  # type: ignore[misc]
        self.peers.clear()
        self.legs_in.clear()
        self.legs_out.clear()
        self.spans.clear()


def identity(peer: FakePeer) -> tuple[str, bytes]:
    return peer.opened.ufrag, peer.opened.fingerprint


@dataclass
class World:
    """A cluster of relays in one Trio run."""

    nursery: trio.Nursery
    members: dict[NodeId, ViewMember] = field(default_factory=dict)
    gossips: dict[NodeId, FakeGossip] = field(default_factory=dict)
    engines: dict[NodeId, FakeEngine] = field(default_factory=dict)
    relays: dict[NodeId, Relay] = field(default_factory=dict)
    heard: dict[NodeId, list[RelayEvent]] = field(default_factory=dict)
    broken: set[frozenset[NodeId]] = field(default_factory=set)
    """Pairs between which nothing passes."""

    def __post_init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._added = trio.Event()
        self.nursery.start_soon(self.act)

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do it then; what is due at one time is done in the order in which it was asked for."""
        heapq.heappush(self._due, (trio.current_time() + delay_s, next(self._order), action))
        self._added.set()

    async def act(self) -> None:
        while True:
            at = self._due[0][0] if self._due else float("inf")
            with trio.move_on_at(at):
                await self._added.wait()
            self._added = trio.Event()
            while self._due and self._due[0][0] <= trio.current_time():
                heapq.heappop(self._due)[2]()

    async def open(self, name: str, *, region: str = "here", **settings: float) -> Relay:
        """Start the relay of one more node, and a reader of its events."""
        node = NodeId(name)
        key = Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))
        tags = NodeTags(
            cluster="test",
            node_id=node,
            boot=1,
            agent_boot=1,
            role="media",
            region=region,
            public_url="http://127.0.0.1:1",
            public_key=key.public_key().public_bytes_raw(),
        )
        member = ViewMember(serf_name=f"{name}-1", address="127.0.0.1", port=1, state=MemberState.ALIVE, tags=tags)
        self.members[node] = member
        for gossip in self.gossips.values():
            gossip.tell(NodeAppeared(member=member))
        self.gossips[node], self.engines[node] = FakeGossip(self, node), FakeEngine(self, node)
        self.heard[node] = []
        config = RelayConfig(cluster="test", node_id=node, private_key=key, **settings)  # type: ignore[arg-type]
        relay: Relay = await self.nursery.start(self._run, config)
        return relay

    async def _run(self, config: RelayConfig, task_status: trio.TaskStatus[Relay]) -> None:
        node = config.node_id
        async with open_relay(
            config,
            self.gossips[node],
            self.engines[node],
            wall_s=lambda: WALL_S + trio.current_time(),
            random=Random(node),
        ) as relay:
            self.relays[node] = relay
            task_status.started(relay)
            async for event in relay.events:
                self.heard[node].append(event)

    def vanish(self, node: NodeId) -> None:
        """Gossip holds the node failed."""
        member = self.members.pop(node)
        for name, gossip in self.gossips.items():
            if name != node:
                gossip.tell(NodeGone(member=member))

    def cut(self, a: NodeId, b: NodeId) -> None:
        """Nothing passes between the two any more; their engines notice."""
        self.broken.add(frozenset({a, b}))
        for one, other in ((a, b), (b, a)):
            for id_, peer in self.engines[one].peers.items():
                if peer.partner is not None and peer.partner[0] is self.engines[other]:
                    self.engines[one].report(PeerState(peer=id_, state="suspect", reason=""))

    async def measure(self) -> None:
        """Engines measure their links, once a second for as long as this runs."""
        while True:
            for engine in self.engines.values():
                for id_, peer in engine.peers.items():
                    broken = peer.partner and frozenset({engine._own, peer.partner[0]._own}) in self.broken
                    if peer.partner is not None and not broken:
                        engine.report(LinkMeasured(peer=id_, rtt_ms=20.0, jitter_ms=0.0, loss=0.0))
            await trio.sleep(1.0)

    def of(self, node: str, kind: type[RelayEvent]) -> list[RelayEvent]:
        return [event for event in self.heard[NodeId(node)] if isinstance(event, kind)]


@asynccontextmanager
async def open_world() -> AsyncIterator[World]:
    """A world without nodes; whatever runs in it ends with it."""
    async with trio.open_nursery() as nursery:
        yield World(nursery)
        nursery.cancel_scope.cancel()
