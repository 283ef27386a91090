"""Live rooms of this node: pure core."""
from __future__ import annotations
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias
from signalling.client.messages import ChatMessage, LeaveReason, MediaKind, NodeEvent, ParticipantInfo, TrackInfo
from signalling.ids import MessageId, NodeId, ParticipantId, RoomId, SessionId, TrackId
from signalling.mesh.link import RoomChat

@dataclass(frozen=True, kw_only=True, slots=True)
class RoomTrack:
    track: TrackId
    participant: ParticipantId
    node: NodeId
    kind: MediaKind
@dataclass(frozen=True, kw_only=True, slots=True)
class Tell:
    """Send an event to a local session."""
    session: SessionId
    event: NodeEvent
@dataclass(frozen=True, kw_only=True, slots=True)
class Announce:
    """Tell the room's other nodes (all of ours, replacing the last)."""
    room: RoomId
    participants: tuple[ParticipantInfo, ...]
@dataclass(frozen=True, kw_only=True, slots=True)
class Subscribe:
    """The full set a local session should receive now."""
    session: SessionId
    room: RoomId
    tracks: tuple[RoomTrack, ...]
@dataclass(frozen=True, kw_only=True, slots=True)
class Want:
    """The full set of remote tracks wanted on this node for the room now."""
    room: RoomId
    tracks: tuple[RoomTrack, ...]
@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """Another node announces somebody who sits here: call `Sessions.check_seat`."""
    session: SessionId
    room: RoomId
@dataclass(frozen=True, kw_only=True, slots=True)
class SayToNodes:
    """Send a chat message to the room's other nodes."""
    chat: RoomChat
RoomEffect: TypeAlias = Tell | Announce | Subscribe | Want | Doubt | SayToNodes

class Rooms:
    def __init__(self, node: NodeId) -> None:
        raise NotImplementedError
    def admit(self, session: SessionId, room: RoomId, participant: ParticipantInfo) -> tuple[RoomEffect, ...]:
        raise NotImplementedError
    def remove(self, session: SessionId, reason: LeaveReason, *, successor: SessionId | None = None) -> tuple[RoomEffect, ...]:
        raise NotImplementedError
    def set_tracks(self, session: SessionId, tracks: tuple[TrackInfo, ...]) -> tuple[RoomEffect, ...]:
        """All tracks of a local session, replacing the last."""
        raise NotImplementedError
    def mute(self, session: SessionId, track: TrackId, *, muted: bool) -> tuple[RoomEffect, ...]:
        """Raises Refused track_unknown, not_in_room."""
        raise NotImplementedError
    def chat(self, session: SessionId, *, nonce: str, text: str, message: MessageId, at_ms: int) -> tuple[MessageId, int, tuple[RoomEffect, ...]]:
        """Id and time under which it was accepted (the first one's for a repeated nonce)."""
        raise NotImplementedError
    def remote(self, node: NodeId, room: RoomId, participants: tuple[ParticipantInfo, ...]) -> tuple[RoomEffect, ...]:
        raise NotImplementedError
    def remote_chat(self, chat: RoomChat) -> tuple[RoomEffect, ...]:
        raise NotImplementedError
    def node_lost(self, node: NodeId) -> tuple[RoomEffect, ...]:
        raise NotImplementedError
    def others(self, session: SessionId) -> tuple[ParticipantInfo, ...]:
        """Everybody in the session's room but itself: `Joined.participants`."""
        raise NotImplementedError
    def snapshot(self, room: RoomId) -> tuple[ParticipantInfo, ...]:
        raise NotImplementedError
    def announcement(self, room: RoomId) -> tuple[ParticipantInfo, ...]:
        """What `Announce` last said, for a link that comes up."""
        raise NotImplementedError
    def room_of(self, session: SessionId) -> RoomId | None:
        raise NotImplementedError
