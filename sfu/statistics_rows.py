"""What an engine counts and measures, one row for each worker, peer, track, leg and the like.

Rows of :class:`sfu.protocol.Statistics`, and part of its schema.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from signalling.client.messages import MediaKind
from signalling.ids import PeerId, TrackId


class WorkerStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One worker thread since it was started.

    Attributes:
        worker: Its index.
        peers: Peers that it serves.
        tracks: Tracks that flow through it; one that crosses between workers counts on each.
        turns: Rounds of reading, forwarding and sending.
        busy_ms: Time in turns, milliseconds; between two readings it tells the load.
        waiting: Commands and packets from other workers that it has taken and not looked at.
    """

    worker: int
    peers: int
    tracks: int
    turns: int
    busy_ms: int
    waiting: int


class PeerStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of one peer since it was opened.

    What is ``None`` is not known (yet). The peer's transport says what it measured every 2 s.

    Attributes:
        worker: Index of the worker that serves it.
        packets_in: RTP packets of it that opened; ``bytes_in`` counts them with their headers.
        packets_out: RTP packets sent to it, resends not counted; ``bytes_out`` likewise.
        nacks: Requests for resends: asked of a publisher, heard from a subscriber.
        keyframe_requests: Requests for whole pictures, likewise.
        rtt_ms: Round trip, milliseconds; of a link by its keepalives, else by RTCP.
        jitter_ms: Of a link's keepalives, milliseconds (RFC 3550 section 6.4.1).
        loss: Share of the packets lost of late, 0 to 1: from a publisher, to a subscriber, from a link.
        estimate_bps: What the way to it is thought to carry, bits per second; of a link only while its path limits it.
        desired_bps: What the layers that it wants would take, bits per second.
        handshake_ms: From its opening to its first connection, milliseconds.
    """

    peer: PeerId
    kind: Literal["publisher", "subscriber", "link"]
    state: Literal["connecting", "connected", "suspect"]
    worker: int = 0
    packets_in: int
    bytes_in: int
    packets_out: int
    bytes_out: int
    nacks: int = 0
    keyframe_requests: int = 0
    rtt_ms: float | None = None
    jitter_ms: float | None = None
    loss: float | None = None
    estimate_bps: int | None = None
    desired_bps: int | None = None
    handshake_ms: float | None = None


class TrackStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of one track since its first packet: what came in, to how many it goes.

    Attributes:
        relayed: It comes over a link, not from a publisher of this engine.
        packets: RTP packets that came in; ``bytes`` counts them with their headers.
        keyframe_requests: Whole pictures asked of its source, after throttling.
        nacks: Resends asked of its publisher.
        subscribers: Lines of subscribers that it goes to.
        legs: Links that it goes to.
        jitter_ms: As it comes from its publisher, milliseconds (RFC 3550 section 6.4.1); the worst of its streams.
        loss: Share lost on the way from its publisher, 0 to 1; the worst of its streams.
    """

    track: TrackId
    kind: MediaKind
    codec: str
    relayed: bool
    packets: int
    bytes: int
    keyframe_requests: int
    nacks: int = 0
    subscribers: int
    legs: int
    jitter_ms: float | None = None
    loss: float | None = None


class LegStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of one track on one link since the leg was opened.

    Attributes:
        peer: The link.
        leg: The leg's number there.
        track: What it carries.
        outgoing: We send it.
        packets: Frames that were carried; ``bytes`` counts them whole, without RTP headers.
    """

    peer: PeerId
    leg: int
    track: TrackId
    outgoing: bool
    packets: int
    bytes: int


class LineStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """The picture on one line of a subscriber, as it goes out now.

    Attributes:
        peer: The subscriber.
        track: What the line carries.
        state: ``waiting`` for its track or a keyframe, ``flowing``, ``paused`` as its page wants, or
            ``starved``: it gets nothing because it does not fit the bandwidth.
        encoding: Rank of the simulcast stream that it gets; ``None`` while nothing flows, here and below.
        spatial: The highest spatial layer that it gets.
        temporal: The highest temporal layer that it gets.
        height: Lines of the picture, where its source said them.
        bitrate_bps: What these layers measured in the last second, bits per second of RTP.
    """

    peer: PeerId
    track: TrackId
    state: Literal["waiting", "flowing", "paused", "starved"]
    encoding: int | None
    spatial: int | None
    temporal: int | None
    height: int | None
    bitrate_bps: int
