"""The one owner of the three cores: feeds them, carries facts between them, and runs what they ask for.

Plain code without a wait in it. What must be waited for goes through its `Outlets`, and comes back as an
item to take.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, cast

import msgspec
import structlog

from membership import MemberState, NodeAppeared, NodeChanged, NodeGone, NodeState, ViewReset
from relay import rooms as rooms_core
from relay.carriage import Arrived, Carriage, PassOn, Reached, Unreached
from relay.end import LinkEnd, SpanRoom
from relay.envelope import Garbled, open_payload, seal, signature_holds
from relay.events import LegOpen, LinkLost, LinkRenewed, LinkUp, NodeReached, RemoteRoom
from relay.hearsay import understand
from relay.items import AllTried, ChatSaid, GossipHeard, Item, Outlets, Said
from relay.legs import CloseLegIn, CloseLegOut, OpenLegIn, TellLeg, TracksNamed, TracksOffered, TracksWanted, WordHeard
from relay.negotiation import Inspector, Negotiation
from relay.negotiation.effects import (
    CloseEnd,
    ConnectEnd,
    EndRenewed,
    EndRests,
    LinkFell,
    LinkRose,
    NegotiationEffect,
    OpenEnd,
    RereadMembers,
    SendEnvelope,
)
from relay.negotiation.events import (
    DeadlinePassed,
    EndClosed,
    EndHeard,
    EndSuspect,
    EndUp,
    EnvelopeHeard,
    LinksWanted,
    Member,
    MemberLost,
    MemberSeen,
    NegotiationEvent,
)
from relay.negotiation.inspection import LIFETIME_S
from relay.paths import LinkQuality, Traits
from relay.paths import events as paths_core
from relay.rooms import NodeReturned, NodeVanished, RoomLearnt, Rooms, RoomsDeadline, RoomShared, StateHeard, TellRoom
from relay.statement import encode_parts
from relay.steering import Steering, SteeringEffect
from relay.warm import warm_nodes
from sfu.protocol import LinkMeasured, LinkMessage, PeerState
from signalling import cbor
from signalling.cbor import GarbledError
from signalling.mesh import link as words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from membership import ViewMember
    from relay.carriage import CarriageEffect
    from relay.config import RelayConfig
    from relay.hearsay import Hearsay
    from relay.ports import LinkEngine
    from relay.rooms import RoomsEffect
    from signalling.ids import NodeId, PeerId, RoomId

ROUTINE_STATES: Final[Mapping[str, type[EndUp | EndSuspect]]] = {"connected": EndUp, "suspect": EndSuspect}

CARRIED: Final = (
    words.RoomChat,
    words.ChatBefore,
    words.RestrictCodecs,
    words.KickOrder,
    words.MuteOrder,
    words.RoomAltered,
    words.RoomHops,
    words.RoomPlan,
    words.HolderQuestion,
    words.HolderWord,
)
"""What goes by a neighbour where there is no link, beside what is said of rooms."""

STATEMENTS: Final = (
    words.RoomState,
    words.Want,
    words.Unwant,
    words.WantRefused,
    words.LegsTaken,
    words.LinkReports,
)
"""What says how things are: the newest counts. Everything else was said once."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger("relay")


