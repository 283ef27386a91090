"""A conductor with real sessions, rooms and tokens, an engine without media, and other nodes that only listen."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import trio
from trio.testing import wait_all_tasks_blocked

from accounts import Accounts, AccountSettings
from membership import ClusterView
from node.conductor import Admission, Conductor, Directory, open_conductor
from relay import LinkStatus, RelayEvent, RelayStatistics, WayStatus
from session import (
    ChatHistory,
    ClusterKeys,
    MemorySeatStore,
    RoomDirectory,
    RoomMedia,
    Rooms,
    SessionConfig,
    Tokens,
    open_sessions,
)
from sfu import EngineConfig, open_engine
from signalling.client.admission import SessionRequest
from signalling.client.messages import Hello, Join, Joined, Leave, Publish, Published, TrackIntent
from signalling.ids import DeviceId, NodeId, RoomId, SessionId, TrackId
from tests.unit.accounts.quick_passwords import QuickPasswords
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.sfu.fake_engine import FakeEngine, FakeHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from node.http.backend import RoomRequest
    from session import Sessions
    from sfu.protocol import EngineEvent
    from signalling.client.messages import MediaKind, NodeEvent, NodeReply, ParticipantInfo
    from signalling.errors import ErrorCode
    from signalling.mesh.link import PlanWord, ReachRow, RoomChat, RoomOrder, TraceStep

HERE = NodeId("here")
THERE = NodeId("there")
ROOM = RoomId("room")
SDP = "v=0\r\n"

T = TypeVar("T")


@dataclass
class Ear:
    """A client's end of a socket: what it heard, and how it ended."""

    heard: list[NodeEvent] = field(default_factory=list)
    ended: ErrorCode | None = None
    is_deaf: bool = False
    pings: int = 0

    def send(self, event: NodeEvent) -> None:
        self.heard.append(event)

    def end(self, code: ErrorCode, message: str) -> None:
        self.ended = code

    async def is_there(self, within_s: float) -> bool:
        self.pings += 1
        await trio.sleep(within_s if self.is_deaf else 0)
        return not self.is_deaf

    def take(self, kind: type[T]) -> list[T]:
        """What it heard of this kind so far."""
        return [event for event in self.heard if isinstance(event, kind)]


class Mesh:
    """The relay's place: notes what is stated, says what the test wants it to say."""

    def __init__(self) -> None:
        self.say, self._said = trio.open_memory_channel[RelayEvent](16)
        self.shared: dict[RoomId, tuple[frozenset[NodeId], tuple[ParticipantInfo, ...]]] = {}
        self.wanted: dict[RoomId, Mapping[TrackId, tuple[NodeId, MediaKind]]] = {}
        self.places: dict[RoomId, tuple[str, ...]] = {}
        self.chats: list[tuple[RoomChat, frozenset[NodeId]]] = []
        self.chats_before: list[tuple[NodeId, RoomId, tuple[RoomChat, ...]]] = []
        self.restrictions: list[tuple[NodeId, TrackId, tuple[str, ...]]] = []
        self.questions: list[tuple[NodeId, SessionId, RoomId]] = []
        self.words: list[tuple[NodeId, SessionId, RoomId, bool]] = []
        self.orders: list[tuple[NodeId, RoomOrder]] = []
        self.plans: list[tuple[NodeId, PlanWord]] = []
        self.costs: dict[NodeId, Mapping[NodeId, float]] = {}
        self.sources: dict[TrackId, NodeId] = {}
        self.traces: list[tuple[NodeId, str, TrackId, float]] = []
        self.told_traces: list[tuple[NodeId, str, TrackId, tuple[TraceStep, ...], str]] = []
        self.ways: dict[NodeId, tuple[WayStatus, ...]] = {}
        self.links: tuple[LinkStatus, ...] = ()
        self.tried: list[float] = []
        self.reach_asked: list[tuple[NodeId, str]] = []
        self.reach_told: list[tuple[NodeId, str, tuple[ReachRow, ...], str]] = []
        self.clocks_asked: list[tuple[NodeId, str]] = []
        self.cut_off: set[NodeId] = set()
        self.engine_events: list[EngineEvent] = []
        self.epochs: list[int] = []

    @property
    def events(self) -> trio.MemoryReceiveChannel[RelayEvent]:
        return self._said

    def statistics(self) -> RelayStatistics:
        raise AssertionError("nobody reads metrics here")

    def share_room(self, room: RoomId, nodes: frozenset[NodeId], participants: tuple[ParticipantInfo, ...]) -> None:
        self.shared[room] = (nodes, participants)

    def want_tracks(
        self, room: RoomId, tracks: Mapping[TrackId, tuple[NodeId, MediaKind]], places: Collection[str] = ()
    ) -> None:
        self.wanted[room] = tracks
        self.places[room] = tuple(places)

    def send_chat(self, chat: RoomChat, nodes: frozenset[NodeId]) -> None:
        self.chats.append((chat, nodes))

    def send_chat_before(self, node: NodeId, room: RoomId, chats: tuple[RoomChat, ...]) -> None:
        self.chats_before.append((node, room, chats))

    def restrict_codecs(self, node: NodeId, track: TrackId, codecs: tuple[str, ...]) -> None:
        self.restrictions.append((node, track, codecs))

    def ask_holder(self, node: NodeId, session: SessionId, room: RoomId) -> None:
        self.questions.append((node, session, room))

    def tell_holder(self, node: NodeId, session: SessionId, room: RoomId, *, is_there: bool) -> None:
        self.words.append((node, session, room, is_there))

    def source_of(self, track: TrackId) -> NodeId | None:
        return self.sources.get(track)

    def ways_from(self, origin: NodeId) -> tuple[WayStatus, ...]:
        return self.ways.get(origin, ())

    def ask_trace(self, node: NodeId, trace: str, track: TrackId, *, within_s: float) -> None:
        self.traces.append((node, trace, track, within_s))

    def tell_trace(
        self, node: NodeId, trace: str, track: TrackId, steps: tuple[TraceStep, ...], *, missing: str
    ) -> None:
        self.told_traces.append((node, trace, track, steps, missing))

    def snapshot(self) -> tuple[LinkStatus, ...]:
        return self.links

    def try_all(self, for_s: float) -> None:
        self.tried.append(for_s)

    def ask_reach(self, node: NodeId, trace: str, *, within_s: float) -> None:
        self.reach_asked.append((node, trace))

    def tell_reach(self, node: NodeId, trace: str, rows: tuple[ReachRow, ...], *, code: str = "") -> None:
        self.reach_told.append((node, trace, rows, code))

    def ask_clock(self, node: NodeId, trace: str) -> None:
        self.clocks_asked.append((node, trace))

    def is_linked(self, node: NodeId) -> bool:
        return node not in self.cut_off

    def send_order(self, node: NodeId, order: RoomOrder) -> None:
        self.orders.append((node, order))

    def send_plan(self, node: NodeId, word: PlanWord) -> None:
        self.plans.append((node, word))

    def path_costs_from(self, origin: NodeId) -> Mapping[NodeId, float]:
        return self.costs.get(origin, {})

    def handle_engine_event(self, event: EngineEvent) -> None:
        self.engine_events.append(event)

    def handle_engine_started(self, epoch: int) -> None:
        self.epochs.append(epoch)


