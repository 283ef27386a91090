"""Asks how a track gets here: the engine of this node, and the node behind the link that it comes on.

Each node answers for the step that ends at it, and asks the one before it, with a little less time: so the question
goes back along the very legs that the media comes on, and a node that does not answer costs the steps before it and
no more. A node answers only who is sent the track.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
import trio

from node.explain.records import TrackExplained, TrackStep, TrackWay
from node.explain.steps import Readings, verdict_of
from sfu import EngineError
from signalling.errors import ErrorCode, Refused
from signalling.mesh.link import MAX_TRACE_STEPS, TraceStep

if TYPE_CHECKING:
    from node.conductor.ports import OtherNodes
    from relay import TraceAsked, TraceTold
    from session import FoundTrack, Rooms
    from session.access import Caller
    from sfu import Engine
    from signalling.client.messages import ParticipantInfo
    from signalling.ids import NodeId, ParticipantId, RoomId, TrackId

BETWEEN_S: Final = 0.5
"""From one reading of the engine to the next: pictures come in bursts, and half a second evens them out."""

WITHIN_S: Final = 3.0
"""For the whole way: three hops with a slow node on it."""

SPENT_ON_A_HOP_S: Final = 0.4
"""What a node keeps for its own link's round trip before it gives up on the one before it."""

MAX_ANSWERS: Final = 32
"""Questions of other nodes and of people answered at once; each holds two readings of the engine."""

MAX_WAYS: Final = 16
"""Alternatives that are told; the cheapest come first."""

NO_LEG: Final = "no_leg"
"""Nobody here needs the track, or it is on its way."""

NO_ANSWER: Final = "no_answer"
"""The node before did not answer in time: it is slow, gone, or of an older version."""

TOO_FAR: Final = "too_far"
"""The way has more nodes than a way may have."""

BUSY: Final = "busy"
"""The node before answers enough questions at the moment."""

ENGINE_AWAY: Final = "engine_away"
"""A node's engine is being replaced."""

_LOG = structlog.get_logger("explain")


class _Awaited:
    """A word from another node that somebody waits for."""

    def __init__(self) -> None:
        self.came = trio.Event()
        self.steps: tuple[TraceStep, ...] = ()
        self.missing = NO_ANSWER


