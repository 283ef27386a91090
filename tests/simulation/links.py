"""The wires between nodes, and at each end what the relay knows of rooms (the real core)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import trio

from relay import HolderAsked, HolderTold, RelayEvent, RemoteChat, RemoteChatBefore, RemoteOrder, RemotePlan, RemoteRoom
from relay.rooms import (
    LinkFallen,
    LinkRisen,
    NodeReturned,
    NodeVanished,
    RoomLearnt,
    Rooms,
    RoomsDeadline,
    RoomShared,
    StateHeard,
    TellRoom,
)
from signalling.mesh.link import PlanWord, ReachRow, RoomChat, RoomOrder, RoomState, TraceStep

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from relay import LinkStatus, RelayStatistics, WayStatus
    from relay.rooms import RoomsEffect, RoomsEvent
    from sfu.protocol import EngineEvent
    from signalling.client.messages import MediaKind, ParticipantInfo
    from signalling.ids import NodeId, RoomId, SessionId, TrackId
    from tests.simulation.universe import Universe

__all__ = ["Links", "NodeEnd"]

Word: TypeAlias = RoomState | RoomChat | RemoteChatBefore | HolderAsked | HolderTold | RemoteOrder | RemotePlan
"""What is said over a link here; what is said in pieces or to the node itself passes as the event that it becomes."""

LINK_LOST_S = 0.6
"""Three keepalives."""

GOSSIP_LOST_S = 3.0
"""Until gossip holds a dead node failed."""

LINK_UP_S = 0.4
"""One negotiation."""

FORGET_AFTER_S = 30.0

UNREAD = 4_096
"""Far more than is said before a reader's turn."""


@dataclass
class _Wire:
    """One direction of one link, in order; `life` tells its words from those of the link before."""

    up: bool = False
    life: int = 0
    last_at: float = 0.0


class NodeEnd:
    """A node's relay, as far as rooms go: :class:`node.conductor.ports.OtherNodes`."""

    def __init__(self, links: Links, node: NodeId, boot: int) -> None:
        self._links = links
        self.node = node
        self.boot = boot
        self.core = Rooms(forget_after_s=FORGET_AFTER_S)
        self._out, self._in = trio.open_memory_channel[RelayEvent](UNREAD)

    @property
    def events(self) -> trio.MemoryReceiveChannel[RelayEvent]:
        """What the others say."""
        return self._in

    def feed(self, event: RoomsEvent) -> None:
        """Let the core hear something, and do what it wants done."""
        self.carry_out(self.core.handle(event, trio.current_time()))

    def carry_out(self, effects: Iterable[RoomsEffect]) -> None:
        """Say what is to be said."""
        for effect in effects:
            match effect:
                case TellRoom(node=node, state=state):
                    self._links.send(self, node, state)
                case RoomLearnt():
                    self._out.send_nowait(
                        RemoteRoom(
                            node=effect.node,
                            room=effect.room,
                            participants=effect.participants,
                            is_lost=effect.is_lost,
                        )
                    )

    def hear(self, node: NodeId, word: Word) -> None:
        """Take a word from a wire."""
        match word:
            case RoomState():
                self.feed(StateHeard(node=node, state=word))
            case RoomChat():
                self._out.send_nowait(RemoteChat(node=node, chat=word))
            case _:
                self._out.send_nowait(word)

    def share_room(self, room: RoomId, nodes: frozenset[NodeId], participants: tuple[ParticipantInfo, ...]) -> None:
        """See the port."""
        self.feed(RoomShared(room=room, nodes=nodes, participants=participants))

    def send_chat(self, chat: RoomChat, nodes: frozenset[NodeId]) -> None:
        """See the port."""
        for node in sorted(nodes):
            self._links.send(self, node, chat)

    def send_chat_before(self, node: NodeId, room: RoomId, chats: tuple[RoomChat, ...]) -> None:
        """See the port."""
        self._links.send(self, node, RemoteChatBefore(node=self.node, room=room, chats=chats))

    def is_linked(self, node: NodeId) -> bool:
        """See the port."""
        return self._links.is_up(self, node)

    def send_order(self, node: NodeId, order: RoomOrder) -> None:
        """See the port."""
        self._links.send(self, node, RemoteOrder(node=self.node, order=order))

    def send_plan(self, node: NodeId, word: PlanWord) -> None:
        """See the port."""
        self._links.send(self, node, RemotePlan(node=self.node, word=word))

    def path_costs_from(self, origin: NodeId) -> Mapping[NodeId, float]:
        """See the port."""
        return self._links.costs.get(origin, {})

    def ask_holder(self, node: NodeId, session: SessionId, room: RoomId) -> None:
        """See the port."""
        self._links.send(self, node, HolderAsked(node=self.node, session=session, room=room))

    def tell_holder(self, node: NodeId, session: SessionId, room: RoomId, *, is_there: bool) -> None:
        """See the port."""
        self._links.send(self, node, HolderTold(node=self.node, session=session, room=room, is_there=is_there))

    def source_of(self, track: TrackId) -> NodeId | None:
        """Nobody publishes here."""

    def ways_from(self, origin: NodeId) -> tuple[WayStatus, ...]:
        """Nobody publishes here."""
        return ()

    def ask_trace(self, node: NodeId, trace: str, track: TrackId, *, within_s: float) -> None:
        """Nobody publishes here."""

    def tell_trace(
        self, node: NodeId, trace: str, track: TrackId, steps: tuple[TraceStep, ...], *, missing: str
    ) -> None:
        """Nobody publishes here."""

    def snapshot(self) -> tuple[LinkStatus, ...]:
        """Nobody looks here."""
        return ()

    def try_all(self, for_s: float) -> None:
        """Nobody looks here."""

    def ask_reach(self, node: NodeId, trace: str, *, within_s: float) -> None:
        """Nobody looks here."""

    def tell_reach(self, node: NodeId, trace: str, rows: tuple[ReachRow, ...], *, code: str = "") -> None:
        """Nobody looks here."""

    def ask_clock(self, node: NodeId, trace: str) -> None:
        """Nobody looks here."""

    def want_tracks(
        self, room: RoomId, tracks: Mapping[TrackId, tuple[NodeId, MediaKind]], places: Collection[str] = ()
    ) -> None:
        """Nobody publishes here."""

    def restrict_codecs(self, node: NodeId, track: TrackId, codecs: tuple[str, ...]) -> None:
        """Nobody publishes here."""

    def handle_engine_event(self, event: EngineEvent) -> None:
        """There is no media here."""

    def handle_engine_started(self, epoch: int) -> None:
        """There is no media here."""

    def statistics(self) -> RelayStatistics:
        """Nobody reads metrics here."""
        raise AssertionError("nobody reads metrics here")


