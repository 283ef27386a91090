"""What a node tells a client unasked."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec

from signalling.client.messages.parts import (
    MAX_CODECS,
    MAX_MOVE_URLS,
    CodecName,
    LeaveReason,
    MoveReason,
    ParticipantInfo,
    Speaker,
    TrackInfo,
    TrackOnMid,
)
from signalling.ids import MessageId, NodeId, ParticipantId, RoomId, TrackId, UserId

__all__ = [
    "ChatMessage",
    "Codecs",
    "Event",
    "FreshToken",
    "Layers",
    "Move",
    "MuteAsked",
    "NodeEvent",
    "NodePing",
    "Offer",
    "ParticipantChanged",
    "ParticipantJoined",
    "ParticipantLeft",
    "Replaced",
    "Restart",
    "RoomChanged",
    "SeatLost",
    "SecondWanted",
    "Speakers",
    "TrackMuted",
    "TrackPublished",
    "TrackRefused",
    "TrackUnpublished",
]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="topic"):
    """Something that happened, unasked."""


class NodePing(Event, frozen=True, kw_only=True, tag="ping"):
    """Are you there? Answer with ``pong`` and the same ``n`` before the deadline."""

    n: int


class FreshToken(Event, frozen=True, kw_only=True, tag="token"):
    """A newer session token for the same session; the old one still lives out its time."""

    token: str


class ParticipantJoined(Event, frozen=True, kw_only=True, tag="participant_joined"):
    """Somebody is here now."""

    participant: ParticipantInfo


class ParticipantLeft(Event, frozen=True, kw_only=True, tag="participant_left"):
    """Somebody is gone."""

    participant: ParticipantId
    reason: LeaveReason


class ParticipantChanged(Event, frozen=True, kw_only=True, tag="participant_changed"):
    """Somebody who is here goes on at another node, or under another name. They never left, and their tracks stay."""

    participant: ParticipantId
    name: str
    node: NodeId
    region: str


class TrackPublished(Event, frozen=True, kw_only=True, tag="track_published"):
    """Somebody publishes one more track; an :class:`Offer` with it follows."""

    participant: ParticipantId
    track: TrackInfo


class TrackUnpublished(Event, frozen=True, kw_only=True, tag="track_unpublished"):
    """A track ended."""

    participant: ParticipantId
    track: TrackId


class TrackMuted(Event, frozen=True, kw_only=True, tag="track_muted"):
    """A track fell silent or dark, or came back."""

    participant: ParticipantId
    track: TrackId
    muted: bool


class ChatMessage(Event, frozen=True, kw_only=True, tag="chat"):
    """Somebody said something; you hear your own words too, under their id."""

    message: MessageId
    participant: ParticipantId
    name: str
    text: str
    at_ms: int


class Offer(Event, frozen=True, kw_only=True, tag="offer"):
    """The node's offer for the subscriber peer connection.

    At most one is outstanding: the next comes after the :class:`Answer` to this one.
    """

    sdp: str
    generation: int
    tracks: tuple[TrackOnMid, ...]


class Layers(Event, frozen=True, kw_only=True, tag="layers"):
    """What anybody still watches of your track: stop sending the rest.

    Attributes:
        track: Which.
        encodings: Whether each simulcast encoding is wanted, by rid; the rid is empty for a track
            that is sent as one. All false: nobody watches.
        spatial: The highest spatial layer that is wanted of an encoding in layers (SVC), 0 the
            smallest; none where there is no such thing to say.
    """

    track: TrackId
    encodings: dict[str, bool]
    spatial: int | None = None


class Speakers(Event, frozen=True, kw_only=True, tag="speakers"):
    """Who speaks, the loudest first; empty when nobody does. Said when it changes, a few times a second at most."""

    speakers: tuple[Speaker, ...]


class TrackRefused(Event, frozen=True, kw_only=True, tag="track_refused"):
    """You do not get that track, because your side accepts none of what it is sent as.

    It stays published, and comes as soon as it is sent as something that you accept: the node may
    have asked for that already.

    Attributes:
        participant: Whose it is.
        track: Which.
        codec: What it is sent as.
        accepted: What you accept instead.
        message: Why, as a sentence for people.
    """

    participant: ParticipantId
    track: TrackId
    codec: CodecName
    accepted: tuple[CodecName, ...]
    message: str


class Codecs(Event, frozen=True, kw_only=True, tag="codecs"):
    """Somebody cannot play what you send: offer your track anew with these codecs alone.

    An empty list lifts that: nobody is left who needs it. Each replaces the one before.
    """

    track: TrackId
    codecs: Annotated[tuple[CodecName, ...], msgspec.Meta(max_length=MAX_CODECS)]


class SecondWanted(Event, frozen=True, kw_only=True, tag="second_wanted"):
    """Somebody cannot play what you send: send it once more, ``alternative_of`` this track, in one of these codecs.

    Both go into the same ``publish``. Those who cannot play the track get the other in its place, under its id. An
    empty list says that nobody is left who needs it: end it. Each replaces the one before.
    """

    track: TrackId
    codecs: Annotated[tuple[CodecName, ...], msgspec.Meta(max_length=MAX_CODECS)]


class MuteAsked(Event, frozen=True, kw_only=True, tag="mute_asked"):
    """The room's owner or an admin asks you to mute this track of yours. It is up to you."""

    by: ParticipantId | None
    track: TrackId


class RoomChanged(Event, frozen=True, kw_only=True, tag="room_changed"):
    """The room's definition is another one; told to everybody in it.

    ``moderates`` says whether you may kick, ask to mute and lock from now on; nodes of before leave it out.
    """

    room: RoomId
    locked: bool
    metadata: dict[str, Any]
    owner: UserId
    max_participants: int
    moderates: bool | None = None


class Restart(Event, frozen=True, kw_only=True, tag="restart"):
    """The engine is a new one: build both peer connections anew, keeping track ids."""

    epoch: int


class Move(Event, frozen=True, kw_only=True, tag="move"):
    """Your seat is to be on another node: take it there by a new connection, while this one still carries your media.

    Told to those who said ``moves`` with their join. Your join there makes this seat end without anybody noticing;
    close this connection once media comes over the new one. Who does not go loses the seat later (:class:`SeatLost`).

    Attributes:
        urls: Base URLs of nodes that would take you, best first.
        reason: Why you are asked.
        within_s: Seconds after which you may be asked again.
    """

    urls: Annotated[tuple[str, ...], msgspec.Meta(max_length=MAX_MOVE_URLS)]
    reason: MoveReason
    within_s: float


class Replaced(Event, frozen=True, kw_only=True, tag="replaced"):
    """A newer join holds your seat. Final: stop, and let the person decide."""


class SeatLost(Event, frozen=True, kw_only=True, tag="seat_lost"):
    """You are no longer in the room, for this reason; the socket stays."""

    reason: LeaveReason


NodeEvent: TypeAlias = (
    NodePing
    | FreshToken
    | ParticipantJoined
    | ParticipantChanged
    | ParticipantLeft
    | TrackPublished
    | TrackUnpublished
    | TrackMuted
    | ChatMessage
    | Offer
    | Layers
    | Speakers
    | TrackRefused
    | Codecs
    | SecondWanted
    | MuteAsked
    | RoomChanged
    | Restart
    | Move
    | Replaced
    | SeatLost
)
