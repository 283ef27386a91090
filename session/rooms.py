"""Live rooms as this node sees them: a pure core.

Theory of operation. For each room there are our own participants (each with the session that holds
the seat), and what each other node last announced. From these one *view* is computed: every
participant once, wherever and however often it is announced.

- A participant with a seat here is where we say.
- Else it is where it was seen first, until that node no longer announces it. So two nodes that both
  announce somebody in the moment of a move show one person who moves once, in whatever order they are heard.
- Else, when the store said that it moved to a node we have not heard yet, it is there, without tracks.

After every change the new view is compared with the old one, and the differences are told to the
sessions here; what to announce, to want from other nodes and to send to each session follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import msgspec

from session.room_effects import (
    Announce,
    Doubt,
    RoomEffect,
    RoomTrack,
    SayToNodes,
    Subscribe,
    Tell,
    Want,
)
from signalling.client.messages import (
    ChatMessage,
    NodeEvent,
    ParticipantInfo,
    ParticipantJoined,
    ParticipantLeft,
    TrackInfo,
    TrackMuted,
    TrackPublished,
    TrackUnpublished,
)
from signalling.errors import ErrorCode, Refused
from signalling.mesh.link import RoomChat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalling.client.messages import LeaveReason
    from signalling.ids import MessageId, NodeId, ParticipantId, RoomId, SessionId, TrackId

__all__ = ["Rooms"]

MAX_REMEMBERED_CHATS: Final = 256
"""Messages of a room whose repetition is noticed: a client repeats only its last, unacknowledged ones."""

_View: TypeAlias = "dict[ParticipantId, ParticipantInfo]"
_Effects: TypeAlias = "list[RoomEffect]"
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(slots=True)
class _Local:
    """A participant of ours; `listening` once the session that holds the seat was admitted here."""

    session: SessionId
    info: ParticipantInfo
    listening: bool


@dataclass(slots=True)
class _Room:
    room: RoomId
    locals: dict[ParticipantId, _Local] = field(default_factory=dict)
    remotes: dict[NodeId, _View] = field(default_factory=dict)
    located: dict[ParticipantId, NodeId] = field(default_factory=dict)
    moved: _View = field(default_factory=dict)
    view: _View = field(default_factory=dict)
    announced: tuple[ParticipantInfo, ...] = ()
    wanted: tuple[RoomTrack, ...] = ()
    subscribed: dict[SessionId, tuple[RoomTrack, ...]] = field(default_factory=dict)
    own_chats: dict[tuple[ParticipantId, str], tuple[MessageId, int]] = field(default_factory=dict)
    heard_chats: dict[MessageId, None] = field(default_factory=dict)


class Rooms:
    """All live rooms of this node.

    Args:
        node: this node's id.
    """

    def __init__(self, node: NodeId) -> None:
        self._node = node
        self._rooms: dict[RoomId, _Room] = {}
        self._seats: dict[SessionId, tuple[RoomId, ParticipantId]] = {}

    # --- our own participants ---

    def admit(self, session: SessionId, room: RoomId, participant: ParticipantInfo) -> tuple[RoomEffect, ...]:
        """A session took a seat. Its tracks are what `participant` says: pass the old ones on when it resumes them.

        Answer the session with :meth:`others` before anything else happens; later changes are told to it.
        A session of the same participant that sat here is forgotten, and the room sees no difference.
        """
        effects: _Effects = []
        if self._seats.get(session, (room, participant.participant)) != (room, participant.participant):
            effects.extend(self.remove(session, "left"))
        live = self._rooms.setdefault(room, _Room(room))
        before = live.locals.get(participant.participant)
        if before is not None and before.session != session:
            self._seats.pop(before.session, None)
            live.subscribed.pop(before.session, None)
        info = msgspec.structs.replace(participant, node=self._node)
        live.locals[participant.participant] = _Local(session, info, listening=False)
        self._seats[session] = (room, participant.participant)
        self._refresh(live, effects)
        live.locals[participant.participant].listening = True
        self._subscribe(live, effects)
        return tuple(effects)

    def remove(
        self,
        session: SessionId,
        reason: LeaveReason,
        *,
        successor: SessionId | None = None,
        moved_to: NodeId | None = None,
    ) -> tuple[RoomEffect, ...]:
        """A session lost or left its seat; nothing happens when it has none.

        Args:
            session: whose seat it was.
            reason: what the others are told.
            successor: the session here that holds the same participant's seat now and will be admitted.
            moved_to: the node that holds it now.
        """
        seat = self._seats.pop(session, None)
        if seat is None:
            return ()
        effects: _Effects = []
        live = self._rooms[seat[0]]
        live.subscribed.pop(session, None)
        local = live.locals[seat[1]]
        if successor is not None:
            local.session = successor
            local.listening = False
            self._seats[successor] = seat
        else:
            del live.locals[seat[1]]
            if moved_to is not None:
                live.moved[seat[1]] = msgspec.structs.replace(local.info, node=moved_to, tracks=())
        self._refresh(live, effects, reason)
        self._forget_if_empty(live)
        return tuple(effects)

    def set_tracks(self, session: SessionId, tracks: tuple[TrackInfo, ...]) -> tuple[RoomEffect, ...]:
        """All tracks of a session here, replacing what it published before.

        Raises:
            Refused: `not_in_room`.
        """
        live, local = self._local(session)
        local.info = msgspec.structs.replace(local.info, tracks=tracks)
        effects: _Effects = []
        self._refresh(live, effects)
        return tuple(effects)

    def mute(self, session: SessionId, track: TrackId, *, muted: bool) -> tuple[RoomEffect, ...]:
        """A track of a session here fell silent or dark, or came back.

        Raises:
            Refused: `not_in_room` or `track_unknown`.
        """
        _, local = self._local(session)
        if all(known.track != track for known in local.info.tracks):
            raise Refused(ErrorCode.TRACK_UNKNOWN, "You publish no such track.")
        return self.set_tracks(
            session,
            tuple(
                msgspec.structs.replace(known, muted=muted) if known.track == track else known
                for known in local.info.tracks
            ),
        )

    def chat(
        self, session: SessionId, *, nonce: str, text: str, message: MessageId, at_ms: int
    ) -> tuple[MessageId, int, tuple[RoomEffect, ...]]:
        """A session here says something; everybody hears it, itself included.

        Returns:
            The id and time under which it was accepted: those of the first, when it repeats its nonce.

        Raises:
            Refused: `not_in_room`.
        """
        live, local = self._local(session)
        key = (local.info.participant, nonce)
        if key in live.own_chats:
            return (*live.own_chats[key], ())
        live.own_chats[key] = (message, at_ms)
        _bound(live.own_chats)
        chat = RoomChat(
            room=live.room,
            message=message,
            participant=local.info.participant,
            name=local.info.name,
            text=text,
            at_ms=at_ms,
        )
        return message, at_ms, (*self.remote_chat(chat), SayToNodes(chat=chat))

    # --- other nodes ---

    def remote(self, node: NodeId, room: RoomId, participants: tuple[ParticipantInfo, ...]) -> tuple[RoomEffect, ...]:
        """A node announced all its participants of a room, replacing what it said before."""
        effects: _Effects = []
        live = self._rooms.setdefault(room, _Room(room))
        named = {info.participant: msgspec.structs.replace(info, node=node) for info in participants}
        live.remotes.pop(node, None)
        if named:
            live.remotes[node] = named
        # The node speaks for itself now, whatever the store said of it.
        live.moved = {who: info for who, info in live.moved.items() if info.node != node}
        effects.extend(Doubt(session=live.locals[who].session, room=room) for who in named if who in live.locals)
        self._refresh(live, effects)
        self._forget_if_empty(live)
        return tuple(effects)

    def remote_chat(self, chat: RoomChat) -> tuple[RoomEffect, ...]:
        """Somebody on another node said something; a message heard before is not told again."""
        live = self._rooms.get(chat.room)
        if live is None or chat.message in live.heard_chats:
            return ()
        live.heard_chats[chat.message] = None
        _bound(live.heard_chats)
        event = ChatMessage(
            message=chat.message, participant=chat.participant, name=chat.name, text=chat.text, at_ms=chat.at_ms
        )
        return tuple(Tell(session=local.session, event=event) for local in live.locals.values() if local.listening)

    def room_nodes(self, room: RoomId, nodes: frozenset[NodeId]) -> tuple[RoomEffect, ...]:
        """The store's word on where the room lives: whoever was to move to a node outside of it is gone."""
        live = self._rooms.get(room)
        if live is None:
            return ()
        effects: _Effects = []
        live.moved = {who: info for who, info in live.moved.items() if info.node in nodes}
        self._refresh(live, effects, "connection_lost")
        self._forget_if_empty(live)
        return tuple(effects)

    def node_lost(self, node: NodeId) -> tuple[RoomEffect, ...]:
        """A node is gone for good, and with it everybody who is only there."""
        effects: _Effects = []
        for live in tuple(self._rooms.values()):
            live.remotes.pop(node, None)
            live.moved = {who: info for who, info in live.moved.items() if info.node != node}
            self._refresh(live, effects, "node_lost")
            self._forget_if_empty(live)
        return tuple(effects)

    # --- looking ---

    def others(self, session: SessionId) -> tuple[ParticipantInfo, ...]:
        """Everybody in the session's room but itself.

        Raises:
            Refused: `not_in_room`.
        """
        live, local = self._local(session)
        return tuple(info for who, info in live.view.items() if who != local.info.participant)

    def snapshot(self, room: RoomId) -> tuple[ParticipantInfo, ...]:
        """Everybody in a room, wherever they are."""
        live = self._rooms.get(room)
        return () if live is None else tuple(live.view.values())

    def announcement(self, room: RoomId) -> tuple[ParticipantInfo, ...]:
        """What the last :class:`Announce` of the room said, for a link that comes up."""
        live = self._rooms.get(room)
        return () if live is None else live.announced

    def participant(self, session: SessionId) -> ParticipantInfo | None:
        """Who a session here is to the others, with its tracks."""
        seat = self._seats.get(session)
        return None if seat is None else self._rooms[seat[0]].locals[seat[1]].info

    def room_of(self, session: SessionId) -> RoomId | None:
        """The room in which a session sits."""
        seat = self._seats.get(session)
        return None if seat is None else seat[0]

    def owner_of(self, track: TrackId) -> ParticipantId | None:
        """Whose track this is, in whatever room; None when nobody here knows it."""
        for live in self._rooms.values():
            for who, info in live.view.items():
                if any(known.track == track for known in info.tracks):
                    return who
        return None

    def live_rooms(self) -> tuple[RoomId, ...]:
        """Rooms with somebody here."""
        return tuple(live.room for live in self._rooms.values() if live.locals)

    # --- from the old view to the new one ---

    def _local(self, session: SessionId) -> tuple[_Room, _Local]:
        seat = self._seats.get(session)
        if seat is None:
            raise Refused(ErrorCode.NOT_IN_ROOM, "You are in no room; join one first.")
        live = self._rooms[seat[0]]
        return live, live.locals[seat[1]]

    def _forget_if_empty(self, live: _Room) -> None:
        if not live.locals and not live.remotes:
            self._rooms.pop(live.room, None)

    def _refresh(self, live: _Room, effects: _Effects, reason: LeaveReason = "left") -> None:
        before, live.view = live.view, _compute_view(live)
        changes = _differences(before, live.view, reason)
        for who, local in live.locals.items():
            if local.listening:
                effects.extend(Tell(session=local.session, event=event) for other, event in changes if other != who)
        announced = tuple(local.info for local in live.locals.values())
        if announced != live.announced:
            live.announced = announced
            effects.append(Announce(room=live.room, participants=announced))
        wanted = tuple(track for track in _tracks(live.view) if track.node != self._node) if live.locals else ()
        if wanted != live.wanted:
            live.wanted = wanted
            effects.append(Want(room=live.room, tracks=wanted))
        self._subscribe(live, effects)

    def _subscribe(self, live: _Room, effects: _Effects) -> None:
        tracks = _tracks(live.view)
        for who, local in live.locals.items():
            if not local.listening:
                continue
            others = tuple(track for track in tracks if track.participant != who)
            if others != live.subscribed.get(local.session, ()):
                effects.append(Subscribe(session=local.session, room=live.room, tracks=others))
            live.subscribed[local.session] = others


