"""What changed in a room, carried to everybody it concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import trio

from node.conductor.codecs import CodecDesk
from node.conductor.resumption import ResumptionDesk
from session import Announce, Doubt, SayToNodes, Subscribe, Tell, Want
from sfu import WantedTrack
from signalling.client.messages import Offer, TrackOnMid
from signalling.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from node.conductor.peers import ClientPeers
    from node.conductor.people_rtts import PeopleRtts
    from node.conductor.ports import OtherNodes
    from node.http.backend import SessionSocket
    from session import RoomEffect, Rooms, RoomTrack, Sessions
    from sfu import Offered, PreferredTrack
    from signalling.client.messages import NodeEvent, TrackSource
    from signalling.errors import ErrorCode
    from signalling.ids import NodeId, RoomId, SessionId, TrackId

SHARED: Final[frozenset[TrackSource]] = frozenset({"screen", "screen_audio"})
"""Sources of a shared screen, which is no more in step with who shares it than a window is."""


class Stage:
    """The live rooms of this node and the ways from them: sockets, engine, relay.

    Args:
        rooms: Decides who sees whom.
        sessions: Is asked when another node claims somebody who sits here.
        peers: Takes what each client is to receive.
        relay: Takes what other nodes are to know and to send; None on a node without a mesh.
        people: Knows how far people are, for whoever asks where they should go.
    """

    def __init__(
        self, *, rooms: Rooms, sessions: Sessions, peers: ClientPeers, relay: OtherNodes | None, people: PeopleRtts
    ) -> None:
        self.rooms = rooms
        self.people = people
        self.resumption = ResumptionDesk(self)
        self.codecs = CodecDesk(stage=self, limits=sessions.media_of, relay=relay)
        self._sessions = sessions
        self._peers = peers
        self._relay = relay
        self._sockets: dict[SessionId, SessionSocket] = {}
        # What each session is sent, and how it would like to be.
        self._sent: dict[SessionId, dict[TrackId, RoomTrack]] = {}
        self._wishes: dict[SessionId, tuple[PreferredTrack, ...]] = {}
        self._stored: dict[RoomId, frozenset[NodeId]] = {}
        self._heard: dict[RoomId, set[NodeId]] = {}
        self._definition_changed: Callable[[RoomId], None] = lambda _room: None
        self._ahead: dict[str, dict[RoomId, frozenset[NodeId]]] = {}

    # --- sockets --------------------------------------------------------------------------

    def attach(self, session: SessionId, socket: SessionSocket) -> None:
        """A socket carries this session now."""
        self._sockets[session] = socket

    def detach(self, session: SessionId) -> None:
        """Its socket is gone; what is said to it from now on is lost."""
        self._sockets.pop(session, None)

    def show_out(self, session: SessionId, code: ErrorCode, message: str) -> None:
        """End a session: out of its room at once, as if it had left, and off its socket with these last words."""
        room = self.rooms.room_of(session)
        if room is not None:
            try:
                self._sessions.leave(session, room)
            except Refused:
                # The seat was lost a moment ago; what the session service says of it takes them out of the room.
                pass
            else:
                self.carry_out(self.rooms.remove(session, "left"))
                self.forget(session)
        socket = self._sockets.get(session)
        if socket is not None:
            socket.end(code, message)

    def tell(self, session: SessionId, event: NodeEvent) -> None:
        """Say something to one client, if it can hear us."""
        socket = self._sockets.get(session)
        if socket is not None:
            socket.send(event)

    def is_attached(self, session: SessionId) -> bool:
        """Whether a socket carries this session."""
        return session in self._sockets

    async def is_there(self, session: SessionId, within_s: float) -> bool:
        """Ping one client; say whether it answered in so many seconds."""
        socket = self._sockets.get(session)
        if socket is None:
            await trio.lowlevel.checkpoint()
            return False
        return await socket.is_there(within_s)

    def limits_changed(self, room: RoomId) -> None:
        """What is forwarded in a room may be another thing now."""
        self._peers.restate_limits(room)
        self._want(room)
        self._definition_changed(room)

    def watch_definitions(self, changed: Callable[[RoomId], None]) -> None:
        """Call this with every room whose definition is another one; one part of the node does."""
        self._definition_changed = changed

    def tell_room(self, room: RoomId, event: NodeEvent) -> None:
        """Say something to every client here that sits in the room."""
        for session in self.rooms.sessions_in(room):
            self.tell(session, event)

    def tell_all(self, event: NodeEvent) -> None:
        """Say something to every client that sits in a room."""
        for session, socket in tuple(self._sockets.items()):
            if self.rooms.room_of(session) is not None:
                socket.send(event)

    def offer(self, session: SessionId, offered: Offered) -> None:
        """Pass the engine's offer on, with whose each track is."""
        sent = self._sent.get(session, {})
        tracks = tuple(
            TrackOnMid(mid=mid, track=sent[track].known_as, participant=sent[track].participant)
            for mid, track in offered.tracks.items()
            if track in sent
        )
        self.tell(session, Offer(sdp=offered.sdp, generation=offered.generation, tracks=tracks))

    def prefer(self, session: SessionId, wishes: tuple[PreferredTrack, ...]) -> None:
        """A client would like to be sent its tracks like this, by the ids that it knows them under."""
        self._wishes[session] = wishes
        self._state_wishes(session)

    def _state_wishes(self, session: SessionId) -> None:
        sent = {item.known_as: item.track for item in self._sent.get(session, {}).values()}
        wishes = self._wishes.get(session, ())
        named = tuple(msgspec.structs.replace(wish, track=sent.get(wish.track, wish.track)) for wish in wishes)
        self._peers.prefer(session, named)

    # --- where a room lives ---------------------------------------------------------------

    def nodes_of(self, room: RoomId) -> frozenset[NodeId]:
        """The other nodes on which the room lives: as the store says, and as they say themselves."""
        return self._stored.get(room, frozenset()) | frozenset(self._heard.get(room, ()))

    def room_is_stored_on(self, room: RoomId, nodes: frozenset[NodeId]) -> None:
        """The store named the room's other nodes."""
        if nodes:
            self._stored[room] = nodes
        else:
            self._stored.pop(room, None)
        self.carry_out(self.rooms.room_nodes(room, nodes))
        self._share(room)

    def room_is_heard_from(self, room: RoomId, node: NodeId, *, lives: bool) -> None:
        """A node said over its link that the room lives there, or no longer does.

        One that is new to the room could not hear what was said here before.
        """
        heard = self._heard.setdefault(room, set())
        before = node in heard
        if lives:
            heard.add(node)
        else:
            heard.discard(node)
        if not heard:
            del self._heard[room]
        if before != lives:
            self._share(room)
            if lives:
                self._tell_before(room, node)

    def share_ahead(self, targets: Mapping[RoomId, frozenset[NodeId]], *, of: str = "drain") -> None:
        """Let nodes know rooms that are about to live there: who comes there then finds everybody, and their tracks.

        Replaces what the same part of the node said before.
        """
        before, self._ahead[of] = self._ahead.get(of, {}), dict(targets)
        for room in before.keys() | targets.keys():
            self._share(room)

    def link_is_up(self, node: NodeId) -> None:
        """A node can be told again what it could not hear of the rooms that it was in all the time."""
        for room, nodes in tuple(self._heard.items()):
            if node in nodes:
                self._tell_before(room, node)

    def _tell_before(self, room: RoomId, node: NodeId) -> None:
        chats = self.rooms.talk.ours(room)
        if chats and self._relay is not None:
            self._relay.send_chat_before(node, room, chats)

    def _share(self, room: RoomId) -> None:
        if self._relay is not None:
            nodes = self.nodes_of(room).union(*(ahead.get(room, ()) for ahead in self._ahead.values()))
            self._relay.share_room(room, nodes, self.rooms.announcement(room))

    def _want(self, room: RoomId) -> None:
        if self._relay is not None:
            wanted = self.rooms.wanted(room)
            places = self._sessions.residency_of(room)
            self._relay.want_tracks(room, {item.track: (item.node, item.kind) for item in wanted}, places)

    # --- effects --------------------------------------------------------------------------

    def carry_out(self, effects: Iterable[RoomEffect]) -> None:
        """Carry each effect to where it belongs, in order."""
        for effect in effects:
            match effect:
                case Tell(session=session, event=event):
                    self.tell(session, event)
                case Subscribe(session=session, room=room, participant=participant, tracks=tracks):
                    if not self._may_subscribe(session):
                        # Without a peer connection there are no data messages either.
                        continue
                    self._sent[session] = {item.track: item for item in tracks}
                    wanted = tuple(
                        WantedTrack(track=item.track, kind=item.kind, stream=_played_with(item)) for item in tracks
                    )
                    self._peers.receive(session, room, participant, wanted)
                    self._state_wishes(session)
                case Announce(room=room):
                    self._share(room)
                case Want(room=room):
                    self._want(room)
                case SayToNodes(chat=chat) if self._relay is not None:
                    self._relay.send_chat(chat, self.nodes_of(chat.room))
                case Doubt(session=session, room=room):
                    self._sessions.check_seat(session, room)
                case SayToNodes():
                    # Without a mesh there are no other nodes to tell.
                    continue

    def _may_subscribe(self, session: SessionId) -> bool:
        record = self._sessions.record(session)
        return record is not None and record.grants.subscribe

    def forget(self, session: SessionId) -> None:
        """The session has no seat any more: its peer connections end."""
        self._sent.pop(session, None)
        self._wishes.pop(session, None)
        self._peers.forget(session)
        self.codecs.forget(session)


def _played_with(track: RoomTrack) -> str:
    """Name what a track is played in step with: the microphone with the camera, a screen with its own sound."""
    return f"{track.participant}-screen" if track.source in SHARED else track.participant
