"""Live rooms as this node sees them: a pure core.

Theory of operation. For each room there are our own participants (each with the session that holds
the seat), and what each other node last announced. From these one *view* is computed: every
participant once, wherever and however often it is announced.

- A participant with a seat here is where we say.
- Else it is where it was seen first, until that node no longer announces it. So two nodes that both
  announce somebody in the moment of a move show one person who moves once, in whatever order they are heard.
- Else, when the store said that it moved to a node we have not heard yet, it is there, with the tracks it had.

Who comes back, here or from another node, goes on with the tracks that the room knows of. They are *awaited* until
the new session publishes them, or until its time for that is over (:meth:`Rooms.give_up_awaited`).

After every change the new view is compared with the old one, and the differences are told to the
sessions here; what to announce, to want from other nodes and to send to each session follows from it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from session.alternatives import alternatives_of, as_told, tracks_of
from session.hearing import Hearing
from session.room_effects import (
    Announce,
    Doubt,
    RoomEffect,
    RoomTrack,
    Subscribe,
    Tell,
    Want,
)
from session.room_speakers import heard_now
from session.room_talk import RoomTalk
from session.room_view import (
    FoundTrack,
    LiveRoom,
    Local,
    changes_of_place,
    compute_view,
    differences,
    info_in_place,
)
from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from session.room_view import View
    from session.room_visits import Seen
    from signalling.client.messages import LeaveReason, ParticipantInfo, TrackInfo
    from signalling.ids import NodeId, ParticipantId, RoomId, SessionId, TrackId

__all__ = ["Rooms"]


def wall_clock_ms() -> int:
    """Milliseconds since 1970, by this node's clock."""
    return time.time_ns() // 1_000_000


_Effects: TypeAlias = "list[RoomEffect]"


