"""Whole nodes but for rooms and clients: a real agent, a real engine and the relay between them."""

from __future__ import annotations

import base64
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from membership import MembershipConfig, open_membership
from node.demo.ports import find_free_ports
from relay import Relay, RelayConfig, RelayEvent, open_relay
from sfu import Engine, EngineConfig, EngineStarted, Offered, open_engine
from signalling.client.messages import ParticipantInfo, TrackInfo
from signalling.ids import NodeId, ParticipantId, RoomId, UserId
from tests.cluster.sfu.stage import KINDS, Stage, track_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from membership import Membership
    from sfu.participants import Participants

CLUSTER: Final = "mesh"
ROOM: Final = RoomId("room")
START_S: Final = 30.0


async def wait_until(condition: Callable[[], bool], *, deadline_s: float) -> None:
    """Wait until it holds; what is watched are other processes, which set no event of ours."""
    with trio.fail_after(deadline_s):
        while not condition():
            await trio.sleep(0.01)


def person(name: str, node: NodeId) -> ParticipantInfo:
    """A participant with the tracks that synthetic ones publish."""
    tracks = tuple(
        TrackInfo(track=track_of(name, kind), kind=kind, source="microphone" if kind == "audio" else "camera")
        for kind in KINDS
    )
    return ParticipantInfo(
        participant=ParticipantId(f"pa_{name}"), user=UserId(name), name=name, node=node, region="here", tracks=tracks
    )


class MeshNode(Stage):
    """A node whose engine and relay hear of each other."""

    def __init__(self, engine: Engine, participants: Participants, membership: Membership, relay: Relay) -> None:
        super().__init__(engine, participants)
        self.membership = membership
        self.relay = relay
        self.heard: list[RelayEvent] = []

    @property
    def node(self) -> NodeId:
        """The node's id."""
        return self.membership.view.own_id

    async def attend(self) -> None:
        """Take what the engine says; the part about links goes on to the relay."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._attend_relay)
            async for event in self.engine.events:
                self.seen.append(event)
                match event:
                    case EngineStarted(epoch=epoch):
                        self.relay.handle_engine_started(epoch)
                    case Offered():
                        nursery.start_soon(self._answer, event)
                    case _:
                        self.relay.handle_engine_event(event)

    async def _attend_relay(self) -> None:
        async for event in self.relay.events:
            self.heard.append(event)

    def host(self, name: str, *others: MeshNode) -> None:
        """A person of that name is here, in the room that lives on the other nodes, too."""
        nodes = frozenset(other.node for other in others)
        self.relay.share_room(ROOM, nodes, (person(name, self.node),))

    def want(self, name: str, owner: MeshNode) -> None:
        """Somebody here watches and hears that person of another node."""
        self.relay.want_tracks(ROOM, {track_of(name, kind): (owner.node, kind) for kind in KINDS})

    async def wait_heard(self, condition: Callable[[RelayEvent], bool], *, deadline_s: float) -> None:
        """Wait until the relay has told of such an event."""
        await wait_until(lambda: any(condition(event) for event in self.heard), deadline_s=deadline_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a node's media is: its engine's settings, and the people near it."""

    engine: EngineConfig
    participants: Participants


class Mesh:
    """Nodes that share a gossip key and a cluster key; they gossip on loopback, wherever their engines are."""

    def __init__(self, folder: Path, places: Callable[[str], Place], nursery: trio.Nursery, warm_links: int) -> None:
        self._folder = folder
        self._places = places
        self._warm_links = warm_links
        self._nursery = nursery
        self._gossip_key = base64.b64encode(os.urandom(32)).decode()
        self._cluster_key = Ed25519PrivateKey.generate()
        self._seeds: tuple[str, ...] = ()
        self.nodes: dict[str, MeshNode] = {}
        self.stops: dict[str, trio.CancelScope] = {}

    async def start(self, *names: str) -> list[MeshNode]:
        """Start nodes and wait until each sees all."""
        ports = find_free_ports(len(names))
        self._seeds = tuple(f"127.0.0.1:{port}" for port in ports)
        with trio.fail_after(START_S):
            for name, port in zip(names, ports, strict=True):
                self.nodes[name] = await self._nursery.start(self._run, name, port)
            for node in self.nodes.values():
                await wait_until(partial(self._sees_all, node), deadline_s=START_S)
        return [self.nodes[name] for name in names]

    def _sees_all(self, node: MeshNode) -> bool:
        return len(node.membership.view.alive()) == len(self.nodes)

    async def _run(self, name: str, port: int, task_status: trio.TaskStatus[MeshNode]) -> None:
        node_id = NodeId(name)
        key = Ed25519PrivateKey.generate()
        public_key = key.public_key().public_bytes_raw()
        config = MembershipConfig(
            cluster=CLUSTER,
            node_id=node_id,
            region="here",
            data_dir=self._folder / name,
            runtime_dir=self._folder / "run",
            bind_port=port,
            seeds=self._seeds,
            gossip_key=self._gossip_key,
            cluster_keys=(self._cluster_key.public_key().public_bytes_raw(),),
            certify=self._cluster_key.sign,
        )
        tags = config.tags(public_url=f"http://127.0.0.1/{name}", public_key=public_key)
        relay_config = RelayConfig(cluster=CLUSTER, node_id=node_id, private_key=key, warm_links=self._warm_links)
        place = self._places(name)
        with trio.CancelScope() as scope:
            self.stops[name] = scope
            async with (
                open_engine(place.engine) as engine,
                open_membership(config, tags) as membership,
                open_relay(relay_config, membership, engine) as relay,
            ):
                node = MeshNode(engine, place.participants, membership, relay)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(node.attend)
                    task_status.started(node)


@asynccontextmanager
async def open_mesh(
    folder: Path, participants: Participants | Callable[[str], Place], *, warm_links: int = 0
) -> AsyncIterator[Mesh]:
    """A mesh without nodes yet; all of them end with it. Their media is on loopback, or at places by their names."""

    def here(_name: str) -> Place:
        assert not callable(participants)
        return Place(engine=EngineConfig(), participants=participants)

    async with trio.open_nursery() as nursery:
        yield Mesh(folder, participants if callable(participants) else here, nursery, warm_links)
        nursery.cancel_scope.cancel()
