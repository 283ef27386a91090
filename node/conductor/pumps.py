"""What the other services report, brought to the stage: one task for each source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from node.client_peer import session_of
from relay import (
    ClockTold,
    HolderAsked,
    HolderTold,
    LegOpen,
    LinkLost,
    LinkRenewed,
    LinkUp,
    NodeReached,
    ReachAsked,
    ReachTold,
    RemoteChat,
    RemoteChatBefore,
    RemoteOrder,
    RemotePlan,
    RemoteRestriction,
    RemoteRoom,
    TraceAsked,
    TraceTold,
)
from session import AskHolder, AskMesh, RoomNodes, SeatLost
from sfu import (
    EngineStarted,
    LayersWanted,
    LinkMeasured,
    LinkMessage,
    Offered,
    PeerState,
    Speakers,
    TrackRefused,
    TrackStarted,
)
from signalling.client.messages import Layers, Restart

if TYPE_CHECKING:
    from node.conductor.gathering import GatherDesk
    from node.conductor.holders import HolderDesk
    from node.conductor.moderation import Moderation
    from node.conductor.moves import MoveDesk
    from node.conductor.peers import ClientPeers
    from node.conductor.ports import OtherNodes, RoomQueries
    from node.conductor.stage import Stage
    from node.explain import TrackTracer
    from node.reachability import Preflight
    from session import Sessions
    from sfu import Engine
    from signalling.ids import NodeId

_LOG = structlog.get_logger("conductor")


async def pump_sessions(
    sessions: Sessions, stage: Stage, moves: MoveDesk, holders: HolderDesk, queries: RoomQueries | None
) -> None:
    """Seats that ended unasked or are wanted, and the nodes a room lives on. Runs as long as the service."""
    async for event in sessions.events:
        match event:
            case SeatLost():
                moves.seat_lost(event)
            case RoomNodes(room=room, nodes=nodes):
                stage.room_is_stored_on(room, nodes)
            case AskHolder():
                holders.find_out(event)
            case AskMesh(room=room):
                if queries is not None:
                    queries.ask(room)


async def pump_queries(queries: RoomQueries, sessions: Sessions) -> None:
    """Where other nodes say that a room lives, while the store is away. Runs as long as the service."""
    async for found in queries.found:
        _LOG.info("room_found", room=found.room, nodes=sorted(found.nodes))
        sessions.room_heard(found.room, found.nodes)


async def pump_relay(
    relay: OtherNodes,
    stage: Stage,
    holders: HolderDesk,
    moderation: Moderation,
    tracer: TrackTracer,
    preflight: Preflight | None,
    gathering: GatherDesk,
) -> None:
    """What other nodes say of their rooms. Runs as long as the service."""
    async for event in relay.events:
        match event:
            case RemoteRoom(node=node, room=room, participants=participants):
                stage.carry_out(stage.rooms.remote(node, room, participants, is_lost=event.is_lost))
                stage.room_is_heard_from(room, node, lives=bool(participants))
                if participants:
                    stage.codecs.published_over_there(node, room)
                else:
                    stage.codecs.forget_node(node, room)
            case RemoteRestriction(node=node, track=track, codecs=codecs):
                stage.codecs.refused_over_there(node, track, codecs)
            case RemoteOrder():
                moderation.carry_out(event)
            case RemotePlan():
                gathering.heard(event)
            case HolderAsked():
                holders.answer(event)
            case HolderTold():
                holders.told(event)
            case ReachAsked():
                if preflight is not None:
                    preflight.answer(event)
            case ReachTold() | ClockTold():
                if preflight is not None:
                    preflight.told(event)
            case TraceAsked():
                tracer.answer(event)
            case TraceTold():
                tracer.told(event)
            case RemoteChat(chat=chat):
                stage.carry_out(stage.rooms.talk.hear(chat))
            case RemoteChatBefore(room=room, chats=chats):
                stage.carry_out(stage.rooms.talk.hear_late(room, chats))
            case LinkUp(node=node, setup_ms=setup_ms):
                _LOG.info("link_up", peer=node, setup_ms=round(setup_ms, 1))
                _say_again(node, stage, gathering)
                if preflight is not None:
                    preflight.link_rose()
            case LinkRenewed(node=node):
                _LOG.info("link_renewed", peer=node)
                # What was said last went into the former link, whose path may be gone for good.
                _say_again(node, stage, gathering)
            case NodeReached(node=node):
                _LOG.info("node_reached_by_another", peer=node)
                _say_again(node, stage, gathering)
            case LinkLost(node=node, reason=reason):
                _LOG.warning("link_lost", peer=node, reason=reason)
            case LegOpen(node=node, track=track):
                _LOG.debug("leg_open", peer=node, track=track)


def _say_again(node: NodeId, stage: Stage, gathering: GatherDesk) -> None:
    """Words go to the node from now on, or go another way: what is said once may not have come."""
    stage.link_is_up(node)
    gathering.link_is_up(node)


async def pump_engine(
    engine: Engine, sessions: Sessions, stage: Stage, peers: ClientPeers, relay: OtherNodes | None
) -> None:
    """What happens to peers and links. Never waits for the engine itself; runs as long as the service."""
    async for event in engine.events:
        match event:
            case EngineStarted(epoch=epoch):
                _LOG.info("engine_started", epoch=epoch, addresses=event.addresses)
                # Before the new peers' offers, so that no client takes one for the old engine's.
                if epoch > 1:
                    stage.tell_all(Restart(epoch=epoch))
                    stage.carry_out(stage.rooms.silence())
                peers.restate_all()
                if relay is not None:
                    relay.handle_engine_started(epoch)
            case Offered(peer=peer):
                session = session_of(peer)
                if session is not None:
                    stage.offer(session, event)
            case PeerState(peer=peer, state=state, reason=reason) if (session := session_of(peer)) is not None:
                _LOG.debug("peer_state", session=session, peer=peer, state=state, reason=reason)
                if state == "closed":
                    sessions.peer_closed(session)
                    # The seat stays with the socket; the client builds both connections anew.
                    if peers.rebuild(peer):
                        stage.tell(session, Restart(epoch=engine.epoch))
            case LayersWanted(peer=peer, track=track):
                session = session_of(peer)
                if session is not None:
                    stage.tell(session, Layers(track=track, encodings=event.encodings, spatial=event.spatial))
            case Speakers(room=room, speakers=speakers):
                stage.carry_out(stage.rooms.speak(room, ((each.track, each.level_db) for each in speakers)))
            case TrackRefused(peer=peer):
                session = session_of(peer)
                if session is not None:
                    stage.codecs.refused(session, event)
            case TrackStarted(track=track, codec=codec):
                _LOG.debug("track_started", track=track, codec=codec)
            case PeerState() | LinkMessage() | LinkMeasured() if relay is not None:
                relay.handle_engine_event(event)
            case _:
                # An event about a link on a node without a mesh: there are no links to tell about.
                continue
