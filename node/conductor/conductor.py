"""The conductor itself: what HTTP and WebSocket ask, answered from all domains."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from node.conductor.accounts import AccountDesk
from node.conductor.chat import ChatDesk
from node.conductor.entry import Entry, Shown
from node.conductor.fresh_tokens import FreshTokens
from node.conductor.gathering import GatherDesk
from node.conductor.holders import HolderDesk
from node.conductor.measures import collect_samples
from node.conductor.media_measures import MediaMeasures
from node.conductor.moderation import Moderation
from node.conductor.moves import MoveDesk
from node.conductor.peers import ClientPeers
from node.conductor.people_rtts import PeopleRtts
from node.conductor.permits import check_chat, check_publish
from node.conductor.placement import PlacementDesk
from node.conductor.pumps import pump_engine, pump_queries, pump_relay, pump_sessions
from node.conductor.readiness import degradations_of, outside_of, problems_of, warnings_of
from node.conductor.room_desk import RoomDesk
from node.conductor.stage import Stage
from node.conductor.standing import Standing
from node.conductor.tracks import name_tracks
from node.explain import TrackTracer
from node.http.backend import OpenedSession
from node.reachability import Preflight
from session import AttemptStale
from session.access import caller_of, may_moderate
from session.bans import Bans
from session.invitations import Invitations
from sfu import PreferredTrack
from signalling.client.messages import (
    Answer,
    AskMute,
    Chat,
    ChatHistory,
    Error,
    Join,
    Joined,
    Kick,
    Leave,
    LockRoom,
    Measured,
    Mute,
    Ok,
    ParticipantInfo,
    Prefer,
    Publish,
    Published,
    Trickle,
)
from signalling.errors import ErrorCode, Refused
from signalling.ids import participant_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from accounts import Accounts, Passwords
    from durable import Repository
    from membership import Membership
    from node.conductor.admission import Admission
    from node.conductor.directory import Directory
    from node.conductor.first_links import FirstLinks
    from node.conductor.ports import OtherNodes
    from node.explain import TrackExplained
    from node.http.backend import (
        CloseCause,
        JoinGranted,
        JoinRequest,
        ReadinessProblem,
        Reply,
        RoomRequest,
        Sample,
        SessionSocket,
    )
    from node.http.candidates import CandidateQuery, NodeCandidate, PlacementExplained, PlanShown, SessionPlace
    from node.store_watch import StoreWatch
    from session import ChatHistory as ChatLog
    from session import ClusterKeys, Rooms, SessionRecord, Sessions, Tokens
    from sfu import Engine
    from signalling.client.admission import SessionGrant, SessionRequest
    from signalling.client.messages import ChatPage, Hello, TrackPreference
    from signalling.client.rooms import PlacementPolicy
    from signalling.ids import MessageId, RoomId, SessionId, TrackId


class Conductor:
    """All of the node, as its HTTP side sees it: a :class:`node.http.backend.Backend`."""

    def __init__(
        self,
        *,
        engine: Engine,
        sessions: Sessions,
        admission: Admission,
        keys: ClusterKeys,
        directory: Directory,
        membership: Membership | None,
        relay: OtherNodes | None,
        rooms: Rooms,
        repository: Repository,
        history: ChatLog,
        accounts: Accounts,
        tokens: Tokens,
        pins: Passwords,
        first_links: FirstLinks | None = None,
        store_watch: StoreWatch | None = None,
        placement: PlacementPolicy = "relay",
    ) -> None:
        self._store_watch = store_watch
        self._engine = engine
        self._media = MediaMeasures(engine)
        self._sessions = sessions
        self._admission = admission
        self._keys = keys
        self._membership = membership
        self._relay = relay
        self._first_links = first_links
        self.peers = ClientPeers(engine, sessions.media_of)
        people = PeopleRtts(engine, rooms.sessions_in)
        self.stage = Stage(rooms=rooms, sessions=sessions, peers=self.peers, relay=relay, people=people)
        self.standing = Standing(outside=lambda: outside_of(membership))
        self.accounts = AccountDesk(accounts=accounts, tokens=tokens, sessions=sessions, stage=self.stage)
        self._placement = PlacementDesk(
            directory=directory, stage=self.stage, sessions=sessions, accounts=self.accounts, standing=self.standing
        )
        self.moves = MoveDesk(self.stage, self._placement.candidates_of, self._placement.better, sessions.node)
        self.gathering = GatherDesk(
            stage=self.stage,
            moves=self.moves,
            definitions=sessions.definitions,
            usual=placement,
            view=directory.view,
            rtts=directory.rtts,
            relay=relay,
            own=sessions.node,
        )
        self._placement.heed(self.gathering)
        self.chat = ChatDesk(stage=self.stage, history=history)
        self._repository = repository
        invitations = Invitations(repository, tokens)
        self._entry = Entry(
            sessions=sessions, rooms=rooms, invitations=invitations, pins=pins, may_live_here=directory.may_live_here
        )
        self._moderation = Moderation(
            sessions=sessions, stage=self.stage, relay=relay, url_of=directory.url_of, own=sessions.node
        )
        self.room_desk = RoomDesk(
            caller=self.accounts.caller,
            sessions=sessions,
            stage=self.stage,
            moderation=self._moderation,
            bans=Bans(repository),
            invitations=invitations,
            pins=pins,
            has_home=directory.has_home,
        )
        self._holders = HolderDesk(sessions=sessions, stage=self.stage, relay=relay)
        self.tracer = TrackTracer(engine=engine, rooms=rooms, relay=relay, own=sessions.node)
        self.preflight = (
            None
            if relay is None or membership is None
            else Preflight(view=lambda: membership.view, relay=relay, engine=engine, wall_s=time.time)
        )
        self._rooms = rooms
        self._directory = directory
        self._fresh_tokens = FreshTokens(admission=admission, sessions=sessions, stage=self.stage)

    # --- REST -----------------------------------------------------------------------------

    async def create_session(self, request: SessionRequest) -> SessionGrant:
        """See :class:`node.http.backend.Backend`."""
        self.standing.check_counted()
        claims = None if request.token is None else await self.accounts.user(request.token)
        return self._admission.create_session(request, claims)

    async def join_token(self, session_token: str, room: RoomId, request: JoinRequest) -> JoinGranted:
        """See :class:`node.http.backend.Backend`."""
        claims = self._admission.check_session_token(session_token)
        self._admission.check_join_request(claims, room, request)
        await self.accounts.check(claims.account)
        shown = Shown(invitation=request.invitation, pin=request.pin)
        who = participant_id(room, claims.user, claims.device)
        passed = await self._entry.check(room, who, caller_of(claims), shown)
        return self._admission.join_token(claims, room, request, passed)

    async def chat_page(self, session_token: str, room: RoomId, *, before: MessageId | None, limit: int) -> ChatPage:
        """See :class:`node.http.backend.Backend`."""
        caller = await self.accounts.caller(session_token)
        if caller.session is None or self._rooms.room_of(caller.session) != room:
            raise Refused(ErrorCode.NOT_IN_ROOM, "You have no seat in this room on this node; join it first.")
        return await self._chat_page(caller.session, room, before, limit)

    async def candidates(self, query: CandidateQuery) -> tuple[NodeCandidate, ...]:
        """See :class:`node.http.backend.Backend`."""
        return await self._placement.candidates(query)

    async def session_place(
        self, query: CandidateQuery, wanted: SessionRequest, *, may_go: bool = True
    ) -> SessionPlace:
        """See :class:`node.http.backend.Backend`."""
        return await self._placement.session_place(query, wanted, may_go=may_go)

    async def explain_placement(self, query: CandidateQuery) -> PlacementExplained:
        """See :class:`node.http.backend.Backend`."""
        return await self._placement.explain(query)

    def explain_plan(self, room: RoomId) -> PlanShown | None:
        """Whether the people of a room gather on one node, and why; None where nobody of it sits here."""
        return self._placement.plan(room)

    async def explain_track(self, session_token: str, track: TrackId) -> TrackExplained:
        """See :class:`node.http.backend.Backend`."""
        return await self.tracer.explain_to(await self.accounts.caller(session_token), track)

    async def samples(self) -> tuple[Sample, ...]:
        """See :class:`node.http.backend.Backend`."""
        services = collect_samples(
            engine=self._engine.supervision(),
            sessions=self._sessions.statistics(),
            membership=None if self._membership is None else self._membership.statistics(),
            relay=None if self._relay is None else self._relay.statistics(),
            accounts=self.accounts.statistics(),
            durable=self._repository.statistics(),
            chat=self.chat.statistics(),
            planner=None if self._relay is None else self.gathering.statistics(),
        )
        return services + await self._media.samples()

    def readiness(self) -> tuple[ReadinessProblem, ...]:
        """See :class:`node.http.backend.Backend`."""
        starting = () if self._first_links is None else self._first_links.problems()
        return (*self.standing.problems(), *problems_of(self._engine, self._membership), *starting)

    def warnings(self) -> tuple[ReadinessProblem, ...]:
        """What an operator should know and no client needs to: this node still takes people."""
        return (*self.degradations(), *warnings_of(self._membership))

    def degradations(self) -> tuple[ReadinessProblem, ...]:
        """See :class:`node.http.backend.Backend`."""
        return degradations_of(self._sessions, self._store_watch)

    def jwks(self) -> Mapping[str, object]:
        """See :class:`node.http.backend.Backend`."""
        return self._keys.jwks()

    def member_urls(self) -> tuple[str, ...]:
        """See :class:`node.http.backend.Backend`."""
        return self._directory.member_urls()

    # --- WebSocket ------------------------------------------------------------------------

    async def open_session(self, hello: Hello, socket: SessionSocket) -> OpenedSession:
        """See :class:`node.http.backend.Backend`."""
        claims = self._admission.check_session_token(hello.token)
        await self.accounts.check(claims.account)
        self.standing.check(claims, self._sessions)
        # From here on nothing waits: a session that nobody closes would be left behind.
        record, token = self._admission.open_session(claims)
        self.stage.attach(record.session, socket)
        self._fresh_tokens.given(record.session)
        return OpenedSession(
            session=record.session,
            user=record.user,
            device=record.device,
            node=record.node,
            region=record.region,
            token=token,
        )

    async def handle(self, session: SessionId, request: RoomRequest, reply: Reply) -> None:
        """See :class:`node.http.backend.Backend`."""
        self._holders.heard(session)
        match request:
            case Join():
                await self._join(session, request, reply)
            case Leave():
                self._leave(session, reply)
            case Publish():
                await self._publish(session, request, reply)
            case Answer(generation=generation, sdp=sdp):
                await self.peers.answer(session, generation, sdp)
                reply(Ok())
            case Trickle(peer=peer, candidate=candidate):
                await self.peers.add_candidate(session, peer, candidate)
                reply(Ok())
            case Mute(track=track, muted=muted):
                effects = self._rooms.mute(session, track, muted=muted)
                reply(Ok())
                self.stage.carry_out(effects)
            case Prefer(tracks=tracks):
                self._room(session)
                self.stage.prefer(session, tuple(_as_preferred(track) for track in tracks))
                reply(Ok())
            case Chat():
                check_chat(self._record(session).grants)
                reply(await self.chat.say(session, request))
            case ChatHistory(before=before, limit=limit):
                reply(await self._chat_page(session, self._room(session), before, limit))
            case Kick() | AskMute() | LockRoom():
                await self._moderate(session, request)
                reply(Ok())
            case Measured(rtts_ms=rtts_ms):
                self._room(session)
                self.gathering.measured(session, rtts_ms)
                self.moves.measured(session, rtts_ms)
                reply(Ok())

    def session_closed(self, session: SessionId, cause: CloseCause) -> None:
        """See :class:`node.http.backend.Backend`."""
        self.stage.detach(session)
        self.moves.closed(session)
        self.gathering.closed(session)
        if cause == "ping_timeout":
            self._sessions.socket_timed_out(session)
        else:
            self._sessions.socket_closed(session)

    # --- requests -------------------------------------------------------------------------

    async def _join(self, session: SessionId, join: Join, reply: Reply) -> None:
        record = self._record(session)
        granted = self._admission.check_join(join, record)
        caller = caller_of(record)
        stored = await self.chat.recall(join.room, join.chat_after)
        try:
            shown = Shown(invitation=join.invitation, pin=join.pin)
            admitted = await self._entry.join(session, join.room, join.attempt, caller, shown, granted)
        except AttemptStale as stale:
            reply(Error(code=stale.code, message=stale.message, highest_attempt=stale.highest_attempt))
            return
        # From here to the end nothing waits: nobody sees a seat without its room, or the reverse.
        record = self._record(session)
        me = ParticipantInfo(
            participant=admitted.participant,
            user=record.user,
            name=record.name,
            node=record.node,
            region=record.region,
            tracks=self._rooms.resumable(join.room, admitted.participant),
        )
        self._moderation.room_entered(join.room, session)
        effects = self._rooms.admit(session, join.room, me)
        if me.tracks:
            self.stage.resumption.await_tracks(join.room, me.participant)
        self.moves.joined(session, moves=join.moves)
        self.gathering.joined(session, join)
        known = self._sessions.definitions.known(join.room)
        is_unchecked = self._entry.is_unchecked(session, join.room)
        reasons = (*admitted.degraded, "access") if is_unchecked else admitted.degraded
        missed = self.chat.resume(session, join, stored, is_unchecked=is_unchecked)
        reply(
            Joined(
                room=join.room,
                participant=admitted.participant,
                participants=self._rooms.others(session),
                degraded=bool(reasons),
                degraded_reasons=reasons,
                epoch=admitted.epoch,
                missed=missed.messages,
                missed_more=missed.more,
                moderates=known is not None and may_moderate(known.definition, caller),
                locked=known is not None and known.definition.locked,
            )
        )
        self.stage.carry_out(effects)

    async def _chat_page(self, session: SessionId, room: RoomId, before: MessageId | None, limit: int) -> ChatPage:
        if self._entry.is_unchecked(session, room):
            raise Refused(ErrorCode.STORE_UNAVAILABLE, "Nobody can say yet who may read here; try again in a moment.")
        return await self.chat.page(room, before=before, limit=limit)

    async def _moderate(self, session: SessionId, request: Kick | AskMute | LockRoom) -> None:
        room = self._room(session)
        caller = caller_of(self._record(session))
        match request:
            case Kick(participant=participant, ban_s=ban_s):
                await self.room_desk.kick_by(caller, room, participant, ban_s)
            case AskMute(participant=participant, track=track):
                await self.room_desk.ask_mute_by(caller, room, participant, track)
            case LockRoom(locked=locked):
                await self.room_desk.lock_by(caller, room, locked=locked)

    def _leave(self, session: SessionId, reply: Reply) -> None:
        room = self._room(session)
        self._sessions.leave(session, room)
        effects = self._rooms.remove(session, "left")
        reply(Ok())
        self.stage.carry_out(effects)
        self.stage.forget(session)

    async def _publish(self, session: SessionId, publish: Publish, reply: Reply) -> None:
        record, room = self._record(session), self._room(session)
        check_publish(record.grants, publish)
        owner = participant_id(room, record.user, record.device)
        awaited = self._rooms.awaited(session)
        named = name_tracks(publish.tracks, owner=owner, owner_of=self._rooms.owner_of, awaited=awaited)
        tracks = {mid: info.track for mid, info in named.items()}
        sdp = await self.peers.publish(session, publish.sdp, tracks, room=room, sender=owner)
        if self._rooms.room_of(session) != room:
            # The seat went while the engine worked: what it just built must go as well.
            self.stage.forget(session)
            raise Refused(ErrorCode.NOT_IN_ROOM, "The seat was lost while you published; join again.")
        effects = self._rooms.set_tracks(session, tuple(named.values()))
        reply(Published(sdp=sdp, tracks=tracks))
        self.stage.carry_out(effects)
        self.stage.codecs.published(named.values(), resumed=frozenset(info.track for info in awaited))

    def _record(self, session: SessionId) -> SessionRecord:
        record = self._sessions.record(session)
        if record is None:
            raise Refused(ErrorCode.NOT_IN_ROOM, "This session is over; connect again.")
        return record

    def _room(self, session: SessionId) -> RoomId:
        room = self._rooms.room_of(session)
        if room is None:
            raise Refused(ErrorCode.NOT_IN_ROOM, "You have no seat in a room; join one first.")
        return room

    # --- tasks ----------------------------------------------------------------------------

    def start(self, nursery: trio.Nursery) -> None:
        """Start the conductor's tasks; :func:`open_conductor` does."""
        nursery.start_soon(self.peers.reconcile)
        nursery.start_soon(self._fresh_tokens.keep_fresh)
        nursery.start_soon(self.stage.resumption.keep_time)
        nursery.start_soon(self.moves.keep_time)
        nursery.start_soon(self.gathering.keep_time)
        nursery.start_soon(self.accounts.sweep)
        nursery.start_soon(self.stage.codecs.seconds.keep_time)
        nursery.start_soon(self._entry.settle)
        self._holders.start(nursery)
        self.tracer.start(nursery)
        if self.preflight is not None:
            self.preflight.start(nursery)
        self._moderation.start(nursery)
        queries = None if self._membership is None else self._membership.rooms
        nursery.start_soon(pump_sessions, self._sessions, self.stage, self.moves, self._holders, queries)
        if queries is not None:
            queries.speak_for(self._sessions.rooms_here)
            nursery.start_soon(pump_queries, queries, self._sessions)
        nursery.start_soon(pump_engine, self._engine, self._sessions, self.stage, self.peers, self._relay)
        if self._relay is not None:
            nursery.start_soon(
                pump_relay,
                self._relay,
                self.stage,
                self._holders,
                self._moderation,
                self.tracer,
                self.preflight,
                self.gathering,
            )


@asynccontextmanager
async def open_conductor(conductor: Conductor) -> AsyncIterator[Conductor]:
    """Run the conductor for the length of the block.

    Takes over the event channels of the engine, the session service and the relay: it is their
    one reader.
    """
    async with trio.open_nursery() as nursery:
        conductor.start(nursery)
        yield conductor
        nursery.cancel_scope.cancel()


def _as_preferred(wish: TrackPreference) -> PreferredTrack:
    return PreferredTrack(
        track=wish.track, width=wish.width, height=wish.height, priority=wish.priority, paused=wish.paused
    )
