"""The words between a node and its engine process: the one schema, seen from Python.

Both speak over a socket pair. A frame is a 4-byte big-endian length and that many bytes of CBOR,
at most :data:`MAX_FRAME_BYTES`. The node sends one *command* map a frame, each with an ``id``.
The engine sends an array of maps a frame: *replies*, which repeat that ``id``, and *events*.
``type`` says which; field names and order are those below, ``type`` first and ``id`` last, in
Rust as here, and ``sfu/vectors.json`` holds the golden bytes that both sides test themselves
against. Fractions are 64-bit floats, an absent value is null.

Everything that names a *set* (tracks of a publisher, tracks a subscriber wants) is the whole set:
saying it twice does no harm. Tracks are named by id alone: a subscriber or a leg may ask for a
track before it exists, and gets its packets from the moment it does.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from sfu.statistics_rows import LegStatistics, LineStatistics, PeerStatistics, TrackStatistics, WorkerStatistics
from signalling.client.messages import MediaKind
from signalling.ids import ParticipantId, PeerId, RoomId, TrackId

ENGINE_PROTOCOL: Final = 3
"""Raised with every change that an older engine or face would misread; checked at hello."""

MAX_FRAME_BYTES: Final = 1 << 20
"""An SDP of a room of hundreds fits ten times; more is a broken peer."""


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Asked of the engine; answered by exactly one reply with the same ``id``."""

    id: int


class Hello(Command, frozen=True, tag="hello"):
    """First command. Binds the media sockets. Answered by :class:`Ready` or :class:`Failed`.

    Attributes:
        protocol: :data:`ENGINE_PROTOCOL` of the node.
        media_address: Address to bind, ``127.0.0.1``, ``0.0.0.0``, ``::``...
        media_port: UDP port of the first worker, the others take those that follow; 0 for any free ones.
        advertised: Addresses to offer as candidates instead of the bound one; none: the bound
            one, or every address of this machine when bound to the unspecified address.
        workers: Threads that forward, each with a socket of its own; 0 for one per core but one.
        stun_servers: ``host:port`` of servers to ask under which address the media sockets are seen.
        tcp: Whether to take media over TCP too, on the same port numbers.
    """

    protocol: int
    media_address: str
    media_port: int
    advertised: tuple[str, ...]
    workers: int
    stun_servers: tuple[str, ...]
    tcp: bool


class Publish(Command, frozen=True, tag="publish"):
    """Take the offer of a publisher; opens the peer if it is new. Answered by :class:`Described`.

    ``tracks`` gives the id of the track on each mid that the client sends on. An offer with another
    fingerprint comes from a peer connection built anew, which takes the place of the old one.

    Attributes:
        peer: Which.
        sdp: The offer.
        tracks: By mid.
        room: Where its sound counts and its data messages go; another one than before moves it.
        sender: Who it is to those who get its data messages, at most 64 bytes.
    """

    peer: PeerId
    sdp: str
    tracks: dict[str, TrackId]
    room: RoomId
    sender: ParticipantId


class WantedTrack(msgspec.Struct, frozen=True, kw_only=True):
    """A track for a subscriber.

    Attributes:
        track: Which.
        kind: Sound or picture.
        stream: Tracks of one name are played in step; empty: the track stands alone.
    """

    track: TrackId
    kind: MediaKind
    stream: str = ""


class Subscribe(Command, frozen=True, tag="subscribe"):
    """Send this subscriber exactly these tracks; opens the peer if it is new.

    Answered by :class:`Done` at once; an :class:`Offered` event follows when the peer has no
    offer outstanding, else after the :class:`Answered` command for it. The first offer comes also
    without tracks: it has a line for data. Data messages of ``room`` are sent to the peer too, but
    for those of ``participant``, whose it is.
    """

    peer: PeerId
    tracks: tuple[WantedTrack, ...]
    room: RoomId
    participant: ParticipantId


class PreferredTrack(msgspec.Struct, frozen=True, kw_only=True):
    """How a subscriber's client would like to be sent a track.

    Attributes:
        track: Which.
        width: Of the place where it is shown, pixels; 0 when unknown: the whole picture.
        height: Likewise.
        priority: 0 to 255, 128 is normal: who comes first when there is too little for all.
        paused: Whether to send nothing for now.
    """

    track: TrackId
    width: int
    height: int
    priority: int
    paused: bool


class Prefer(Command, frozen=True, tag="prefer"):
    """How a subscriber's client would like to be sent its tracks; one that is not named has no wish.

    The whole set, kept as long as the peer. Answered by :class:`Done`.
    """

    peer: PeerId
    tracks: tuple[PreferredTrack, ...]


class Answered(Command, frozen=True, tag="answered"):
    """The subscriber's SDP answer to the offer of that generation. Answered by :class:`Done`."""

    peer: PeerId
    generation: int
    sdp: str


