"""The local engine as the rest of a node sees it: methods, events, epochs.

Replies come back to their callers; everything else comes through :attr:`Engine.events`, in order,
each epoch opened by its :class:`~sfu.supervision.EngineStarted`. Between the death of an engine
and the next ``EngineStarted`` commands raise :class:`~sfu.errors.EngineLostError` at once. After
it, whoever owns peers, links and legs opens them anew: commands state whole sets, so one path
serves the first start and every later one.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import trio

from sfu.errors import EngineLostError, EngineRefused, EngineStartError, EngineTimeoutError
from sfu.process import Child, find_program, open_child
from sfu.protocol import (
    AddCandidate,
    Answered,
    CloseLegIn,
    CloseLegOut,
    ClosePeer,
    CloseRoom,
    Command,
    ConnectLink,
    Described,
    Done,
    EngineEvent,
    EngineReply,
    GetStatistics,
    LinkOpened,
    OpenLegIn,
    OpenLegOut,
    OpenLink,
    Prefer,
    PreferredTrack,
    Publish,
    SendLink,
    SetRoom,
    SpanRoom,
    Statistics,
    Subscribe,
    WantedTrack,
)
from sfu.supervision import EngineStarted, Spawn, SupervisionStatistics, Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from sfu.config import EngineConfig
    from signalling.client.messages import MediaKind
    from signalling.ids import ParticipantId, PeerId, RoomId, TrackId

R = TypeVar("R", bound=EngineReply)

MAX_STATISTICS_PAGES: Final = 100
"""Pages of 250 rows that one reading takes at most; an engine has a tenth of them when it is full."""


class Engine:
    """A supervised engine; made by :func:`open_engine`.

    Every command raises:

    * :class:`~sfu.errors.EngineRefused` where the engine turned it down; nothing has changed.
    * :class:`~sfu.errors.EngineTimeoutError` without a reply within the deadline; say it again.
    * :class:`~sfu.errors.EngineLostError` where the engine is or goes down; wait for the next epoch.

    Cancelling a command is safe and leaves its outcome unknown.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    @property
    def epoch(self) -> int:
        """Number of the engine that serves, or served last: 1 for the first."""
        return self._supervisor.epoch

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its media sockets as ``host:port``."""
        return self._supervisor.addresses

    @property
    def events(self) -> trio.MemoryReceiveChannel[EngineEvent | EngineStarted]:
        """What happens, in order; ends with the service.

        Bounded: while it is full nothing more is read from the engine, replies included. Take
        events in a task that does not wait for replies.
        """
        return self._supervisor.events

    def supervision(self) -> SupervisionStatistics:
        """Counters of the service itself, readable also while no engine serves."""
        return self._supervisor.statistics()

    async def publish(
        self, peer: PeerId, sdp: str, tracks: Mapping[str, TrackId], *, room: RoomId, sender: ParticipantId
    ) -> str:
        """Take a publisher's offer, whose mids carry ``tracks``; returns the SDP answer."""
        command = Publish(id=0, peer=peer, sdp=sdp, tracks=dict(tracks), room=room, sender=sender)
        return (await self._ask(command, Described)).sdp

    async def subscribe(
        self, peer: PeerId, tracks: Iterable[WantedTrack], *, room: RoomId, participant: ParticipantId
    ) -> None:
        """Send a subscriber exactly these tracks; an ``Offered`` event follows if that changes its m-lines."""
        command = Subscribe(id=0, peer=peer, tracks=tuple(tracks), room=room, participant=participant)
        await self._ask(command, Done)

    async def prefer(self, peer: PeerId, tracks: Iterable[PreferredTrack]) -> None:
        """State how a subscriber's client would like to be sent its tracks: all wishes, replacing those before."""
        await self._ask(Prefer(id=0, peer=peer, tracks=tuple(tracks)), Done)

    async def answered(self, peer: PeerId, generation: int, sdp: str) -> None:
        """Hand over a subscriber's answer to the offer of that generation."""
        await self._ask(Answered(id=0, peer=peer, generation=generation, sdp=sdp), Done)

    async def add_candidate(self, peer: PeerId, candidate: str) -> None:
        """Hand over a trickled candidate of a client; one of no use is counted by the engine."""
        await self._ask(AddCandidate(id=0, peer=peer, candidate=candidate), Done)

    async def close_peer(self, peer: PeerId) -> None:
        """End a publisher, subscriber or link, also one that is gone already."""
        await self._ask(ClosePeer(id=0, peer=peer), Done)

    async def open_link(
        self, peer: PeerId, *, controlling: bool, lane: int = 0, beside: PeerId | None = None
    ) -> LinkOpened:
        """Make this end of a link; returns what the other end needs to know."""
        return await self._ask(
            OpenLink(id=0, peer=peer, controlling=controlling, lane=lane, beside=beside or ""), LinkOpened
        )

    async def connect_link(
        self, peer: PeerId, *, ufrag: str, password: str, fingerprint: bytes, candidates: Iterable[str]
    ) -> None:
        """Tell this end of a link about the other one."""
        await self._ask(
            ConnectLink(
                id=0,
                peer=peer,
                ufrag=ufrag,
                password=password,
                fingerprint=fingerprint,
                candidates=tuple(candidates),
            ),
            Done,
        )

    async def send_link(self, peer: PeerId, data: bytes) -> None:
        """Queue a message on a link's reliable channel (``link_not_open``, ``link_congested``)."""
        await self._ask(SendLink(id=0, peer=peer, data=data), Done)

    async def open_leg_out(self, peer: PeerId, leg: int, track: TrackId, room: RoomId) -> None:
        """Send a track of a room over a link in frames numbered ``leg``."""
        await self._ask(OpenLegOut(id=0, peer=peer, leg=leg, track=track, room=room), Done)

    async def close_leg_out(self, peer: PeerId, leg: int) -> None:
        """Stop sending a leg."""
        await self._ask(CloseLegOut(id=0, peer=peer, leg=leg), Done)

    async def open_leg_in(self, peer: PeerId, leg: int, track: TrackId, kind: MediaKind, room: RoomId) -> None:
        """Take frames numbered ``leg`` of a link as this track of a room."""
        await self._ask(OpenLegIn(id=0, peer=peer, leg=leg, track=track, kind=kind, room=room), Done)

    async def close_leg_in(self, peer: PeerId, leg: int) -> None:
        """Drop frames of a leg."""
        await self._ask(CloseLegIn(id=0, peer=peer, leg=leg), Done)

    async def span_room(self, peer: PeerId, *, room: RoomId, spans: bool) -> None:
        """State whether data messages said in a room here go over a link, while that link lives."""
        await self._ask(SpanRoom(id=0, peer=peer, room=room, spans=spans), Done)

    async def set_room(self, room: RoomId, *, loudest: int, max_height: int, max_bitrate_bps: int) -> None:
        """State a room's policy, whole; 0 sets no limit. See :class:`~sfu.protocol.SetRoom`."""
        command = SetRoom(id=0, room=room, loudest=loudest, max_height=max_height, max_bitrate_bps=max_bitrate_bps)
        await self._ask(command, Done)

    async def close_room(self, room: RoomId) -> None:
        """Forget a room's policy."""
        await self._ask(CloseRoom(id=0, room=room), Done)

    async def statistics(self) -> Statistics:
        """Read the engine's numbers, all pages of them: workers, peers, tracks, legs, lines, oddities.

        The pages are read one after the other: whoever comes or goes meanwhile may be missing or seen
        twice. Each costs the engine a copy of what it has; a second between two readings is plenty.
        """
        first = page = await self._ask(GetStatistics(id=0), Statistics)
        peers, tracks, legs = list(first.peers), list(first.tracks), list(first.legs)
        lines = list(first.lines)
        while page.page + 1 < min(page.pages, MAX_STATISTICS_PAGES):
            page = await self._ask(GetStatistics(id=0, page=page.page + 1), Statistics)
            peers += page.peers
            tracks += page.tracks
            legs += page.legs
            lines += page.lines
        return msgspec.structs.replace(
            page, page=0, pages=1, peers=tuple(peers), tracks=tuple(tracks), legs=tuple(legs), lines=tuple(lines)
        )

    async def _ask(self, command: Command, reply: type[R]) -> R:
        supervisor = self._supervisor
        channel = supervisor.channel
        if channel is None:
            raise EngineLostError("no engine serves at the moment")
        try:
            return await channel.call(command, reply)
        except EngineRefused:
            supervisor.refusals += 1
            raise
        except EngineTimeoutError:
            supervisor.timeouts += 1
            supervisor.doubt()
            raise


@asynccontextmanager
async def open_engine(config: EngineConfig, *, spawn: Spawn | None = None) -> AsyncIterator[Engine]:
    """Run an engine for the length of the block, restarting it when it dies.

    Args:
        config: Where it listens and how long it may think.
        spawn: Another way to start one, for tests.

    Raises:
        EngineStartError: The first one could not be started; ``code`` says why.
    """

    def start() -> AbstractAsyncContextManager[Child]:
        return open_child(config.program or (str(find_program()), "engine"))

    supervisor = Supervisor(config, spawn or start)
    failure: EngineStartError | None = None
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(supervisor.run)
        except EngineStartError as error:
            failure = error
        else:
            try:
                yield Engine(supervisor)
            finally:
                nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