class Owner:
    """The state of the relay."""

    def __init__(
        self,
        *,
        config: RelayConfig,
        boot: int,
        engine: LinkEngine,
        outlets: Outlets,
        wall_s: Callable[[], float],
        random: Random,
    ) -> None:
        self._config = config
        self._engine = engine
        self._outlets = outlets
        self._wall_s = wall_s
        self.inspector = Inspector(cluster=config.cluster, own=config.node_id, verify=signature_holds)
        self.negotiation = Negotiation(
            cluster=config.cluster,
            own=config.node_id,
            boot=boot,
            idle_linger_s=config.idle_linger_s,
            inspector=self.inspector,
            random=random,
        )
        self.rooms = Rooms(forget_after_s=config.forget_after_s)
        self.steering = Steering(own=config.node_id, boot=boot, max_hops=config.max_hops, run=self._run_steering)
        self.legs, self.paths = self.steering.legs, self.steering.paths
        self.carriage = Carriage(own=config.node_id, boot=boot)
        self.ends: dict[PeerId, LinkEnd] = {}
        self.measured: dict[PeerId, LinkMeasured] = {}
        self.wanted: frozenset[NodeId] = frozenset()
        self.oddities: Counter[str] = Counter()
        self._up: dict[NodeId, LinkEnd] = {}
        self._former: dict[NodeId, LinkEnd] = {}
        self._alive: dict[NodeId, int] = {}
        """Living nodes and their incarnations."""
        self._now = 0.0
        self._tried_until = 0.0

    def take(self, item: Item, now: float) -> None:
        """Take in one thing that happened at `now` (monotonic seconds)."""
        self._now = now
        match item:
            case GossipHeard(payload=payload):
                self._hear_gossip(payload)
            case RoomShared():
                self._share(item)
            case TracksWanted():
                self.steering.take(item, now)
            case PeerState(peer=peer, state=state, reason=reason):
                kind = ROUTINE_STATES.get(state)
                self._negotiate(EndClosed(end=peer, reason=reason) if kind is None else kind(end=peer))
                if (node := self._node_on(peer)) is not None:
                    doubt = paths_core.LinkFallen if kind is EndSuspect else paths_core.LinkRisen
                    self.steering.steer(doubt(node=node), now)
                    silent = kind is EndSuspect
                    self._run_rooms(self.rooms.handle(rooms_core.LinkDoubted(node=node, silent=silent), now))
            case LinkMessage(peer=peer, data=data):
                self._hear_link(peer, data)
            case LinkMeasured(peer=peer, rtt_ms=rtt_ms, jitter_ms=jitter_ms, loss=loss):
                if peer in self.ends:
                    self.measured[peer] = item
                if (node := self._node_on(peer)) is not None:
                    quality = LinkQuality(rtt_ms=rtt_ms, jitter_ms=jitter_ms, loss=loss)
                    self.steering.steer(paths_core.LinkMeasured(node=node, quality=quality), now)
            case ChatSaid(chat=chat, nodes=nodes):
                for node in sorted(nodes):
                    self._tell(node, chat)
            case Said(node=node, word=word):
                self._tell(node, word)
            case AllTried(until=until):
                self._tried_until = max(self._tried_until, until)
            case NodeAppeared() | NodeChanged() | NodeGone() | ViewReset():
                self._see_change(item)
            case _ if isinstance(item, NegotiationEvent):
                self._negotiate(item)
            case _:
                # A member that membership refused: no node of ours.
                return
        self._settle_links()

    def pass_deadlines(self, now: float) -> None:
        """Do what is due."""
        self._now = now
        self._negotiate(DeadlinePassed())
        reached = frozenset(node for node in self.rooms.unlinked() if self.paths.way_to(node) is not None)
        self._run_rooms(self.rooms.handle(RoomsDeadline(reached=reached), now))
        self.steering.pass_deadlines(now)
        self._settle_links()

    def next_deadline(self) -> float | None:
        """When `pass_deadlines` must be called at the latest."""
        tried_until = self._tried_until if self._tried_until > self._now else None
        cores = (self.negotiation, self.rooms, self.steering)
        times = (*(core.next_deadline() for core in cores), self.carriage.next_deadline(), tried_until)
        return min((at for at in times if at is not None), default=None)

    # --- gossip -------------------------------------------------------------------------------

    def _hear_gossip(self, payload: bytes) -> None:
        match open_payload(payload):
            case Garbled():
                self.inspector.counts["garbled"] += 1
            case opened:
                late_s = self._wall_s() - opened.envelope.expires_ms / 1000.0
                self._negotiate(EnvelopeHeard(opened=opened, late_s=late_s))

    def _see_change(self, change: NodeAppeared | NodeChanged | NodeGone | ViewReset) -> None:
        match change:
            case NodeAppeared(member=member) | NodeChanged(after=member):
                self._see_member(member)
            case NodeGone(member=member, is_refused=is_refused):
                self._lose_member(member.node_id, is_refused=is_refused)
            case ViewReset(view=view):
                present = {member.node_id: member for member in view.alive()}
                for node in sorted(self._alive.keys() - present.keys()):
                    self._lose_member(node)
                for member in present.values():
                    self._see_member(member)

    def _see_member(self, member: ViewMember) -> None:
        if member.state is not MemberState.ALIVE:
            return
        tags = member.tags
        traits = Traits(
            is_draining=tags.state is NodeState.DRAINING,
            protocol=(tags.protocol_min, tags.protocol_max),
            places=frozenset({tags.region} | ({tags.residency} if tags.residency is not None else set())),
            price_ms=tags.transit_price_ms,
        )
        self.steering.steer(paths_core.NodeSeen(node=member.node_id, traits=traits), self._now)
        if member.node_id == self._config.node_id:
            return
        self._alive[member.node_id] = tags.boot
        facts = Member(
            node=member.node_id,
            boot=tags.boot,
            public_key=tags.public_key,
            is_draining=tags.state is NodeState.DRAINING,
        )
        self._negotiate(MemberSeen(member=facts))
        self._run_rooms(self.rooms.handle(NodeReturned(node=member.node_id), self._now))

    def _lose_member(self, node: NodeId, *, is_refused: bool = False) -> None:
        self._alive.pop(node, None)
        self._negotiate(MemberLost(node=node, is_refused=is_refused))
        self._run_rooms(self.rooms.handle(NodeVanished(node=node), self._now))
        self.steering.steer(paths_core.NodeLost(node=node), self._now)

    # --- links --------------------------------------------------------------------------------

    def _negotiate(self, event: NegotiationEvent) -> None:
        for effect in self.negotiation.handle(event, self._now):
            self._run_negotiation(effect)

    def _run_negotiation(self, effect: NegotiationEffect) -> None:
        match effect:
            case OpenEnd(end=end, node=node, controlling=controlling, lane=lane, beside=beside):
                self.ends[end] = LinkEnd(
                    id=end,
                    node=node,
                    engine=self._engine,
                    deadline_s=self._config.engine_deadline_s,
                    report=self._outlets.report,
                    lane=lane,
                    beside=beside,
                )
                self._outlets.start_end(self.ends[end], controlling)
            case ConnectEnd(end=end):
                self.ends[end].put(effect)
            case CloseEnd(end=end):
                closed = self.ends.pop(end)
                closed.close()
                if self._former.get(closed.node) is closed:
                    del self._former[closed.node]
                self.measured.pop(end, None)
            case SendEnvelope(envelope=envelope):
                expires_ms = int((self._wall_s() + LIFETIME_S) * 1000)
                stamped = msgspec.structs.replace(envelope, expires_ms=expires_ms)
                self._outlets.gossip(seal(stamped, self._config.private_key))
            case RereadMembers():
                self._outlets.reread_members()
            case LinkRose(node=node, end=end, boot=boot, setup_ms=setup_ms):
                self._up[node] = self.ends[end]
                self._outlets.emit(LinkUp(node=node, setup_ms=setup_ms))
                self._run_rooms(self.rooms.handle(rooms_core.LinkRisen(node=node, boot=boot), self._now))
                self.steering.rise(node, self._now)
                self._span_all(node)
            case EndRenewed(node=node, end=end, former=former, boot=boot):
                self._up[node], self._former[node] = self.ends[end], self.ends[former]
                # The legs first: what they say must be the first word.
                self.steering.renew(node, self._now)
                self._run_rooms(self.rooms.handle(rooms_core.LinkRisen(node=node, boot=boot), self._now))
                self._span_all(node)
                self._outlets.emit(LinkRenewed(node=node))
            case EndRests(node=node, end=end):
                self._close_legs(self.ends[end])
            case LinkFell(node=node, reason=reason):
                del self._up[node]
                self.steering.fall(node, self._now)
                self._run_rooms(self.rooms.handle(rooms_core.LinkFallen(node=node), self._now))
                self._outlets.emit(LinkLost(node=node, reason=reason))

    def _close_legs(self, former: LinkEnd) -> None:
        """Those of the link's own end go on."""
        for node, leg in self.legs.incoming():
            if node == former.node:
                former.put(CloseLegIn(node=node, leg=leg))
        for node, leg in self.legs.outgoing():
            if node == former.node:
                former.put(CloseLegOut(node=node, leg=leg))

    def _span_all(self, node: NodeId) -> None:
        for room in self.rooms.rooms_shared_with(node):
            self._span(node, room, spans=True)

    def _settle_links(self) -> None:
        """State which links are needed, if that has changed."""
        warm = warm_nodes(self._config.node_id, self._alive.keys(), self._config.warm_links)
        tried = frozenset(self._alive) if self._tried_until > self._now else frozenset()
        partners = self.rooms.partners()
        wanted = partners | self.legs.partners() | warm | tried
        if wanted != self.wanted:
            self.wanted = wanted
            self._negotiate(LinksWanted(nodes=wanted))
        self._settle_carriage(partners)

    def _settle_carriage(self, needed: frozenset[NodeId]) -> None:
        """See whether there is somebody to whom words must go by another node."""
        linked, alive = self._up.keys(), self._alive.keys()
        if (needed & alive) - linked != self.carriage.known() or self.carriage.next_deadline() <= self._now:
            self._run_carriage(self.carriage.settle(needed, linked, alive, self.paths.neighbours_of, self._now))

    def _run_carriage(self, effects: tuple[CarriageEffect, ...]) -> None:
        for effect in effects:
            match effect:
                case Reached(node=node, boot=boot):
                    self._run_rooms(self.rooms.handle(rooms_core.LinkRisen(node=node, boot=boot), self._now))
                    self._outlets.emit(NodeReached(node=node))
                case Unreached(node=node):
                    self._run_rooms(self.rooms.handle(rooms_core.LinkFallen(node=node), self._now))
                case PassOn(neighbour=neighbour, word=word):
                    self._tell(neighbour, word)
                case Arrived(origin=origin, data=data):
                    self._hear_carried(origin, data)

    # --- what flows over them -----------------------------------------------------------------

    def _share(self, shared: RoomShared) -> None:
        before = self.rooms.shared_with(shared.room)
        self._run_rooms(self.rooms.handle(shared, self._now))
        for node in sorted(before | shared.nodes):
            self.steering.take(TracksOffered(node=node, tracks=self.rooms.tracks_for(node)), self._now)
        after = self.rooms.shared_with(shared.room)
        for node in sorted(before ^ after):
            self._span(node, shared.room, spans=node in after)

    def _span(self, node: NodeId, room: RoomId, *, spans: bool) -> None:
        """Data messages go where the room is shared; a link that comes up later is told then."""
        if (end := self._up.get(node)) is not None:
            end.put(SpanRoom(room=room, spans=spans))

    def _hear_link(self, peer: PeerId, data: bytes) -> None:
        end = self.ends.get(peer)
        if end is None:
            self.oddities["message_on_former_link"] += 1
            return
        is_former = self._former.get(end.node) is end
        if self._up.get(end.node) is not end and not is_former:
            # The far node saw both ends meet before our engine had the time to say so.
            self._negotiate(EndUp(end=peer))
        if not end.has_spoken:
            end.has_spoken = True
            self._negotiate(EndHeard(end=peer))
        if (word := self._decode(end.node, data)) is None:
            return
        if is_former and self._up[end.node].has_spoken and isinstance(word, STATEMENTS):
            # It was under way when the far node said all of it anew on the other end.
            self.oddities["statement_overtaken"] += 1
            return
        match word:
            case words.Carried():
                boots, linked = self._alive, self._up.keys()
                self._run_carriage(self.carriage.hear(end.node, word, linked=linked, boots=boots, now=self._now))
            case words.RoomState():
                self._hear_state(end.node, word)
            case words.ClockQuestion(trace=trace):
                # Answered here and at once: each millisecond that it waits is an error of the asker's.
                self._tell(end.node, words.ClockWord(trace, self._wall_s()))
            case words.Want() | words.Unwant() | words.WantRefused() | words.LegsTaken():
                self.steering.take(WordHeard(node=end.node, word=word), self._now)
            case words.LinkReports(reports=reports):
                self.steering.steer(paths_core.ReportsHeard(node=end.node, reports=reports), self._now)
            case _:
                self._hear_rest(end.node, word)

    def _hear_carried(self, node: NodeId, data: bytes) -> None:
        match self._decode(node, data):
            case None:
                pass
            case words.RoomState() if node in self._up:
                # Newer ones may have come over the link; should it fall, all of it is said anew.
                self.oddities["carried_overtaken"] += 1
            case words.RoomState() as state:
                self._hear_state(node, state)
            case word if isinstance(word, CARRIED):
                self._hear_rest(node, word)
            case _:
                # Legs go from neighbour to neighbour, and what asks for times would measure another way.
                self.oddities["carried_refused"] += 1

    def _decode(self, node: NodeId, data: bytes) -> words.LinkMessage | None:
        try:
            return cbor.decode(
                data, cast("type[words.LinkMessage]", words.LinkMessage), max_bytes=words.MAX_LINK_MESSAGE_BYTES
            )
        except GarbledError as error:
            self.oddities["link_message_garbled"] += 1
            _log.warning("link message garbled", peer=node, reason=str(error))
            return None

    def _hear_state(self, node: NodeId, state: words.RoomState) -> None:
        self._run_rooms(self.rooms.handle(StateHeard(node=node, state=state), self._now))
        named = frozenset(track.track for person in state.participants for track in person.tracks)
        self.steering.take(TracksNamed(node=node, tracks=named), self._now)

    def _hear_rest(self, node: NodeId, word: Hearsay) -> None:
        meant = understand(node, word, rooms=self.rooms, legs=self.legs)
        if isinstance(meant, str):
            self.oddities[meant] += 1
        else:
            self._outlets.emit(meant)

    def _run_rooms(self, effects: tuple[RoomsEffect, ...]) -> None:
        for effect in effects:
            match effect:
                case TellRoom(node=node, state=state):
                    self._tell(node, state)
                case RoomLearnt(node=node, room=room):
                    self._outlets.emit(
                        RemoteRoom(node=node, room=room, participants=effect.participants, is_lost=effect.is_lost)
                    )

    def _run_steering(self, effect: SteeringEffect) -> None:
        end = self._up.get(effect.node)
        if end is None:
            # The link fell in the same moment, and everything on it is gone.
            return
        match effect:
            case TellLeg(node=node, word=word):
                self._tell(node, word)
            case paths_core.TellReports(node=node, reports=reports):
                self._tell(node, words.LinkReports(reports))
            case _:
                end.put(effect)
                if isinstance(effect, CloseLegIn | CloseLegOut) and (former := self._former.get(effect.node)):
                    former.put(effect)
                if isinstance(effect, OpenLegIn):
                    self._outlets.emit(LegOpen(node=effect.node, track=effect.track))

    def _node_on(self, peer: PeerId) -> NodeId | None:
        """The node that an end leads to, if it is the one in use."""
        end = self.ends.get(peer)
        return end.node if end is not None and self._up.get(end.node) is end else None

    def is_linked(self, node: NodeId) -> bool:
        """Whether words go to that node, over a link or by a neighbour."""
        return node in self._up or self.carriage.is_reached(node)

    def _tell(self, node: NodeId, word: words.LinkMessage) -> None:
        end = self._up.get(node)
        if end is None:
            self._send_by_neighbour(node, word)
            return
        parts = encode_parts(word)
        if (largest := max(len(data) for data in parts)) > words.MAX_LINK_MESSAGE_BYTES:
            self.oddities["link_message_too_large"] += 1
            _log.error("link message too large", peer=node, bytes=largest, kind=type(word).__name__)
            return
        for data in parts:
            end.put(data)

    def _send_by_neighbour(self, node: NodeId, word: words.LinkMessage) -> None:
        if not isinstance(word, CARRIED) and not isinstance(word, words.RoomState):
            self.oddities["word_without_link"] += 1
            return
        for data in encode_parts(word, words.MAX_CARRIED_BYTES):
            passed = self.carriage.wrap(node, data, self._now) if len(data) <= words.MAX_CARRIED_BYTES else None
            if passed is None:
                self.oddities["word_without_link"] += 1
                return
            self._tell(passed.neighbour, passed.word)