class AddCandidate(Command, frozen=True, tag="add_candidate"):
    """A trickled candidate, as in SDP. One that cannot be used is counted. Answered by :class:`Done`."""

    peer: PeerId
    candidate: str


class ClosePeer(Command, frozen=True, tag="close_peer"):
    """End a publisher, subscriber or link. Unknown ones too. Answered by :class:`Done`."""

    peer: PeerId


class OpenLink(Command, frozen=True, tag="open_link"):
    """Make this end of a link. Answered by :class:`LinkOpened`.

    Attributes:
        controlling: Whether this end decides in ICE; one of the two does.
        lane: Which of several links between the same two sockets it is, 0 to 63; both ends of a link have the same.
            Whatever is not 0 costs a byte a datagram.
        beside: The end that this one is to take the place of, empty for none: it comes to the same worker, and as
            soon as a room spans this one it no longer spans that one.
    """

    peer: PeerId
    controlling: bool
    lane: int
    beside: str


class ConnectLink(Command, frozen=True, tag="connect_link"):
    """Tell this end of a link about the other one. Answered by :class:`Done`."""

    peer: PeerId
    ufrag: str
    password: str
    fingerprint: bytes
    candidates: tuple[str, ...]


class SendLink(Command, frozen=True, tag="send_link"):
    """Send a message on the link's reliable channel. Answered by :class:`Done` once queued.

    Fails with ``link_not_open`` before the channel opened, ``link_congested`` when its send buffer
    is full, ``link_message_too_large`` above 60 KiB and ``link_message_empty``.
    """

    peer: PeerId
    data: bytes


class OpenLegOut(Command, frozen=True, tag="open_leg_out"):
    """Send this track of this room over this link in frames numbered ``leg``. Answered by :class:`Done`."""

    peer: PeerId
    leg: int
    track: TrackId
    room: RoomId


class CloseLegOut(Command, frozen=True, tag="close_leg_out"):
    """Stop sending the leg. Answered by :class:`Done`."""

    peer: PeerId
    leg: int


class OpenLegIn(Command, frozen=True, tag="open_leg_in"):
    """Frames numbered ``leg`` on this link are this track of this room. Answered by :class:`Done`."""

    peer: PeerId
    leg: int
    track: TrackId
    kind: MediaKind
    room: RoomId


class CloseLegIn(Command, frozen=True, tag="close_leg_in"):
    """Drop frames of the leg. Answered by :class:`Done`."""

    peer: PeerId
    leg: int


class SpanRoom(Command, frozen=True, tag="span_room"):
    """Whether what is said in a room on data channels here goes over a link. Answered by :class:`Done`.

    It holds until it is unsaid or the link ends. What came over a link goes over no other.
    """

    peer: PeerId
    room: RoomId
    spans: bool


class SetRoom(Command, frozen=True, tag="set_room"):
    """The policy of a room, whole; a room that this was never said of has none. Answered by :class:`Done`.

    Attributes:
        room: Which.
        loudest: Only so many audio tracks of the room are forwarded, the loudest; 0 for all.
        max_height: No picture taller than this is forwarded, pixels; 0 for any.
        max_bitrate_bps: What one subscriber gets at most, bits per second; 0 for any.
    """

    room: RoomId
    loudest: int
    max_height: int
    max_bitrate_bps: int


class CloseRoom(Command, frozen=True, tag="close_room"):
    """Forget a room's policy; its peers, if any, go on without one. Answered by :class:`Done`."""

    room: RoomId


class GetStatistics(Command, frozen=True, tag="get_statistics"):
    """Read all numbers, a page of the rows. Answered by :class:`Statistics`.

    Attributes:
        page: From 0 up to, not including, :attr:`Statistics.pages`.
    """

    page: int = 0


NodeCommand: TypeAlias = (
    Hello
    | Publish
    | Subscribe
    | Prefer
    | Answered
    | AddCandidate
    | ClosePeer
    | OpenLink
    | ConnectLink
    | SendLink
    | OpenLegOut
    | CloseLegOut
    | OpenLegIn
    | CloseLegIn
    | SpanRoom
    | SetRoom
    | CloseRoom
    | GetStatistics
)