class TrackTracer:
    """Explains tracks to people, to the operator, and to other nodes.

    Args:
        engine: Has the numbers.
        rooms: Know whose a track is.
        relay: The way to other nodes; None on a node without a mesh.
        own: This node.
    """

    def __init__(self, *, engine: Engine, rooms: Rooms, relay: OtherNodes | None, own: NodeId) -> None:
        self._engine = engine
        self._rooms = rooms
        self._relay = relay
        self._own = own
        self._nursery: trio.Nursery | None = None
        self._awaited: dict[tuple[NodeId, str], _Awaited] = {}
        self._answering = 0

    def start(self, nursery: trio.Nursery) -> None:
        """Answer other nodes in tasks of this nursery."""
        self._nursery = nursery

    async def explain_to(self, caller: Caller, track: TrackId) -> TrackExplained:
        """Explain a track to somebody who sits in its room at this node: of the last steps, only their own.

        An administrator needs no seat, and sees all.

        Raises:
            Refused: `track_unknown`, also where it is in a room that the caller has no seat in; `rate_limited`.
        """
        found = self._rooms.find_track(track)
        me = None if found is None else self._seat(caller, found.room)
        if found is None or (me is None and not caller.grants.admin):
            await trio.lowlevel.checkpoint()
            raise Refused(
                ErrorCode.TRACK_UNKNOWN,
                "No track of this name is in a room that you sit in here; ask the node that your session is on.",
            )
        explained = await self.explain(track)
        if caller.grants.admin:
            return explained
        return _for_one(explained, None if me is None else me.participant)

    def _seat(self, caller: Caller, room: RoomId) -> ParticipantInfo | None:
        """Who the caller is in a room; a token as `POST /v1/sessions` gave it names a user and no session yet."""
        people = {session: self._rooms.participant(session) for session in self._rooms.sessions_in(room)}
        if caller.session is not None:
            return people.get(caller.session)
        return next((one for one in people.values() if one is not None and one.user == caller.user), None)

    async def explain(self, track: TrackId) -> TrackExplained:
        """Explain a track, with everybody at this node who receives it.

        Takes half a second, and up to three when other nodes are slow.

        Raises:
            Refused: `track_unknown`, or `rate_limited`: others ask as well.
        """
        found = self._rooms.find_track(track)
        if found is None:
            await trio.lowlevel.checkpoint()
            raise Refused(
                ErrorCode.TRACK_UNKNOWN,
                "This node knows no track of this name: `published` and `tracks` of a participant name them, and each "
                "node knows those of the rooms that it has people in.",
            )
        if self._answering >= MAX_ANSWERS:
            await trio.lowlevel.checkpoint()
            raise Refused(ErrorCode.RATE_LIMITED, "This node explains many tracks already; ask again in a moment.")
        trace = secrets.token_hex(8)
        self._answering += 1
        try:
            readings, steps, missing = await self._way(track, found, trace, WITHIN_S)
        finally:
            self._answering -= 1
        _LOG.info("track_explained", trace=trace, track=track, steps=len(steps), missing=missing)
        return TrackExplained(
            trace=trace,
            track=track,
            room=found.room,
            publisher=found.owner.participant,
            origin=found.owner.node,
            asked=self._own,
            kind=found.track.kind,
            codec="" if readings is None else readings.codec_of(track),
            steps=steps,
            receivers=() if readings is None else tuple(self._last_steps(readings, found)),
            missing=missing,
            verdict=verdict_of(steps, asked=self._own, missing=missing),
            ways=self._ways(found.owner.node),
        )

    def _ways(self, origin: NodeId) -> tuple[TrackWay, ...]:
        known = () if self._relay is None or origin == self._own else self._relay.ways_from(origin)
        return tuple(
            TrackWay(path=way.path, cost_ms=round(way.cost_ms, 1), taken=way.taken, reason=way.reason)
            for way in known[:MAX_WAYS]
        )

    def answer(self, asked: TraceAsked) -> None:
        """Another node asks how a track that we send it comes to us."""
        assert self._nursery is not None, "started with the conductor"
        if self._answering < MAX_ANSWERS:
            self._answering += 1
            self._nursery.start_soon(self._answer, asked)
        elif self._relay is not None:
            self._relay.tell_trace(asked.node, asked.trace, asked.track, (), missing=BUSY)

    def told(self, word: TraceTold) -> None:
        """Another node says how a track comes to it; steps that nobody asked for are dropped."""
        awaited = self._awaited.get((word.node, word.trace))
        if awaited is not None:
            awaited.steps, awaited.missing = word.steps, word.missing
            awaited.came.set()

    async def _answer(self, asked: TraceAsked) -> None:
        try:
            # One that is only passed on here is in no room of this node.
            found = self._rooms.find_track(asked.track)
            _, steps, missing = await self._way(asked.track, found, asked.trace, asked.within_ms / 1000)
        finally:
            self._answering -= 1
        _LOG.info("track_traced", trace=asked.trace, track=asked.track, peer=asked.node, missing=missing)
        if self._relay is not None:
            told = tuple(map(_as_told, steps))
            self._relay.tell_trace(asked.node, asked.trace, asked.track, told, missing=missing)

    async def _way(
        self, track: TrackId, found: FoundTrack | None, trace: str, within_s: float
    ) -> tuple[Readings | None, tuple[TrackStep, ...], str]:
        """The steps up to this node, with the numbers of this node's engine, and why the first are missing."""
        publisher = None if found is None else found.session
        before = None if self._relay is None or publisher is not None else self._relay.source_of(track)
        if publisher is None and before is None:
            await trio.lowlevel.checkpoint()
            return None, (), NO_LEG
        upstream: tuple[tuple[TrackStep, ...], str] = ((), "")
        readings: Readings | None = None

        async def ask(node: NodeId) -> None:
            nonlocal upstream
            upstream = await self._ask(node, trace, track, within_s - SPENT_ON_A_HOP_S)

        async def read() -> None:
            nonlocal readings
            readings = await self._read()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            if before is not None:
                nursery.start_soon(ask, before)
        steps, missing = upstream
        if readings is None:
            return None, steps, missing or ENGINE_AWAY
        if found is not None and publisher is not None:
            last = readings.from_publisher(track, publisher, found.owner.participant, self._own)
        else:
            assert before is not None
            last = readings.over_link(track, before, self._own)
        return readings, (*steps, last), missing

    async def _ask(
        self, node: NodeId, trace: str, track: TrackId, within_s: float
    ) -> tuple[tuple[TrackStep, ...], str]:
        if self._relay is None or within_s <= 0:
            await trio.lowlevel.checkpoint()
            return (), TOO_FAR
        if (node, trace) in self._awaited:
            await trio.lowlevel.checkpoint()
            return (), BUSY  # somebody asked us for it twice
        awaited = self._awaited[node, trace] = _Awaited()
        try:
            self._relay.ask_trace(node, trace, track, within_s=within_s)
            with trio.move_on_after(within_s):
                await awaited.came.wait()
        finally:
            del self._awaited[node, trace]
        if len(awaited.steps) >= MAX_TRACE_STEPS:
            return (), TOO_FAR
        return tuple(map(_as_step, awaited.steps)), awaited.missing

    async def _read(self) -> Readings | None:
        try:
            before, began = await self._engine.statistics(), trio.current_time()
            await trio.sleep(BETWEEN_S)
            return Readings(before, await self._engine.statistics(), trio.current_time() - began)
        except EngineError:
            return None

    def _last_steps(self, readings: Readings, found: FoundTrack) -> list[TrackStep]:
        steps = []
        for session in self._rooms.sessions_in(found.room):
            person = self._rooms.participant(session)
            # A session is sent the track itself, or the same in another codec.
            sent = self._rooms.played_as(session, found.track.track)
            if person is not None and sent is not None and readings.receives(session):
                steps.append(readings.to_subscriber(sent, session, person.participant, self._own))
        return steps


def _for_one(explained: TrackExplained, participant: ParticipantId | None) -> TrackExplained:
    mine = tuple(step for step in explained.receivers if step.receiver == participant)
    return msgspec.structs.replace(explained, receivers=mine)


def _as_told(step: TrackStep) -> TraceStep:
    return TraceStep(
        is_link=step.kind == "link",
        sender=step.sender,
        receiver=step.receiver,
        rtt_ms=step.rtt_ms,
        jitter_ms=step.jitter_ms,
        loss=step.loss,
        bitrate_bps=step.bitrate_bps,
    )


def _as_step(told: TraceStep) -> TrackStep:
    return TrackStep(
        kind="link" if told.is_link else "publisher",
        sender=told.sender,
        receiver=told.receiver,
        rtt_ms=told.rtt_ms,
        jitter_ms=told.jitter_ms,
        loss=told.loss,
        bitrate_bps=told.bitrate_bps,
    )
