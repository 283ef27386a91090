"""Every word between a client and its node, as JSON over one WebSocket.

A message is a JSON object whose ``topic`` says which. Requests may carry an ``id``; each gets
exactly one reply with that ``id``: its own kind of reply, ``ok`` or ``error``. Everything else
the node sends is an event. Unknown fields are refused: a typing error should not pass in silence.

Two peer connections serve a participant: the *publisher*, where the client offers, and the
*subscriber*, where the node offers. So offers never cross.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from signalling.ids import (
    DeviceId,
    MessageId,
    NodeId,
    ParticipantId,
    RoomId,
    SessionId,
    TrackId,
    UserId,
)

PROTOCOL_VERSION = 1
"""The version of this vocabulary. A node accepts it and the one before."""

MediaKind: TypeAlias = Literal["audio", "video"]
TrackSource: TypeAlias = Literal["microphone", "camera", "screen", "screen_audio"]
ClientPeer: TypeAlias = Literal["publisher", "subscriber"]
LeaveReason: TypeAlias = Literal[
    "left", "replaced", "connection_lost", "kicked", "node_drained", "node_lost"
]


class _Word(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a message."""


class TrackInfo(_Word):
    """A published track as others see it."""

    track: TrackId
    kind: MediaKind
    source: TrackSource
    muted: bool = False


class ParticipantInfo(_Word):
    """A participant as others see them."""

    participant: ParticipantId
    user: UserId
    name: str
    node: NodeId
    region: str
    tracks: tuple[TrackInfo, ...] = ()


class TrackIntent(_Word):
    """A track that a client wants to publish on the m-line ``mid`` of its offer.

    ``track`` names a track published before, so that it keeps its id when the publisher peer
    connection is built anew; without it the node mints one.
    """

    mid: str
    kind: MediaKind
    source: TrackSource
    muted: bool = False
    track: TrackId | None = None


class TrackOnMid(_Word):
    """Which track an m-line carries, and whose it is."""

    mid: str
    track: TrackId
    participant: ParticipantId


# --- requests: client -> node -------------------------------------------------------------


class Request(msgspec.Struct, frozen=True, kw_only=True, tag_field="topic", forbid_unknown_fields=True):
    """What every request carries: an ``id`` that its one reply repeats."""

    id: int | None = None


class Hello(Request, tag="hello"):
    """First message of a session socket: who am I. Answered by :class:`Welcome`."""

    token: str
    protocol: int = PROTOCOL_VERSION
    client: str = ""


class Join(Request, tag="join"):
    """Take a seat. Answered by :class:`Joined`.

    With ``room_token`` this is the second of two steps; without, the node does both.
    """

    room: RoomId
    attempt: int
    room_token: str | None = None


class Leave(Request, tag="leave"):
    """Give the seat back. Answered by :class:`Ok`."""


class Publish(Request, tag="publish"):
    """Offer the publisher peer connection with *all* tracks it carries now.

    Declarative: a track of an earlier ``publish`` that is absent is unpublished.
    Answered by :class:`Published`.
    """

    sdp: str
    tracks: tuple[TrackIntent, ...]


class Answer(Request, tag="answer"):
    """Answer the node's :class:`Offer` of that ``generation``. Answered by :class:`Ok`."""

    sdp: str
    generation: int


class Trickle(Request, tag="candidate"):
    """One more ICE candidate of the client. One that we cannot use is counted, never an error."""

    peer: ClientPeer
    candidate: str


class Mute(Request, tag="mute"):
    """Tell the others that a track of mine is silent or dark, or no longer. Answered by :class:`Ok`."""

    track: TrackId
    muted: bool


class Chat(Request, tag="chat"):
    """Say something to the room. Answered by :class:`ChatSent`.

    ``nonce`` is the client's own name for the message: a repeat with the same nonce acts once.
    """

    text: str
    nonce: str


class Ping(Request, tag="ping"):
    """Are you there? Answered by :class:`Pong`; may be sent on a socket that never says hello."""