class EngineReply(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The one answer to the command with this ``id``."""

    id: int


class Ready(EngineReply, frozen=True, tag="ready"):
    """The engine serves. ``addresses`` are its media sockets as ``host:port``, one a worker."""

    protocol: int
    version: str
    addresses: tuple[str, ...]


class Done(EngineReply, frozen=True, tag="done"):
    """Done."""


class Described(EngineReply, frozen=True, tag="described"):
    """An SDP answer."""

    sdp: str


class LinkOpened(EngineReply, frozen=True, tag="link_opened"):
    """This end of a link, as the other end needs to know it.

    Attributes:
        ufrag: ICE user name fragment.
        password: ICE password.
        fingerprint: SHA-256 of the certificate, 32 bytes.
        candidates: Each as ``<kind> <address> <port>``.
    """

    ufrag: str
    password: str
    fingerprint: bytes
    candidates: tuple[str, ...]


class Failed(EngineReply, frozen=True, tag="failed"):
    """Refused: a stable code and a sentence. Nothing has changed (a ``reply_too_large`` is only not told)."""

    code: str
    message: str


class Statistics(EngineReply, frozen=True, tag="statistics"):
    """Numbers of the whole engine.

    Attributes:
        page: Which rows: peers by name, tracks by id, legs by link and number, 250 of each to a
            page, and 1000 lines by peer and track.
        pages: How many there are.
        workers: All of them, on every page.
        memory_bytes: Resident memory of the process, all pages of it that are in RAM.
        queued_bytes: Messages that wait for this node to read them.
        counters: Named oddities since the start, and datagrams and sends; all of them, on every page.
    """

    peers: tuple[PeerStatistics, ...]
    tracks: tuple[TrackStatistics, ...]
    counters: dict[str, int]
    legs: tuple[LegStatistics, ...] = ()
    lines: tuple[LineStatistics, ...] = ()
    workers: tuple[WorkerStatistics, ...] = ()
    memory_bytes: int = 0
    queued_bytes: int = 0
    page: int = 0
    pages: int = 1


class EngineEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Something that happened in the engine."""


class PeerState(EngineEvent, frozen=True, tag="peer_state"):
    """A peer got as far as this.

    ``suspect`` and back to ``connected`` are for links alone (keepalives missed). A link is
    ``connected`` once its channels are open. ``closed`` is the last word about a peer that ended by
    itself; one that :class:`ClosePeer` ended says nothing more.

    Attributes:
        peer: Which.
        state: How far.
        reason: Empty unless closed: ``connect_timeout``, ``ice_disconnected``, ``dtls_failed``,
            ``remote_closed``, ``answer_invalid``, ``offer_unanswered`` (20 s), ``too_many_streams``,
            ``node_slow`` (a link whose messages the node does not take), ``data_flood`` (a publisher
            that for ten seconds sent twice the messages it may), ``data_too_slow`` (a subscriber that
            does not take reliable messages as they come), ``panic`` or ``worker_lost``
            (the thread that had it died; another took its place).
    """

    peer: PeerId
    state: Literal["connected", "suspect", "closed"]
    reason: str


class Offered(EngineEvent, frozen=True, tag="offered"):
    """The offer for a subscriber; ``tracks`` gives the track by mid, stopped m-lines left out."""

    peer: PeerId
    generation: int
    sdp: str
    tracks: dict[str, TrackId]


class TrackStarted(EngineEvent, frozen=True, tag="track_started"):
    """The first packet of a track came in."""

    track: TrackId
    codec: str


class LayersWanted(EngineEvent, frozen=True, tag="layers_wanted"):
    """What anybody still wants of a track, here or over links; its publisher may stop sending the rest.

    Attributes:
        peer: The publisher.
        track: Which.
        encodings: By rid of each simulcast encoding, whether it is wanted; empty rid where there is one without.
        spatial: The highest spatial layer that is wanted of an encoding in layers; none where it has none.
    """

    peer: PeerId
    track: TrackId
    encodings: dict[str, bool]
    spatial: int | None


class TrackRefused(EngineEvent, frozen=True, tag="track_refused"):
    """A subscriber's client cannot play a track; said once for each line and codec.

    Attributes:
        peer: The subscriber.
        track: The track, of which nothing reaches this subscriber while it is coded so.
        codec: What it is coded in.
        accepted: The codecs of its kind that the client plays, most wanted first.
    """

    peer: PeerId
    track: TrackId
    codec: str
    accepted: tuple[str, ...]


class LinkMessage(EngineEvent, frozen=True, tag="link_message"):
    """A message came on the link's reliable channel."""

    peer: PeerId
    data: bytes


class LinkMeasured(EngineEvent, frozen=True, tag="link_measured"):
    """What the keepalives of a link say, once a second: milliseconds, and the share lost (0-1)."""

    peer: PeerId
    rtt_ms: float
    jitter_ms: float
    loss: float


class Speaker(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is heard: the level is that of speech over the last second, dB below overload (-127 to 0)."""

    track: TrackId
    level_db: int


class Speakers(EngineEvent, frozen=True, tag="speakers"):
    """Who speaks in a room, the loudest first; said when that changes, at most every 300 ms."""

    room: RoomId
    speakers: tuple[Speaker, ...]


EngineMessage: TypeAlias = (
    Ready
    | Done
    | Described
    | LinkOpened
    | Failed
    | Statistics
    | PeerState
    | Offered
    | TrackStarted
    | LayersWanted
    | TrackRefused
    | LinkMessage
    | LinkMeasured
    | Speakers
)
