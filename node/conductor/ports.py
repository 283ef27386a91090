"""What the conductor needs of the relay and of gossip, as shapes: tests bring their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    import trio

    from membership import RoomFound
    from relay import LinkStatus, RelayEvent, RelayStatistics, WayStatus
    from sfu.protocol import EngineEvent
    from signalling.client.messages import MediaKind, ParticipantInfo
    from signalling.ids import NodeId, RoomId, SessionId, TrackId
    from signalling.mesh.link import PlanWord, ReachRow, RoomChat, RoomOrder, TraceStep


class RoomQueries(Protocol):
    """Who can be asked where a room lives while the store is away; :class:`membership.RoomQueries` is one."""

    @property
    def found(self) -> trio.MemoryReceiveChannel[RoomFound]:
        """What the other nodes answer; one reader."""
        ...

    def ask(self, room: RoomId) -> None:
        """Ask them, soon."""
        ...

    def speak_for(self, rooms_here: Callable[[], Iterable[RoomId]]) -> None:
        """Answer them for these rooms."""
        ...


class OtherNodes(Protocol):
    """The way to the other nodes; :class:`relay.Relay` is one. All calls are plain statements."""

    @property
    def events(self) -> trio.MemoryReceiveChannel[RelayEvent]:
        """What they say; one reader."""
        ...

    def share_room(self, room: RoomId, nodes: frozenset[NodeId], participants: tuple[ParticipantInfo, ...]) -> None:
        """These nodes are to know that the room lives here with these participants."""
        ...

    def want_tracks(
        self, room: RoomId, tracks: Mapping[TrackId, tuple[NodeId, MediaKind]], places: Collection[str] = ()
    ) -> None:
        """All tracks of other nodes that somebody here needs."""
        ...

    def send_chat(self, chat: RoomChat, nodes: frozenset[NodeId]) -> None:
        """Say something to a room's other nodes."""
        ...

    def send_chat_before(self, node: NodeId, room: RoomId, chats: tuple[RoomChat, ...]) -> None:
        """Tell a node what was said here before it could hear it."""
        ...

    def restrict_codecs(self, node: NodeId, track: TrackId, codecs: tuple[str, ...]) -> None:
        """Somebody here plays none but these codecs of that node's track; an empty list takes it back."""
        ...

    def send_order(self, node: NodeId, order: RoomOrder) -> None:
        """What somebody here decided about a room that lives there."""
        ...

    def send_plan(self, node: NodeId, word: PlanWord) -> None:
        """Where the people of a room that lives there are to be, or how far ours are."""
        ...

    def path_costs_from(self, origin: NodeId) -> Mapping[NodeId, float]:
        """What the best path from a node to each other one costs one way, milliseconds."""
        ...

    def is_linked(self, node: NodeId) -> bool:
        """Whether words to that node go out now; one whose link is suspect may still hear them."""
        ...

    def ask_holder(self, node: NodeId, session: SessionId, room: RoomId) -> None:
        """Whether that node's session is there, whose seat in the room somebody here wants."""
        ...

    def tell_holder(self, node: NodeId, session: SessionId, room: RoomId, *, is_there: bool) -> None:
        """What came of a node's question for a session of ours."""
        ...

    def source_of(self, track: TrackId) -> NodeId | None:
        """The node that sends us that track now."""
        ...

    def ways_from(self, origin: NodeId) -> tuple[WayStatus, ...]:
        """The ways that the origin's tracks could take to here, the cheapest first."""
        ...

    def ask_trace(self, node: NodeId, trace: str, track: TrackId, *, within_s: float) -> None:
        """How a track that the node sends us comes to it."""
        ...

    def tell_trace(
        self, node: NodeId, trace: str, track: TrackId, steps: tuple[TraceStep, ...], *, missing: str
    ) -> None:
        """What came of a node's question about a track."""
        ...

    def snapshot(self) -> tuple[LinkStatus, ...]:
        """Every link, and every node that one is wanted with."""
        ...

    def try_all(self, for_s: float) -> None:
        """Want a link with every living node for so many seconds."""
        ...

    def ask_reach(self, node: NodeId, trace: str, *, within_s: float) -> None:
        """How the node reaches all the others."""
        ...

    def tell_reach(self, node: NodeId, trace: str, rows: tuple[ReachRow, ...], *, code: str = "") -> None:
        """What came of a node's question about the others."""
        ...

    def ask_clock(self, node: NodeId, trace: str) -> None:
        """What time it is at the node."""
        ...

    def handle_engine_event(self, event: EngineEvent) -> None:
        """Something happened to a link in the engine."""
        ...

    def handle_engine_started(self, epoch: int) -> None:
        """The engine is a new one."""
        ...

    def statistics(self) -> RelayStatistics:
        """Counters and gauges."""
        ...