class PongReply(Request, tag="pong"):
    """Answer to the node's :class:`NodePing`, repeating its ``n``. Has no reply of its own."""

    n: int


ClientMessage: TypeAlias = (
    Hello | Join | Leave | Publish | Answer | Trickle | Mute | Chat | Ping | PongReply
)


# --- replies and events: node -> client ---------------------------------------------------


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag_field="topic", omit_defaults=True):
    """What every reply carries: the ``id`` of its request, if that had one."""

    id: int | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="topic"):
    """Something that happened, unasked."""


class Welcome(Reply, tag="welcome", kw_only=True):
    """You have a session. ``token`` is a fresh session token that names it."""

    session: SessionId
    user: UserId
    device: DeviceId
    node: NodeId
    region: str
    token: str
    ping_interval_s: float
    max_message_bytes: int


class Joined(Reply, tag="joined", kw_only=True):
    """You have a seat; ``participants`` are the others, yourself excluded.

    ``degraded`` says that the store could not be asked: caps and the order of joins from
    other devices are then only as good as what this node knows.
    """

    room: RoomId
    participant: ParticipantId
    participants: tuple[ParticipantInfo, ...]
    degraded: bool
    epoch: int


class Published(Reply, tag="published", kw_only=True):
    """The node's SDP answer to a :class:`Publish`, and the id of each track by its mid."""

    sdp: str
    tracks: dict[str, TrackId]


class ChatSent(Reply, tag="chat_sent", kw_only=True):
    """Your message was accepted under this id, at this time (milliseconds since 1970)."""

    message: MessageId
    at_ms: int


class Ok(Reply, tag="ok"):
    """Done."""


class Pong(Reply, tag="pong"):
    """Here."""


class Error(Reply, tag="error", kw_only=True):
    """Refused, or (without ``id``) the last word before the node closes the socket.

    ``highest_attempt`` comes with ``attempt_stale``: the greatest attempt seen of this device.
    """

    code: str
    message: str
    highest_attempt: int | None = None


class NodePing(Event, tag="ping"):
    """Are you there? Answer with ``pong`` and the same ``n`` before the deadline."""

    n: int


class FreshToken(Event, tag="token"):
    """A newer session token for the same session; the old one still lives out its time."""

    token: str


class ParticipantJoined(Event, tag="participant_joined"):
    """Somebody is here now."""

    participant: ParticipantInfo


class ParticipantLeft(Event, tag="participant_left"):
    """Somebody is gone."""

    participant: ParticipantId
    reason: LeaveReason


class TrackPublished(Event, tag="track_published"):
    """Somebody publishes one more track; an :class:`Offer` with it follows."""

    participant: ParticipantId
    track: TrackInfo


class TrackUnpublished(Event, tag="track_unpublished"):
    """A track ended."""

    participant: ParticipantId
    track: TrackId


class TrackMuted(Event, tag="track_muted"):
    """A track fell silent or dark, or came back."""

    participant: ParticipantId
    track: TrackId
    muted: bool


class ChatMessage(Event, tag="chat"):
    """Somebody said something; you hear your own words too, under their id."""

    message: MessageId
    participant: ParticipantId
    name: str
    text: str
    at_ms: int


class Offer(Event, tag="offer"):
    """The node's offer for the subscriber peer connection.

    At most one is outstanding: the next comes after the :class:`Answer` to this one.
    """

    sdp: str
    generation: int
    tracks: tuple[TrackOnMid, ...]


class Restart(Event, tag="restart"):
    """The engine is a new one: build both peer connections anew, keeping track ids."""

    epoch: int


class Replaced(Event, tag="replaced"):
    """A newer join holds your seat. Final: stop, and let the person decide."""


class SeatLost(Event, tag="seat_lost"):
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
    | Restart
    | Replaced
    | SeatLost
)
NodeMessage: TypeAlias = NodeReply | NodeEvent
