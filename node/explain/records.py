"""What an explanation of a track says."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from signalling.client.messages import MediaKind
from signalling.ids import NodeId, ParticipantId, RoomId, TrackId

__all__ = ["StepKind", "TrackExplained", "TrackStep", "TrackWay"]

StepKind: TypeAlias = Literal["publisher", "link", "subscriber"]


class TrackStep(msgspec.Struct, frozen=True, kw_only=True, rename={"sender": "from", "receiver": "to"}):
    """One step of the way; what is None is not measured there, or not yet.

    Attributes:
        kind: From the publisher to its node, from node to node, or from a node to who receives.
        sender: The participant or node at its beginning.
        receiver: The one at its end.
        rtt_ms: Round trip, milliseconds: of a link by its keepalives, else by RTCP.
        jitter_ms: Variation of arrival, milliseconds (RFC 3550 section 6.4.1).
        loss: Share of packets that this step lost of late, before repair, 0 to 1.
        bitrate_bps: What of this track went over it in the half second before the answer, bits per second.
        state: Of a picture on its way to who receives it: ``waiting``, ``flowing``, ``paused`` or ``starved``.
        encoding: Rank of the simulcast stream that is sent there.
        spatial: The highest spatial layer that is sent there.
        temporal: The highest temporal layer that is sent there.
        height: Lines of the picture that is sent there.
    """

    kind: StepKind
    sender: str
    receiver: str
    rtt_ms: float | None = None
    jitter_ms: float | None = None
    loss: float | None = None
    bitrate_bps: int | None = None
    state: str | None = None
    encoding: int | None = None
    spatial: int | None = None
    temporal: int | None = None
    height: int | None = None


class TrackWay(msgspec.Struct, frozen=True, kw_only=True):
    """One way that the track could take, as the node that answers weighs it.

    Attributes:
        path: Nodes from the track's own to the one that answers, as the way is expected to be.
        cost_ms: Half the round trips, jitter, what losses cost and a little for each hop: what the choice is made by.
        taken: It is the one that is taken.
        reason: Why it was taken: ``first``, ``better``, ``broken`` (the one before) or ``refused`` (by its first hop).
    """

    path: tuple[NodeId, ...]
    cost_ms: float
    taken: bool
    reason: str


class TrackExplained(msgspec.Struct, frozen=True, kw_only=True):
    """How a track gets here, and from here to people.

    Attributes:
        trace: Name of this question, in the logs of all nodes that were asked.
        track: The track.
        room: Its room.
        publisher: Whose it is.
        origin: The node on which that one is.
        asked: The node that answers.
        kind: Sound or picture.
        codec: As it comes in here; empty while nothing does.
        steps: From the publisher to the node that answers, in order; where a node did not answer, the way begins
            behind it.
        receivers: The last step, to each of those that may be seen by who asks.
        missing: Why steps are missing at the beginning: a stable code, empty when none is.
        verdict: The way in a sentence.
        ways: The way and its alternatives, the cheapest first; none for a track of this node.
    """

    trace: str
    track: TrackId
    room: RoomId
    publisher: ParticipantId
    origin: NodeId
    asked: NodeId
    kind: MediaKind
    codec: str
    steps: tuple[TrackStep, ...]
    receivers: tuple[TrackStep, ...]
    missing: str
    verdict: str
    ways: tuple[TrackWay, ...] = ()
