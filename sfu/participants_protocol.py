"""The words between a driver of synthetic participants and the program that plays them.

Framing and conventions are those of :mod:`sfu.protocol`. The driver (Python) does the signalling
of each participant, the program its media: it offers the publisher's peer connection and answers
the offers for the subscriber's, as a browser would.

Every packet ends in a *stamp*: who sent it (a number that the driver picked), which kind, how many
of them before, and when by the machine's monotonic clock. Receivers report by what they read
there, so a packet that went to the wrong person shows, as do a lost, doubled or late one. Clocks
are only comparable on one machine.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

from sfu.protocol import Command, Described, Done, EngineEvent, EngineReply, Failed
from signalling.client.messages import ClientPeer, MediaKind

PARTICIPANTS_PROTOCOL: Final = 1
"""Raised with every change that an older program or driver would misread; checked at hello."""

PeerProgress: TypeAlias = Literal["none", "connecting", "connected", "closed"]


class Hello(Command, frozen=True, tag="hello"):
    """First command. Answered by :class:`Ready`.

    Attributes:
        protocol: :data:`PARTICIPANTS_PROTOCOL` of the driver.
        address: Address that every peer connection binds a UDP socket of its own to.
    """

    protocol: int
    address: str


class Open(Command, frozen=True, tag="open"):
    """Bring a participant to life, or build both its peer connections anew. Answered by :class:`Opened`.

    Anew keeps its counters and goes on with its sequence numbers; its plan is replaced.

    Attributes:
        participant: The driver's name for it.
        stamp: What its packets say about who sent them.
        video_frames_per_s: 0 for no video, else up to 60.
        video_bits_per_s: Payload rate to aim at; no frame is smaller than its picture (some 300 B).
        audio: Whether it sends audio, a packet every 20 ms.
    """

    participant: str
    stamp: int
    video_frames_per_s: int
    video_bits_per_s: int
    audio: bool


class Published(Command, frozen=True, tag="published"):
    """The answer to the publisher's offer. Answered by ``Done``; media flows once connected."""

    participant: str
    sdp: str


class Offered(Command, frozen=True, tag="offered"):
    """An offer for the subscriber; the first opens it. Answered by ``Described``."""

    participant: str
    sdp: str


class Close(Command, frozen=True, tag="close"):
    """End a participant, unknown ones too; its counters go with it. Answered by ``Done``."""

    participant: str


class GetReport(Command, frozen=True, tag="get_report"):
    """Read all counters. Answered by :class:`Report`."""


class GetTimings(Command, frozen=True, tag="get_timings"):
    """Read when everything came. Answered by :class:`Timings`; a program from before it says ``malformed_command``."""


DriverCommand: TypeAlias = Hello | Open | Published | Offered | Close | GetReport | GetTimings


class Ready(EngineReply, frozen=True, tag="ready"):
    """The program serves."""

    protocol: int
    version: str


class SentTrack(msgspec.Struct, frozen=True, kw_only=True):
    """What an m-line of the publisher's offer sends."""

    mid: str
    kind: MediaKind


class Opened(EngineReply, frozen=True, tag="opened"):
    """The publisher's offer, all candidates included; empty for one who sends nothing."""

    sdp: str
    tracks: tuple[SentTrack, ...]


class SentMedia(msgspec.Struct, frozen=True, kw_only=True):
    """What a participant has sent of one kind.

    Attributes:
        kind: Sound or picture.
        packets: Handed to the transport since the participant was first opened.
        bytes: Their payload.
        keyframe_requests: Asked of it; each of its frames is a keyframe anyway.
    """

    kind: MediaKind
    packets: int
    bytes: int
    keyframe_requests: int