class Rooms:
    """All live rooms of this node.

    Args:
        node: this node's id.
        now_ms: milliseconds since 1970.

    Attributes:
        talk: what is said in them.
    """

    def __init__(self, node: NodeId, *, now_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._node = node
        self._now_ms = now_ms
        self._rooms: dict[RoomId, LiveRoom] = {}
        self._seats: dict[SessionId, tuple[RoomId, ParticipantId]] = {}
        self.talk = RoomTalk(node, rooms=self._rooms, find_local=self._local, now_ms=now_ms)

    # --- our own participants ---

    def admit(self, session: SessionId, room: RoomId, participant: ParticipantInfo) -> tuple[RoomEffect, ...]:
        """A session took a seat. Its tracks are what `participant` says: pass on those of :meth:`resumable`.

        They are awaited from this session. Answer it with :meth:`others` before anything else happens; later changes
        are told to it. A session of the same participant that sat here is forgotten, and the room sees no difference.
        """
        effects: _Effects = []
        if self._seats.get(session, (room, participant.participant)) != (room, participant.participant):
            effects.extend(self.remove(session, "left"))
        live = self._rooms.setdefault(room, LiveRoom(room))
        before = live.locals.get(participant.participant)
        if before is not None and before.session != session:
            self._seats.pop(before.session, None)
            live.forget(before.session)
        now_ms = self._now_ms()
        since_ms = live.visits.since(participant.participant, now_ms)
        info = msgspec.structs.replace(participant, node=self._node, since_ms=since_ms)
        awaited = frozenset(track.track for track in info.tracks)
        hearing = Hearing(now_ms, self._node)
        live.locals[participant.participant] = Local(session, info, listening=False, hearing=hearing, awaited=awaited)
        self._seats[session] = (room, participant.participant)
        self._refresh(live, effects)
        live.locals[participant.participant].listening = True
        self._subscribe(live, effects)
        if (heard := heard_now(live)).speakers:
            effects.append(Tell(session=session, event=heard))
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
        live.forget(session)
        local = live.locals[seat[1]]
        if successor is not None:
            local.session = successor
            local.listening = False
            self._seats[successor] = seat
        else:
            del live.locals[seat[1]]
            if moved_to is not None:
                live.moved[seat[1]] = msgspec.structs.replace(local.info, node=moved_to)
        if not live.locals:
            live.speakers = ()  # nobody is listened to on behalf of nobody
        self._refresh(live, effects, reason)
        self._forget_if_empty(live)
        return tuple(effects)

    def set_tracks(self, session: SessionId, tracks: tuple[TrackInfo, ...]) -> tuple[RoomEffect, ...]:
        """All tracks of a session here, replacing what it published before; what is awaited stays beside them.

        Raises:
            Refused: `not_in_room`.
        """
        live, local = self._local(session)
        local.publish(tracks)
        return self._refreshed(live)

    def give_up_awaited(self, room: RoomId, participant: ParticipantId) -> tuple[RoomEffect, ...]:
        """What came back with nobody, here or on a node that was not heard since, is gone."""
        if (live := self._rooms.get(room)) is None:
            return ()
        if (local := live.locals.get(participant)) is not None:
            local.give_up_awaited()
        if (moved := live.moved.get(participant)) is not None:
            live.moved[participant] = msgspec.structs.replace(moved, tracks=())
        return self._refreshed(live)

    def choose_alternatives(self, session: SessionId, tracks: frozenset[TrackId]) -> tuple[RoomEffect, ...]:
        """A session here plays the alternatives of these tracks, where there are any, and of no others."""
        seat = self._seats.get(session)
        if seat is None:
            return ()
        live = self._rooms[seat[0]]
        live.chosen[session] = tracks
        return self._refreshed(live)

    def mute(self, session: SessionId, track: TrackId, *, muted: bool) -> tuple[RoomEffect, ...]:
        """A track of a session here fell silent or dark, or came back.

        Raises:
            Refused: `not_in_room` or `track_unknown`.
        """
        live, local = self._local(session)
        if all(known.track != track for known in local.info.tracks):
            raise Refused(ErrorCode.TRACK_UNKNOWN, "You publish no such track.")
        local.mute(track, muted=muted)
        return self._refreshed(live)

    # --- other nodes ---

    def remote(
        self, node: NodeId, room: RoomId, participants: tuple[ParticipantInfo, ...], *, is_lost: bool = False
    ) -> tuple[RoomEffect, ...]:
        """A node announced all its participants of a room, replacing what it said before; none when it is lost."""
        effects: _Effects = []
        live = self._rooms.setdefault(room, LiveRoom(room))
        named = {info.participant: msgspec.structs.replace(info, node=node) for info in participants}
        if named:
            live.remotes[node] = named
        else:
            live.remotes.pop(node, None)
        # The node speaks for itself now, whatever the store said of it.
        live.moved = {who: info for who, info in live.moved.items() if info.node != node}
        effects.extend(Doubt(session=live.locals[who].session, room=room) for who in named if who in live.locals)
        self._refresh(live, effects, "node_lost" if is_lost else "left")
        self._forget_if_empty(live)
        return tuple(effects)

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

    # --- looking ---

    def others(self, session: SessionId) -> tuple[ParticipantInfo, ...]:
        """Everybody in the session's room but itself.

        Raises:
            Refused: `not_in_room`.
        """
        live, local = self._local(session)
        return tuple(
            as_told(info_in_place(live, info)) for who, info in live.view.items() if who != local.info.participant
        )

    def snapshot(self, room: RoomId) -> tuple[ParticipantInfo, ...]:
        """Everybody in a room, wherever they are."""
        live = self._rooms.get(room)
        return () if live is None else tuple(live.view.values())

    def last_seen(self, room: RoomId) -> tuple[Seen, ...]:
        """Who was in a room and left it, the last one first; forgotten with the room when nobody is left."""
        live = self._rooms.get(room)
        return () if live is None else live.visits.last_seen()

    def announcement(self, room: RoomId) -> tuple[ParticipantInfo, ...]:
        """What the last :class:`Announce` of the room said, for a link that comes up."""
        live = self._rooms.get(room)
        return () if live is None else live.announced

    def wanted(self, room: RoomId) -> tuple[RoomTrack, ...]:
        """What the last :class:`Want` of the room said."""
        live = self._rooms.get(room)
        return () if live is None else live.wanted

    def participant(self, session: SessionId) -> ParticipantInfo | None:
        """Who a session here is to the others, with its tracks."""
        seat = self._seats.get(session)
        return None if seat is None else self._rooms[seat[0]].locals[seat[1]].info

    def resumable(self, room: RoomId, participant: ParticipantId) -> tuple[TrackInfo, ...]:
        """What the room sees of this participant, wherever it was last: with this it goes on when it comes back."""
        live = self._rooms.get(room)
        info = None if live is None else live.view.get(participant)
        return () if info is None else info.tracks

    def awaited(self, session: SessionId) -> tuple[TrackInfo, ...]:
        """Tracks of a session here that an earlier one published and it has not yet.

        Raises:
            Refused: `not_in_room`.
        """
        _, local = self._local(session)
        return tuple(track for track in local.info.tracks if track.track in local.awaited)

    def sitting(self, room: RoomId, participant: ParticipantId) -> SessionId | None:
        """The session here that is this participant of the room."""
        live = self._rooms.get(room)
        local = None if live is None else live.locals.get(participant)
        return None if local is None else local.session

    def sessions_in(self, room: RoomId) -> tuple[SessionId, ...]:
        """All sessions here that sit in the room."""
        live = self._rooms.get(room)
        return () if live is None else tuple(local.session for local in live.locals.values())

    def room_of(self, session: SessionId) -> RoomId | None:
        """The room in which a session sits."""
        seat = self._seats.get(session)
        return None if seat is None else seat[0]

    def find_track(self, track: TrackId) -> FoundTrack | None:
        """Whose track this is, in whatever room; None when nobody here knows it."""
        for live in self._rooms.values():
            for who, info in live.view.items():
                for known in info.tracks:
                    if known.track == track:
                        local = live.locals.get(who)
                        session = None if local is None else local.session
                        return FoundTrack(room=live.room, owner=info, track=known, session=session)
        return None

    def alternative_of(self, track: TrackId) -> TrackId | None:
        """As what this track is sent once more, in another codec."""
        found = self.find_track(track)
        return None if found is None else alternatives_of(found.owner).get(track)

    def played_as(self, session: SessionId, track: TrackId) -> TrackId | None:
        """Which track a session here is sent as this one: itself, or its alternative; None when it is sent neither."""
        seat = self._seats.get(session)
        sent = () if seat is None else self._rooms[seat[0]].subscribed.get(session, ())
        return next((each.track for each in sent if each.known_as == track), None)

    def owner_of(self, track: TrackId) -> ParticipantId | None:
        """Whose track this is, in whatever room; None when nobody here knows it."""
        found = self.find_track(track)
        return None if found is None else found.owner.participant

    def speak(self, room: RoomId, levels: Iterable[tuple[TrackId, int]]) -> tuple[RoomEffect, ...]:
        """These tracks are heard in the room now, the loudest first, at these levels in dB; nobody else is."""
        live = self._rooms.get(room)
        if live is None:
            return ()
        live.speakers = tuple(levels)
        event = heard_now(live)
        return tuple(Tell(session=local.session, event=event) for local in live.locals.values() if local.listening)

    def silence(self) -> tuple[RoomEffect, ...]:
        """Nobody is heard in any room: who listened is gone, and the next one tells only of those who speak."""
        spoken = [live.room for live in self._rooms.values() if live.speakers]
        return tuple(effect for room in spoken for effect in self.speak(room, ()))

    def live_rooms(self) -> tuple[RoomId, ...]:
        """Rooms with somebody here."""
        return tuple(live.room for live in self._rooms.values() if live.locals)

    # --- from the old view to the new one ---

    def _local(self, session: SessionId) -> tuple[LiveRoom, Local]:
        seat = self._seats.get(session)
        if seat is None:
            raise Refused(ErrorCode.NOT_IN_ROOM, "You are in no room; join one first.")
        live = self._rooms[seat[0]]
        return live, live.locals[seat[1]]

    def _forget_if_empty(self, live: LiveRoom) -> None:
        if not live.locals and not live.remotes:
            self._rooms.pop(live.room, None)

    def _refreshed(self, live: LiveRoom) -> tuple[RoomEffect, ...]:
        effects: _Effects = []
        self._refresh(live, effects)
        return tuple(effects)

    def _refresh(self, live: LiveRoom, effects: _Effects, reason: LeaveReason = "left") -> None:
        before, live.view = live.view, compute_view(live)
        self._note_visits(live, before)
        changes = differences(before, live.view, reason) + changes_of_place(live)
        for who, local in live.locals.items():
            if local.listening:
                effects.extend(Tell(session=local.session, event=event) for other, event in changes if other != who)
        announced = tuple(local.info for local in live.locals.values())
        if announced != live.announced:
            live.announced = announced
            effects.append(Announce(room=live.room, participants=announced))
        choices = {live.chosen.get(local.session, frozenset()): None for local in live.locals.values()}
        played = dict.fromkeys(track for choice in choices for track in tracks_of(live.view, choice))
        wanted = tuple(track for track in played if track.node != self._node)
        if wanted != live.wanted:
            live.wanted = wanted
            effects.append(Want(room=live.room, tracks=wanted))
        self._subscribe(live, effects)

    def _note_visits(self, live: LiveRoom, before: View) -> None:
        for who, info in before.items():
            if who not in live.view:
                live.visits.left(info, self._now_ms())
        for elsewhere in live.remotes.values():
            for who, info in elsewhere.items():
                if live.view[who].node != info.node:
                    live.visits.is_here(info)  # seen at another place, and perhaps known there for longer
        for who, info in live.view.items():
            since_ms = live.visits.is_here(info)
            if since_ms != info.since_ms:
                live.view[who] = msgspec.structs.replace(info, since_ms=since_ms)
            if (local := live.locals.get(who)) is not None and local.info.since_ms != since_ms:
                local.info = msgspec.structs.replace(local.info, since_ms=since_ms)

    def _subscribe(self, live: LiveRoom, effects: _Effects) -> None:
        common = tracks_of(live.view)
        for who, local in live.locals.items():
            if not local.listening:
                continue
            chosen = live.chosen.get(local.session)
            tracks = tracks_of(live.view, chosen) if chosen else common
            others = tuple(track for track in tracks if track.participant != who)
            # The first time also where there is nothing to send: data messages come without tracks.
            if others != live.subscribed.get(local.session):
                effects.append(Subscribe(session=local.session, room=live.room, participant=who, tracks=others))
            live.subscribed[local.session] = others