def _compute_view(live: _Room) -> _View:
    """Everybody once; and every track once, whoever else claims it."""
    found: _View = {who: local.info for who, local in live.locals.items()}
    located: dict[ParticipantId, NodeId] = {}
    for node, announced in live.remotes.items():
        for who in announced:
            if who not in located or live.located.get(who) == node:
                located[who] = node
    live.located = located
    for who, node in located.items():
        found.setdefault(who, live.remotes[node][who])
    live.moved = {who: info for who, info in live.moved.items() if who not in found}
    found.update(live.moved)
    return _with_tracks_once(found)


def _with_tracks_once(found: _View) -> _View:
    seen: set[TrackId] = set()
    once: _View = {}
    for who, info in found.items():
        tracks = tuple({track.track: track for track in info.tracks if track.track not in seen}.values())
        seen.update(track.track for track in tracks)
        once[who] = info if tracks == info.tracks else msgspec.structs.replace(info, tracks=tracks)
    return once


def _tracks(view: Mapping[ParticipantId, ParticipantInfo]) -> tuple[RoomTrack, ...]:
    return tuple(
        RoomTrack(track=track.track, participant=who, node=info.node, kind=track.kind)
        for who, info in sorted(view.items())
        for track in info.tracks
    )


def _differences(before: _View, after: _View, reason: LeaveReason) -> list[tuple[ParticipantId, NodeEvent]]:
    """What to tell, and whom it is about."""
    changes: list[tuple[ParticipantId, NodeEvent]] = [
        (who, ParticipantLeft(participant=who, reason=reason)) for who in before if who not in after
    ]
    for who, info in after.items():
        if who not in before:
            changes.append((who, ParticipantJoined(participant=info)))
        elif before[who] != info:
            changes.extend((who, event) for event in _track_changes(who, before[who].tracks, info.tracks))
    return changes


def _track_changes(who: ParticipantId, before: tuple[TrackInfo, ...], after: tuple[TrackInfo, ...]) -> list[NodeEvent]:
    was = {track.track: track for track in before}
    now = {track.track: track for track in after}
    events: list[NodeEvent] = [TrackUnpublished(participant=who, track=track) for track in was if track not in now]
    for track, info in now.items():
        if track not in was:
            events.append(TrackPublished(participant=who, track=info))
        elif was[track].muted != info.muted:
            events.append(TrackMuted(participant=who, track=track, muted=info.muted))
    return events


def _bound(remembered: dict[_Key, _Value]) -> None:
    while len(remembered) > MAX_REMEMBERED_CHATS:
        del remembered[next(iter(remembered))]
