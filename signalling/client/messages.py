"""Every word between a client and its node, as JSON over one WebSocket.

A message is a JSON object whose ``topic`` says which. Requests may carry an ``id``; each gets
exactly one reply with that ``id``: its own kind of reply, ``ok`` or ``error``. Everything else
the node sends is an event. Unknown fields are refused: a typing error should not pass in silence.

Two peer connections serve a participant: the *publisher*, where the client offers, and the
*subscriber*, where the node offers. So offers never cross.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from signalling.ids import (
    MAX_ATTEMPT,
    TRACK_ID_PATTERN,
    DeviceId,
    MessageId,
    NodeId,
    ParticipantId,
    RoomId,
    SessionId,
    TrackId,
    UserId,
)

PROTOCOL_VERSION: Final = 1
"""The version of this vocabulary. A node accepts it and the one before."""

MAX_CLIENT_MESSAGE_BYTES: Final = 256 * 1024
"""Either way on the WebSocket. An SDP m-line measures 1-3 kB in Chromium, so this is some hundred of them."""

MAX_TRACKS_PER_PARTICIPANT: Final = 16
"""Camera, microphone and a screen with sound are four; the rest is room to grow."""

MAX_TRACKS_PREFERRED: Final = 500
"""As many as one subscriber may be sent."""

MAX_CODECS: Final = 16
"""Names of codecs in one list; browsers know some eight of each kind."""

MAX_CHAT_CHARACTERS: Final = 2000
"""A long paragraph; with the widest characters still below 10 kB on every wire."""

RequestId: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_ATTEMPT)]
"""The client's own number for a request: what JavaScript counts without a gap."""

Attempt: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=MAX_ATTEMPT)]
"""The device's join counter."""

Sdp: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_CLIENT_MESSAGE_BYTES)]
Mid: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=16)]
"""16 characters are what the mid header extension can carry (RFC 8843, section 15)."""
TrackName: TypeAlias = Annotated[TrackId, msgspec.Meta(pattern=TRACK_ID_PATTERN)]
"""A track as somebody else names it."""
PictureSize: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=16_384)]
"""Device pixels; what the codecs we carry can code at all."""
CodecName: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
"""As in RTP, in lower case: ``vp8``, ``opus``."""
TokenText: TypeAlias = Annotated[str, msgspec.Meta(max_length=4096)]

MediaKind: TypeAlias = Literal["audio", "video"]
TrackSource: TypeAlias = Literal["microphone", "camera", "screen", "screen_audio"]
ClientPeer: TypeAlias = Literal["publisher", "subscriber"]
LeaveReason: TypeAlias = Literal["left", "replaced", "connection_lost", "kicked", "node_drained", "node_lost"]


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what a node says. Newer nodes may say more: unknown fields are ignored."""


class _Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of what a client asks."""


class TrackInfo(_Told, frozen=True, kw_only=True):
    """A published track as others see it. Those ``alternative_of`` another are between nodes: see `SecondWanted`."""

    track: TrackName
    kind: MediaKind
    source: TrackSource
    muted: bool = False
    alternative_of: TrackName | None = None


class ParticipantInfo(_Told, frozen=True, kw_only=True):
    """A participant as others see them."""

    participant: ParticipantId
    user: UserId
    name: str
    node: NodeId
    region: str
    tracks: tuple[TrackInfo, ...] = ()


class TrackIntent(_Asked, frozen=True, kw_only=True):
    """A track that a client wants to publish on the m-line ``mid`` of its offer.

    ``track`` names a track published before, so that it keeps its id when the publisher peer
    connection is built anew; without it the node mints one. For ``alternative_of`` see :class:`SecondWanted`.
    """

    mid: Mid
    kind: MediaKind
    source: TrackSource
    muted: bool = False
    track: TrackName | None = None
    alternative_of: TrackName | None = None


class TrackPreference(_Asked, frozen=True, kw_only=True):
    """How a client would like to be sent one track.

    Attributes:
        track: Which.
        width: Of the place where it is shown, in device pixels; 0 when unknown: the whole picture.
        height: Likewise.
        priority: Who comes first when there is too little for all; 128 is normal, more is more.
        paused: Whether to send nothing for now.
    """

    track: TrackName
    width: PictureSize = 0
    height: PictureSize = 0
    priority: Annotated[int, msgspec.Meta(ge=0, le=255)] = 128
    paused: bool = False


class Speaker(_Told, frozen=True, kw_only=True):
    """Somebody who is heard.

    Attributes:
        participant: Who, yourself included.
        track: With which sound.
        level_db: How loud, -127 to 0; 0 is the loudest that can be sent (RFC 6464, section 3).
    """

    participant: ParticipantId
    track: TrackId
    level_db: int


class TrackOnMid(_Told, frozen=True, kw_only=True):
    """Which track an m-line carries, and whose it is."""

    mid: str
    track: TrackId
    participant: ParticipantId


# --- requests: client -> node -------------------------------------------------------------


class Request(msgspec.Struct, frozen=True, kw_only=True, tag_field="topic", forbid_unknown_fields=True):
    """What every request carries: an ``id`` that its one reply repeats.

    Without an ``id`` the reply has none either, and a bare ``ok`` is not sent at all.
    """

    id: RequestId | None = None


class Hello(Request, frozen=True, kw_only=True, tag="hello"):
    """First message of a session socket: who am I. Answered by :class:`Welcome`."""

    token: TokenText
    protocol: int = PROTOCOL_VERSION
    client: Annotated[str, msgspec.Meta(max_length=256)] = ""