class ReceivedMedia(msgspec.Struct, frozen=True, kw_only=True):
    """What a participant has received of one kind from one sender.

    Attributes:
        stamp: The sender, as its packets say.
        kind: Sound or picture, as its packets say.
        mid: The m-line that carried the last packet.
        packets: Different ones received.
        bytes: Their payload.
        lost: Between the first packet and the newest, never received, or later than ``late`` counts.
        missing: Not received so far, not yet given up: the newest 256 packets still may come.
        duplicates: Received again.
        reordered: Received after a newer one, in time.
        late: Received after they were given up as lost.
        delay_p50_ms: Median time from the sender's clock to reception, exact to 3 %.
        delay_p99_ms: The same of the slowest hundredth.
        delay_max_ms: The slowest.
        first_packet_ms: From the (first) opening of the receiver to the first packet.
        longest_gap_ms: The longest silence between two packets so far, the present one included.
    """

    stamp: int
    kind: MediaKind
    mid: str
    packets: int
    bytes: int
    lost: int
    missing: int
    duplicates: int
    reordered: int
    late: int
    delay_p50_ms: float
    delay_p99_ms: float
    delay_max_ms: float
    first_packet_ms: float
    longest_gap_ms: float


class ParticipantReport(msgspec.Struct, frozen=True, kw_only=True):
    """One participant's counters.

    Attributes:
        participant: The driver's name for it.
        stamp: What its packets say.
        publisher: How far that peer connection is.
        subscriber: How far that one is.
        sent: One entry for each kind it sends.
        received: One entry for each sender and kind.
        foreign_packets: Received without a stamp, from a browser for instance.
    """

    participant: str
    stamp: int
    publisher: PeerProgress
    subscriber: PeerProgress
    sent: tuple[SentMedia, ...]
    received: tuple[ReceivedMedia, ...]
    foreign_packets: int


class Report(EngineReply, frozen=True, tag="report"):
    """Counters of all participants."""

    participants: tuple[ParticipantReport, ...]


class MediaTiming(msgspec.Struct, frozen=True, kw_only=True):
    """When what a participant has received of one kind from one sender came. Duplicates are left out.

    Attributes:
        stamp: The sender, as its packets say.
        kind: Sound or picture, as its packets say.
        packets: As in :class:`ReceivedMedia`, as are the next three.
        bytes: Their payload.
        lost: Given up.
        missing: Not received so far, and not given up.
        delay_sum_ms: All delays, from the sender's clock to reception.
        jitter_sum_ms: All differences of the delays of packets that came one after the other.
        recent_gap_ms: The longest silence since this was asked last, the present one included.
        freezes: Silences of more than 200 ms, the present one included.
        frozen_ms: How long these were together.
        first_frame_ms: From the (first) opening of the receiver until a frame was whole; a packet of sound always is.
        delays_us: (greatest delay, packets) of each step that has some, ascending; steps are 3 % wide.
        jitters_us: The same of the differences.
    """

    stamp: int
    kind: MediaKind
    packets: int
    bytes: int
    lost: int
    missing: int
    delay_sum_ms: float
    jitter_sum_ms: float
    recent_gap_ms: float
    freezes: int
    frozen_ms: float
    first_frame_ms: float | None
    delays_us: tuple[tuple[int, int], ...]
    jitters_us: tuple[tuple[int, int], ...]


class ParticipantTimings(msgspec.Struct, frozen=True, kw_only=True):
    """One participant's times.

    Attributes:
        participant: The driver's name for it.
        sent: One entry for each kind it sends.
        received: One entry for each sender and kind.
    """

    participant: str
    sent: tuple[SentMedia, ...]
    received: tuple[MediaTiming, ...]


class Timings(EngineReply, frozen=True, tag="timings"):
    """Times of all participants."""

    participants: tuple[ParticipantTimings, ...]


class Progress(EngineEvent, frozen=True, tag="progress"):
    """A peer connection got connected or ended; ``reason`` is a stable code, empty when connected."""

    participant: str
    peer: ClientPeer
    state: Literal["connected", "closed"]
    reason: str


ProgramMessage: TypeAlias = Ready | Opened | Done | Described | Report | Timings | Failed | Progress
