"""What live rooms want done: one class per fact. Sets are whole, not changes: doing one twice does no harm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from signalling.client.messages import MediaKind, NodeEvent, ParticipantInfo, TrackSource
    from signalling.ids import NodeId, ParticipantId, RoomId, SessionId, TrackId
    from signalling.mesh.link import RoomChat

__all__ = ["Announce", "Doubt", "RoomEffect", "RoomTrack", "SayToNodes", "Subscribe", "Tell", "Want"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomTrack:
    """A published track, whose it is and on which node.

    ``known_as`` is its id for clients: another one than ``track`` for the second encoding of a source.
    """

    track: TrackId
    known_as: TrackId
    participant: ParticipantId
    node: NodeId
    kind: MediaKind
    source: TrackSource


@dataclass(frozen=True, kw_only=True, slots=True)
class Tell:
    """Send an event to a session here."""

    session: SessionId
    event: NodeEvent


@dataclass(frozen=True, kw_only=True, slots=True)
class Announce:
    """Tell the room's other nodes who of it is here: all of them, replacing the last announcement."""

    room: RoomId
    participants: tuple[ParticipantInfo, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscribe:
    """All tracks that a session here, which is this participant, is to receive from now on."""

    session: SessionId
    room: RoomId
    participant: ParticipantId
    tracks: tuple[RoomTrack, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Want:
    """All tracks of the room that this node is to receive from other nodes from now on."""

    room: RoomId
    tracks: tuple[RoomTrack, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """Another node announces somebody who sits here: ask the store now, by `Sessions.check_seat`."""

    session: SessionId
    room: RoomId


@dataclass(frozen=True, kw_only=True, slots=True)
class SayToNodes:
    """Send a chat message to the room's other nodes."""

    chat: RoomChat


RoomEffect: TypeAlias = Tell | Announce | Subscribe | Want | Doubt | SayToNodes