class Join(Request, frozen=True, kw_only=True, tag="join"):
    """Take a seat. Answered by :class:`Joined`.

    With ``room_token`` this is the second of two steps; without, the node does both.
    """

    room: RoomId
    attempt: Attempt
    room_token: TokenText | None = None


class Leave(Request, frozen=True, kw_only=True, tag="leave"):
    """Give the seat back. Answered by :class:`Ok`."""


class Publish(Request, frozen=True, kw_only=True, tag="publish"):
    """Offer the publisher peer connection with *all* tracks it carries now.

    Declarative: a track of an earlier ``publish`` that is absent is unpublished.
    Answered by :class:`Published`.
    """

    sdp: Sdp
    tracks: Annotated[tuple[TrackIntent, ...], msgspec.Meta(max_length=MAX_TRACKS_PER_PARTICIPANT)]


class Answer(Request, frozen=True, kw_only=True, tag="answer"):
    """Answer the node's :class:`Offer` of that ``generation``. Answered by :class:`Ok`."""

    sdp: Sdp
    generation: int


class Trickle(Request, frozen=True, kw_only=True, tag="candidate"):
    """One more ICE candidate of the client. One that we cannot use is counted, never an error.

    Answered by :class:`Ok`; clients send it without ``id``, as they have nothing to do with the answer.
    An empty ``candidate`` says that there are no more.
    """

    peer: ClientPeer
    candidate: Annotated[str, msgspec.Meta(max_length=1024)]


class Mute(Request, frozen=True, kw_only=True, tag="mute"):
    """Tell the others that a track of mine is silent or dark, or no longer. Answered by :class:`Ok`."""

    track: TrackName
    muted: bool


class Prefer(Request, frozen=True, kw_only=True, tag="prefer"):
    """Say how I would like to be sent the others' tracks. Answered by :class:`Ok`.

    Declarative: a track that is not named is sent in full, at normal priority. Kept by the node for
    as long as the session has its seat, over ``restart`` too.
    """

    tracks: Annotated[tuple[TrackPreference, ...], msgspec.Meta(max_length=MAX_TRACKS_PREFERRED)]


class Chat(Request, frozen=True, kw_only=True, tag="chat"):
    """Say something to the room. Answered by :class:`ChatSent`.

    ``nonce`` is the client's own name for the message: a repeat with the same nonce acts once.
    """

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CHAT_CHARACTERS)]
    nonce: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Ping(Request, frozen=True, kw_only=True, tag="ping"):
    """Are you there? Answered by :class:`Pong`; may be sent on a socket that never says hello."""


class PongReply(Request, frozen=True, kw_only=True, tag="pong"):
    """Answer to the node's :class:`NodePing`, repeating its ``n``. Has no reply of its own."""

    n: int


ClientMessage: TypeAlias = Hello | Join | Leave | Publish | Answer | Trickle | Mute | Prefer | Chat | Ping | PongReply


# --- replies and events: node -> client ---------------------------------------------------


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag_field="topic", omit_defaults=True):
    """What every reply carries: the ``id`` of its request, if that had one."""

    id: int | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="topic"):
    """Something that happened, unasked."""


class Welcome(Reply, frozen=True, kw_only=True, tag="welcome"):
    """You have a session. ``token`` is a fresh session token that names it."""

    session: SessionId
    user: UserId
    device: DeviceId
    node: NodeId
    region: str
    token: str
    ping_interval_s: float
    max_message_bytes: int


class Joined(Reply, frozen=True, kw_only=True, tag="joined"):
    """You have a seat; ``participants`` are the others, yourself excluded.

    ``degraded`` says that the store could not be asked: caps and the order of joins from
    other devices are then only as good as what this node knows.
    """

    room: RoomId
    participant: ParticipantId
    participants: tuple[ParticipantInfo, ...]
    degraded: bool
    epoch: int


class Published(Reply, frozen=True, kw_only=True, tag="published"):
    """The node's SDP answer to a :class:`Publish`, and the id of each track by its mid."""

    sdp: str
    tracks: dict[str, TrackId]


class ChatSent(Reply, frozen=True, kw_only=True, tag="chat_sent"):
    """Your message was accepted under this id, at this time (milliseconds since 1970)."""

    message: MessageId
    at_ms: int


class Ok(Reply, frozen=True, kw_only=True, tag="ok"):
    """Done."""


class Pong(Reply, frozen=True, kw_only=True, tag="pong"):
    """Here."""


class Error(Reply, frozen=True, kw_only=True, tag="error"):
    """Refused, or (without ``id``) the last word before the node closes the socket.

    ``highest_attempt`` comes with ``attempt_stale``: the greatest attempt seen of this device.
    """

    code: str
    message: str
    highest_attempt: int | None = None


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


class Restart(Event, frozen=True, kw_only=True, tag="restart"):
    """The engine is a new one: build both peer connections anew, keeping track ids."""

    epoch: int


class Replaced(Event, frozen=True, kw_only=True, tag="replaced"):
    """A newer join holds your seat. Final: stop, and let the person decide."""


class SeatLost(Event, frozen=True, kw_only=True, tag="seat_lost"):
    """You are no longer in the room, for this reason; the socket stays."""

    reason: LeaveReason


NodeReply: TypeAlias = Welcome | Joined | Published | ChatSent | Ok | Pong | Error
NodeEvent: TypeAlias = (
    NodePing
    | FreshToken
    | ParticipantJoined
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
    | Restart
    | Replaced
    | SeatLost
)
NodeMessage: TypeAlias = NodeReply | NodeEvent
