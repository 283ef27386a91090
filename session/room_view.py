"""What there is to see in a room, from what is known of it; and what changed from one view to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from session.alternatives import as_told, told_tracks
from session.chat import Conversation
from session.room_visits import Visits
from signalling.client.messages import (
    NodeEvent,
    ParticipantChanged,
    ParticipantInfo,
    ParticipantJoined,
    ParticipantLeft,
    TrackInfo,
    TrackMuted,
    TrackPublished,
    TrackUnpublished,
)

if TYPE_CHECKING:
    from session.hearing import Hearing
    from session.room_effects import RoomTrack
    from signalling.client.messages import LeaveReason
    from signalling.ids import NodeId, ParticipantId, RoomId, SessionId, TrackId

__all__ = [
    "FoundTrack",
    "LiveRoom",
    "Local",
    "View",
    "changes_of_place",
    "compute_view",
    "differences",
    "info_in_place",
]

View: TypeAlias = "dict[ParticipantId, ParticipantInfo]"


@dataclass(slots=True)
class Local:
    """A participant of ours.

    Attributes:
        session: which holds the seat.
        info: who it is to the others.
        listening: once that session was admitted here.
        hearing: what it is told of the chat.
        awaited: tracks of ``info`` that an earlier session published and this one has not yet.
    """

    session: SessionId
    info: ParticipantInfo
    listening: bool
    hearing: Hearing
    awaited: frozenset[TrackId] = frozenset()

    def publish(self, tracks: tuple[TrackInfo, ...]) -> None:
        """These are what is published now; what is awaited stays beside them.

        A second encoding is not awaited once its first is there: the client is asked for one anew.
        """
        named = {track.track for track in tracks}
        kept = tuple(
            track
            for track in self.info.tracks
            if track.track in self.awaited and track.track not in named and track.alternative_of not in named
        )
        self.info = msgspec.structs.replace(self.info, tracks=tracks + kept)
        self.awaited = frozenset(track.track for track in kept)

    def give_up_awaited(self) -> None:
        """What is awaited is gone."""
        published = tuple(track for track in self.info.tracks if track.track not in self.awaited)
        self.info = msgspec.structs.replace(self.info, tracks=published)
        self.awaited = frozenset()

    def mute(self, track: TrackId, *, muted: bool) -> None:
        """This track fell silent or dark, or came back."""
        tracks = tuple(
            msgspec.structs.replace(known, muted=muted) if known.track == track else known for known in self.info.tracks
        )
        self.info = msgspec.structs.replace(self.info, tracks=tracks)


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundTrack:
    """A published track: in which room, whose, and the session here that publishes it; none for another node's."""

    room: RoomId
    owner: ParticipantInfo
    track: TrackInfo
    session: SessionId | None


@dataclass(slots=True)
class LiveRoom:
    """A room with somebody in it, here or on a node that we hear of.

    Attributes:
        room: its name.
        locals: who sits here.
        remotes: what each other node announced last.
        located: where those who are elsewhere are seen.
        moved: who left from here for a node that has not spoken since, as it is to be seen.
        view: everybody once, as the sessions here were told.
        places: where each of them is, as the sessions here were told last.
        announced: what the other nodes were told last.
        wanted: which tracks they were asked for last.
        subscribed: which tracks each session here is sent.
        chosen: the tracks of which each session here plays the alternative, where there is one.
        talk: what was said.
        visits: who came and left when.
        speakers: tracks that are heard now and their levels in dB, the loudest first.
    """

    room: RoomId
    locals: dict[ParticipantId, Local] = field(default_factory=dict)
    remotes: dict[NodeId, View] = field(default_factory=dict)
    located: dict[ParticipantId, NodeId] = field(default_factory=dict)
    moved: View = field(default_factory=dict)
    view: View = field(default_factory=dict)
    places: dict[ParticipantId, ParticipantChanged] = field(default_factory=dict)
    announced: tuple[ParticipantInfo, ...] = ()
    wanted: tuple[RoomTrack, ...] = ()
    subscribed: dict[SessionId, tuple[RoomTrack, ...]] = field(default_factory=dict)
    chosen: dict[SessionId, frozenset[TrackId]] = field(default_factory=dict)
    talk: Conversation = field(default_factory=Conversation)
    visits: Visits = field(default_factory=Visits)
    speakers: tuple[tuple[TrackId, int], ...] = ()

    def forget(self, session: SessionId) -> None:
        """The session is not here any more."""
        self.subscribed.pop(session, None)
        self.chosen.pop(session, None)


def compute_view(live: LiveRoom) -> View:
    """Everybody once; and every track once, whoever else claims it."""
    found: View = {who: local.info for who, local in live.locals.items()}
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
    return _with_tracks_once(found, live.view)


def _with_tracks_once(found: View, before: View) -> View:
    """A track that two people claim is the one's who had it already, else the first one's."""
    owners: dict[TrackId, ParticipantId] = {}
    for view in (before, found):
        for who, info in view.items():
            still = {track.track for track in found[who].tracks} if who in found else ()
            for track in info.tracks:
                if track.track in still:
                    owners.setdefault(track.track, who)
    once: View = {}
    for who, info in found.items():
        tracks = tuple({track.track: track for track in reversed(info.tracks) if owners[track.track] == who}.values())
        once[who] = info if len(tracks) == len(info.tracks) else msgspec.structs.replace(info, tracks=tracks[::-1])
    return once


def changes_of_place(live: LiveRoom) -> list[tuple[ParticipantId, NodeEvent]]:
    """Who goes on at another node or under another name than was told last, and whom it is about.

    Of who left from here for a node that has not spoken since, nobody knows the region yet: it is told when it speaks.
    """
    changes: list[tuple[ParticipantId, NodeEvent]] = []
    told, live.places = live.places, {}
    for who, info in live.view.items():
        now = ParticipantChanged(participant=who, name=info.name, node=info.node, region=info.region)
        before = told.get(who, now)
        live.places[who] = before if who in live.moved else now
        if live.places[who] != before:
            changes.append((who, now))
    return changes


def info_in_place(live: LiveRoom, info: ParticipantInfo) -> ParticipantInfo:
    """Somebody where those who came before were told that they are: who comes now is told of the same changes."""
    place = live.places.get(info.participant)
    return info if place is None else msgspec.structs.replace(info, node=place.node, region=place.region)


def differences(before: View, after: View, reason: LeaveReason) -> list[tuple[ParticipantId, NodeEvent]]:
    """What to tell, and whom it is about; ends before beginnings, so that a track is never two people's."""
    changes: list[tuple[ParticipantId, NodeEvent]] = [
        (who, ParticipantLeft(participant=who, reason=reason)) for who in before if who not in after
    ]
    for who, info in after.items():
        if who not in before:
            changes.append((who, ParticipantJoined(participant=as_told(info))))
        elif before[who] != info:
            changes.extend((who, event) for event in _track_changes(who, told_tracks(before[who]), told_tracks(info)))
    return sorted(changes, key=lambda change: not isinstance(change[1], ParticipantLeft | TrackUnpublished))


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