@dataclass
class Links:
    """All links of the mesh. Words arrive in order while a link lives, late, and some of them twice."""

    universe: Universe
    nursery: trio.Nursery
    ends: dict[NodeId, NodeEnd] = field(default_factory=dict)
    cut: set[frozenset[NodeId]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._dice = self.universe.dice("links")
        self._wires: dict[tuple[NodeId, NodeId], _Wire] = {}
        self.costs: dict[NodeId, Mapping[NodeId, float]] = {}
        """What the best paths cost; nobody measures here."""
        self.twice = 0.0
        """Share of words that come once more, later."""

    def enter(self, end: NodeEnd) -> None:
        """A node is up."""
        self.ends[end.node] = end
        for other in sorted(self.ends):
            if other != end.node:
                self.nursery.start_soon(self._raise, end.node, other)

    def vanish(self, node: NodeId) -> None:
        """A node is dead."""
        del self.ends[node]
        for other in sorted(self.ends):
            self._lower(node, other)
            self.nursery.start_soon(self._notice_death, node, other)

    def part(self, one: NodeId, other: NodeId) -> None:
        """Cut the wire between two nodes."""
        self.cut.add(frozenset((one, other)))
        self._lower(one, other)
        for node, far in ((one, other), (other, one)):
            self.nursery.start_soon(self._notice_loss, node, far)

    def mend(self) -> None:
        """Mend all wires."""
        for pair in sorted(map(sorted, self.cut)):
            self.cut.discard(frozenset(pair))
            if all(node in self.ends for node in pair):
                self.nursery.start_soon(self._raise, pair[0], pair[1])

    def is_up(self, end: NodeEnd, to: NodeId) -> bool:
        """Whether there is a link to say something over."""
        return self._wire(end.node, to).up and self.ends.get(end.node) is end

    def send(self, end: NodeEnd, to: NodeId, word: Word) -> None:
        """Say something over a link; it is lost when there is none."""
        if not self.is_up(end, to):
            return
        wire = self._wire(end.node, to)
        delay = self._dice.uniform(0.005, 0.15)
        for _ in range(2 if self._dice.random() < self.twice else 1):
            # In order: the channel is reliable, and what is sent again goes before what is sent next.
            wire.last_at = max(wire.last_at + 1e-6, trio.current_time() + delay)
            self.nursery.start_soon(self._carry, end.node, to, word, wire.last_at, wire.life)

    async def run_deadlines(self, end: NodeEnd) -> None:
        """Fire the deadlines of a node's core."""
        while True:
            await trio.sleep(0.5)
            due = end.core.next_deadline()
            if due is not None and due <= trio.current_time():
                end.feed(RoomsDeadline())

    def _wire(self, one: NodeId, other: NodeId) -> _Wire:
        return self._wires.setdefault((one, other), _Wire())

    def _lower(self, one: NodeId, other: NodeId) -> None:
        for wire in (self._wire(one, other), self._wire(other, one)):
            wire.up = False
            wire.life += 1

    async def _carry(self, node: NodeId, to: NodeId, word: Word, at: float, life: int) -> None:
        await trio.sleep_until(at)
        if self._wire(node, to).life == life and to in self.ends:
            self.ends[to].hear(node, word)

    async def _raise(self, one: NodeId, other: NodeId) -> None:
        await trio.sleep(LINK_UP_S + self._dice.uniform(0.0, 0.3) + LINK_LOST_S)
        if frozenset((one, other)) in self.cut or self._wire(one, other).up:
            return
        if one not in self.ends or other not in self.ends:
            return
        for node, far in ((one, other), (other, one)):
            wire = self._wire(node, far)
            wire.up, wire.last_at = True, 0.0
        for node, far in ((one, other), (other, one)):
            self.ends[node].feed(NodeReturned(node=far))
            self.ends[node].feed(LinkRisen(node=far, boot=self.ends[far].boot))

    async def _notice_loss(self, node: NodeId, far: NodeId) -> None:
        await trio.sleep(LINK_LOST_S)
        if node in self.ends and not self._wire(node, far).up:
            self.ends[node].feed(LinkFallen(node=far))

    async def _notice_death(self, dead: NodeId, node: NodeId) -> None:
        await self._notice_loss(node, dead)
        await trio.sleep(GOSSIP_LOST_S - LINK_LOST_S)
        if node in self.ends and dead not in self.ends:
            self.ends[node].feed(NodeVanished(node=dead))