@dataclass
class Person:
    """A client with a session."""

    house: House
    session: SessionId
    token: str
    ear: Ear

    async def ask(self, request: RoomRequest) -> NodeReply:
        """One request, one reply."""
        replies: list[NodeReply] = []
        await self.house.conductor.handle(self.session, request, replies.append)
        (reply,) = replies
        return reply

    async def join(self, attempt: int = 1) -> Joined:
        joined = await self.ask(Join(room=ROOM, attempt=attempt))
        assert isinstance(joined, Joined)
        await wait_all_tasks_blocked()
        return joined

    async def publish(self, *kinds: MediaKind) -> list[TrackId]:
        """Publish these, anew: whatever was published before and is not named ends."""
        intents = tuple(
            TrackIntent(mid=str(mid), kind=kind, source="camera" if kind == "video" else "microphone")
            for mid, kind in enumerate(kinds)
        )
        published = await self.ask(Publish(sdp=SDP, tracks=intents))
        assert isinstance(published, Published)
        await wait_all_tasks_blocked()
        return list(published.tracks.values())

    async def leave(self) -> None:
        await self.ask(Leave())
        await wait_all_tasks_blocked()


@dataclass
class House:
    """The conductor and what stands around it."""

    conductor: Conductor
    host: FakeHost
    mesh: Mesh | None
    tokens: Tokens
    keys: ClusterKeys
    sessions: Sessions

    @property
    def engine(self) -> FakeEngine:
        """The engine of the moment."""
        return self.host.started[-1]

    async def enter(self, name: str, device: str = "") -> Person:
        """Open a session, as a new device unless one is named."""
        grant = await self.conductor.create_session(
            SessionRequest(name=name, device=DeviceId(device) if device else None)
        )
        return await self.enter_with(grant.token)

    async def enter_with(self, token: str) -> Person:
        """Open one more socket with a token."""
        ear = Ear()
        opened = await self.conductor.open_session(Hello(token=token), ear)
        return Person(self, opened.session, opened.token, ear)


@asynccontextmanager
async def open_house(
    *,
    mesh: Mesh | None = None,
    grace_s: float = 4.0,
    store: MemorySeatStore | None = None,
    media: RoomMedia | None = None,
    repository: MemoryRepository | None = None,
    keys: ClusterKeys | None = None,
    guests: bool = True,
    chat_history: int = 200,
    view: ClusterView | None = None,
) -> AsyncIterator[House]:
    """Run it all for the length of the block; needs an autojump clock only where time matters."""
    keys = keys or ClusterKeys.generate()
    tokens = Tokens(keys, cluster="test")
    repository = repository or MemoryRepository()
    settings = SessionConfig(cluster="test", node=HERE, grace_s=grace_s, room_media=media or RoomMedia())
    host = FakeHost()
    store = store or MemorySeatStore(lease_s=settings.lease_s, tombstone_s=settings.tombstone_s, repository=repository)
    rooms = RoomDirectory(repository, max_rooms=10)
    async with (
        open_engine(EngineConfig(), spawn=host.spawn) as engine,
        open_sessions(settings, store=store, directory=rooms) as sessions,
        open_conductor(
            Conductor(
                engine=engine,
                sessions=sessions,
                admission=Admission(
                    sessions=sessions,
                    tokens=tokens,
                    session_url="ws://here/v1/session",
                    guests=guests,
                ),
                keys=keys,
                directory=Directory(view=lambda: view or ClusterView(own_id=HERE)),
                membership=None,
                relay=mesh,
                rooms=Rooms(HERE),
                history=ChatHistory(repository, keep=chat_history),
                repository=repository,
                accounts=Accounts(repository, QuickPasswords(), AccountSettings(enabled=True)),
                tokens=tokens,
                pins=QuickPasswords(),
            )
        ) as conductor,
    ):
        yield House(conductor, host, mesh, tokens, keys, sessions)
