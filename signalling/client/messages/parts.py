"""What messages are made of: bounded texts and numbers, tracks and participants."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from signalling.ids import MAX_ATTEMPT, TRACK_ID_PATTERN, MessageId, NodeId, ParticipantId, TrackId, UserId

__all__ = [
    "MAX_CHAT_CHARACTERS",
    "MAX_CHAT_PAGE",
    "MAX_CHAT_SEEN",
    "MAX_CLIENT_MESSAGE_BYTES",
    "MAX_CODECS",
    "MAX_MEASURED_NODES",
    "MAX_MOVE_URLS",
    "MAX_RTT_MS",
    "MAX_TRACKS_PER_PARTICIPANT",
    "MAX_TRACKS_PREFERRED",
    "PROTOCOL_VERSION",
    "Asked",
    "Attempt",
    "ClientPeer",
    "CodecName",
    "LeaveReason",
    "MediaKind",
    "MessageName",
    "Mid",
    "MoveReason",
    "ParticipantInfo",
    "ParticipantName",
    "PictureSize",
    "PinText",
    "RequestId",
    "Sdp",
    "Speaker",
    "TokenText",
    "Told",
    "TrackInfo",
    "TrackIntent",
    "TrackName",
    "TrackOnMid",
    "TrackPreference",
    "TrackSource",
]

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

MAX_MEASURED_NODES: Final = 64
"""Nodes that a client may have measured: the SDK measures five, and again where the network changes."""

MAX_RTT_MS: Final = 10_000.0
"""The longest that a client waits for a pong; above it there is no connection."""

MAX_MOVE_URLS: Final = 8
"""Nodes that somebody is sent to; whoever reaches none of them asks for candidates."""

MAX_CHAT_CHARACTERS: Final = 2000
"""A long paragraph; with the widest characters still below 10 kB on every wire."""

MAX_CHAT_PAGE: Final = 100
"""Chat messages in one reply; fewer where they are long."""

MAX_CHAT_SEEN: Final = 100
"""Ids of chat messages that a client says it has seen, 3.5 kB: as many as it is given at most when it comes back."""

RequestId: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MAX_ATTEMPT)]
"""The client's own number for a request: what JavaScript counts without a gap."""

Attempt: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=MAX_ATTEMPT)]
"""The device's join counter."""

Sdp: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_CLIENT_MESSAGE_BYTES)]
Mid: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=16)]
"""16 characters are what the mid header extension can carry (RFC 8843, section 15)."""
TrackName: TypeAlias = Annotated[TrackId, msgspec.Meta(pattern=TRACK_ID_PATTERN)]
"""A track as somebody else names it."""
MessageName: TypeAlias = Annotated[MessageId, msgspec.Meta(min_length=1, max_length=64)]
"""A chat message as a client names it: ours are 32 long."""
PictureSize: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=16_384)]
"""Device pixels; what the codecs we carry can code at all."""
CodecName: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
"""As in RTP, in lower case: ``vp8``, ``opus``."""
TokenText: TypeAlias = Annotated[str, msgspec.Meta(max_length=4096)]
ParticipantName: TypeAlias = Annotated[ParticipantId, msgspec.Meta(min_length=1, max_length=64)]
"""A participant as somebody else names them."""
PinText: TypeAlias = Annotated[str, msgspec.Meta(max_length=256)]
"""Longer than any that is taken, so that the node can say what is."""

MediaKind: TypeAlias = Literal["audio", "video"]
TrackSource: TypeAlias = Literal["microphone", "camera", "screen", "screen_audio"]
ClientPeer: TypeAlias = Literal["publisher", "subscriber"]
LeaveReason: TypeAlias = Literal[
    "left", "replaced", "connection_lost", "kicked", "node_drained", "node_lost", "room_deleted"
]

MoveReason: TypeAlias = Literal["node_drained", "nearer", "gather"]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what a node says. Newer nodes may say more: unknown fields are ignored."""


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of what a client asks."""


class TrackInfo(Told, frozen=True, kw_only=True):
    """A published track as others see it. Those ``alternative_of`` another are between nodes: see `SecondWanted`."""

    track: TrackName
    kind: MediaKind
    source: TrackSource
    muted: bool = False
    alternative_of: TrackName | None = None


class ParticipantInfo(Told, frozen=True, kw_only=True):
    """A participant as others see them.

    ``since_ms`` is when they came (milliseconds since 1970), however often they reloaded or changed nodes since; 0
    where nobody says.
    """

    participant: ParticipantId
    user: UserId
    name: str
    node: NodeId
    region: str
    tracks: tuple[TrackInfo, ...] = ()
    since_ms: int = 0


class TrackIntent(Asked, frozen=True, kw_only=True):
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


class TrackPreference(Asked, frozen=True, kw_only=True):
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


class Speaker(Told, frozen=True, kw_only=True):
    """Somebody who is heard.

    Attributes:
        participant: Who, yourself included.
        track: With which sound.
        level_db: How loud, -127 to 0; 0 is the loudest that can be sent (RFC 6464, section 3).
    """

    participant: ParticipantId
    track: TrackId
    level_db: int


class TrackOnMid(Told, frozen=True, kw_only=True):
    """Which track an m-line carries, and whose it is."""

    mid: str
    track: TrackId
    participant: ParticipantId
