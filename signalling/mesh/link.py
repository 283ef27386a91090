"""What two nodes say over their link: rooms, tracks, wants and chat.

CBOR arrays on the link's reliable, ordered channel, at most :data:`MAX_LINK_MESSAGE_BYTES`
each. The link itself is encrypted and bound to both node keys, so nothing here is signed.
Everything but chat is a statement of how things are, not of what changed: saying it twice does
no harm, and a link that comes back starts with saying all of it again.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

from signalling.client.messages import MAX_CODECS, CodecName, MediaKind, ParticipantInfo, ParticipantName, TrackName
from signalling.ids import MessageId, NodeId, ParticipantId, RoomId, SessionId

MAX_LINK_MESSAGE_BYTES: Final = 60_000
"""Below the 64 KiB that SCTP stacks accept as one message; from 30 (long names, 16 tracks) to 200 participants."""

MAX_CARRIED_BYTES: Final = MAX_LINK_MESSAGE_BYTES - 256
"""With two names of nodes and the rest around it, it is one message."""

MAX_BEHIND: Final = 64
"""Nodes that are named behind a want: the origin needs to know one that may have the track."""

MAX_LINKS_REPORTED: Final = 512
"""Links in a report: at 40 B each, a report stays below what one message may have."""

MAX_TRACE_STEPS: Final = 16
"""More nodes than a path may have."""

MAX_TRACE_MS: Final = 5000
"""Longer than anybody waits for an explanation."""

MAX_REACH_ROWS: Final = 256
"""More nodes than a cluster has; at 100 bytes each they fill half a message."""

MAX_REACH_MS: Final = 60_000
"""Longer than any node needs to set up its links."""

MAX_PEOPLE_PLACED: Final = 128
MAX_HOPS_TOLD: Final = 8
"""People in one word about how far they are, and nodes for each: with names of 64 B, less than one message."""

TraceName: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
"""A trace, a node or a participant, as it is shown."""

OrderName: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
"""One decision of a moderator, named by the node that took it."""


class _LinkWord(msgspec.Struct, frozen=True, array_like=True):
    """A message on the link's control channel, a CBOR array that begins with its integer tag."""


class RoomState(_LinkWord, frozen=True, tag=1):
    """Who of the room is on my node, with their tracks: all of them, replacing what I said before.

    ``revision`` grows with every change on the sending boot; an older one is ignored.
    An empty ``participants`` says that the room no longer lives here. A room too large for one
    message is stated in several of the same revision, one behind the other: ``part`` counts them from 0, ``more`` says
    that the next one goes on. ``kept`` says of an empty one that people are here still, and that I tell you no more of
    them because nobody of the room is on your node.
    """

    room: RoomId
    revision: int
    participants: tuple[ParticipantInfo, ...]
    more: bool = False
    kept: bool = False
    part: int = 0


class Transit(msgspec.Struct, frozen=True, array_like=True):
    """For whom a track is wanted that goes through several nodes, and how it may come to the one who asks.

    Attributes:
        origin: The node that the track is from.
        level: Links from the origin to the one who asks, 1 when the origin itself is asked. The one who is asked
            must get the track over fewer, or refuse (``too_far``; ``no_way`` if it does not get it at all): so no
            leg ever leads back to where it came by.
        room: A room that the track is in.
        kind: What it is.
        behind: Who gets it in the end: the one who asks, if it has people who want it, and all that it passes it
            on to.
    """

    origin: NodeId
    level: int
    room: RoomId
    kind: MediaKind
    behind: Annotated[tuple[NodeId, ...], msgspec.Meta(max_length=MAX_BEHIND)]


class Want(_LinkWord, frozen=True, tag=2):
    """Send me that track, in frames numbered ``leg``. The one who wants picks the number.

    Without ``transit`` it is a track of yours that people on my node want. Said again with the same number, it says
    for whom from now on.
    """

    track: TrackName
    leg: int
    transit: Transit | None = None


class Unwant(_LinkWord, frozen=True, tag=3):
    """I no longer need what you send under this leg number."""

    leg: int


class WantRefused(_LinkWord, frozen=True, tag=4):
    """I cannot send that leg (``track_unknown``: it ended before your want came)."""

    leg: int
    code: str


class LegsTaken(_LinkWord, frozen=True, tag=17):
    """The first word of legs on an end: these go on, under the same numbers, no others.

    None do on a link that came up anew here: for the far node it may be one that it had, on another end.
    Whatever of a statement still comes on the former end is older than what is said here.
    """

    legs: tuple[int, ...]


class RoomChat(_LinkWord, frozen=True, tag=5):
    """Somebody on my node said something to the room.

    ``nonce`` is the client's own name for it, so that a repeat is known wherever it arrives; empty from a node
    that does not pass it on.
    """

    room: RoomId
    message: MessageId
    participant: ParticipantId
    name: str
    text: str
    at_ms: int
    nonce: str = ""


class RestrictCodecs(_LinkWord, frozen=True, tag=6):
    """Somebody on my node plays none but these codecs of that track of yours, and cannot see what you send.

    Replaces what I said of the track before; an empty list takes it back.
    """

    track: TrackName
    codecs: Annotated[tuple[CodecName, ...], msgspec.Meta(max_length=MAX_CODECS)]


class HolderQuestion(_LinkWord, frozen=True, tag=10):
    """Is that session of yours there? Somebody on my node wants the seat that it holds in the room."""

    session: SessionId
    room: RoomId


class HolderWord(_LinkWord, frozen=True, tag=11):
    """What I found when you asked for a session of mine: it answered, or is silent, or has no seat in the room."""

    session: SessionId
    room: RoomId
    is_there: bool


class ChatBefore(_LinkWord, frozen=True, tag=12):
    """This was said on my node before you heard of the room from me, or while we had no link; the oldest first.

    Who said it may have left since. Those are told who were there then, of each message once.
    """

    room: RoomId
    chats: tuple[RoomChat, ...]


class KickOrder(_LinkWord, frozen=True, tag=13):
    """A moderator on my node ends the seat of your participant. The same `order` acts once."""

    room: RoomId
    order: OrderName
    participant: ParticipantName


class MuteOrder(_LinkWord, frozen=True, tag=14):
    """A moderator on my node asks your participant to mute a track. The same `order` acts once."""

    room: RoomId
    order: OrderName
    participant: ParticipantName
    track: TrackName
    by: ParticipantName | None = None


class RoomAltered(_LinkWord, frozen=True, tag=15):
    """The definition of a room that lives on your node is another one: read it. Or the room was deleted: empty it."""

    room: RoomId
    order: OrderName
    is_deleted: bool = False


class TraceStep(msgspec.Struct, frozen=True, array_like=True):
    """One step of a track's way as the node at its end measured it; see ``node.explain.TrackStep`` for the units.

    Appended to only; ``sender`` is a participant for the first step of all, else a node.
    """

    is_link: bool
    sender: TraceName
    receiver: TraceName
    rtt_ms: float | None = None
    jitter_ms: float | None = None
    loss: float | None = None
    bitrate_bps: int | None = None


class TraceQuestion(_LinkWord, frozen=True, tag=20):
    """How does that track, which you send me, come to you? I wait for so many milliseconds."""

    trace: TraceName
    track: TrackName
    within_ms: Annotated[int, msgspec.Meta(ge=0, le=MAX_TRACE_MS)]


class TraceWord(_LinkWord, frozen=True, tag=21):
    """The steps from the publisher to me, in order. ``missing`` says by a stable code why the first are not there."""

    trace: TraceName
    track: TrackName
    steps: Annotated[tuple[TraceStep, ...], msgspec.Meta(max_length=MAX_TRACE_STEPS)]
    missing: Annotated[str, msgspec.Meta(max_length=64)] = ""


class ReachRow(msgspec.Struct, frozen=True, array_like=True):
    """How I reach a node; see ``node.reachability.Reach`` for the units. Appended to only."""

    node: TraceName
    state: Annotated[str, msgspec.Meta(max_length=32)]
    reason: Annotated[str, msgspec.Meta(max_length=64)] = ""
    setup_ms: float | None = None
    rtt_ms: float | None = None
    jitter_ms: float | None = None
    loss: float | None = None
    bandwidth_bps: int | None = None
    mtu: int | None = None
    clock_ms: float | None = None
    clock_error_ms: float | None = None


class ReachQuestion(_LinkWord, frozen=True, tag=22):
    """Which nodes do you reach, and how? I wait for so many milliseconds."""

    trace: TraceName
    within_ms: Annotated[int, msgspec.Meta(ge=0, le=MAX_REACH_MS)]


class ReachWord(_LinkWord, frozen=True, tag=23):
    """All nodes that I see, and how I reach each. ``code`` says why I did not look."""

    trace: TraceName
    rows: Annotated[tuple[ReachRow, ...], msgspec.Meta(max_length=MAX_REACH_ROWS)]
    code: Annotated[str, msgspec.Meta(max_length=64)] = ""


class ClockQuestion(_LinkWord, frozen=True, tag=24):
    """What time is it where you are?"""

    trace: TraceName


class ClockWord(_LinkWord, frozen=True, tag=25):
    """The wall clock when I heard you, in seconds since 1970."""

    trace: TraceName
    at_s: float


class LinkFigures(msgspec.Struct, frozen=True, array_like=True):
    """One link of mine that is up, as I measured what comes over it.

    Attributes:
        node: Who is at its other end.
        rtt_ms: Round trip, whole milliseconds and at least one; 0 while it is not measured.
        jitter_ms: Mean deviation of the arrival, whole milliseconds.
        loss_permille: Of a thousand things sent to me, so many did not arrive, before repair.
    """

    node: NodeId
    rtt_ms: int
    jitter_ms: int
    loss_permille: int


class LinkReport(msgspec.Struct, frozen=True, array_like=True):
    """All links of a node, replacing what it said before.

    Attributes:
        node: Whose links they are.
        boot: Its incarnation.
        sequence: Grows with every report of a boot; an older one is ignored.
        links: Those that are up and measured.
        passed: How often it was passed on; 0 when its author tells it. What was passed on is hearsay: the one who
            tells it vouches for having heard it, and nobody for what it says.
    """

    node: NodeId
    boot: int
    sequence: int
    links: Annotated[tuple[LinkFigures, ...], msgspec.Meta(max_length=MAX_LINKS_REPORTED)]
    passed: int = 0


class LinkReports(_LinkWord, frozen=True, tag=16):
    """These are the links of mine, or of nodes that you have no link with."""

    reports: tuple[LinkReport, ...]


class Hop(msgspec.Struct, frozen=True, array_like=True):
    """Somebody measured that node to be so far, whole milliseconds there and back. Appended to only."""

    node: NodeId
    rtt_ms: int


class PersonHops(msgspec.Struct, frozen=True, array_like=True):
    """How far one of my people is from nodes. Appended to only.

    Attributes:
        participant: Who.
        home: The node they came to, before they were led elsewhere.
        rtts: What they measured, of few nodes, the nearest.
    """

    participant: ParticipantName
    home: NodeId
    rtts: Annotated[tuple[Hop, ...], msgspec.Meta(max_length=MAX_HOPS_TOLD)] = ()


class RoomHops(_LinkWord, frozen=True, tag=26):
    """How far people of the room are who sit with me; of each it replaces what I said before."""

    room: RoomId
    people: Annotated[tuple[PersonHops, ...], msgspec.Meta(max_length=MAX_PEOPLE_PLACED)]


class RoomPlan(_LinkWord, frozen=True, tag=27):
    """What I decided of the room's people, replacing what I said before; it counts while I am the one who decides.

    Attributes:
        room: Which.
        node: Where all are to be; empty: each is at home, and the nodes relay.
        reason: A stable word, see ``relay.planner.PlanReason``.
        code: What speaks against the node before, where that is the reason.
        for_ms: How long it has been so.
    """

    room: RoomId
    node: NodeId
    reason: Annotated[str, msgspec.Meta(max_length=64)]
    code: Annotated[str, msgspec.Meta(max_length=64)] = ""
    for_ms: int = 0


class Carried(_LinkWord, frozen=True, tag=28):
    """What a node says to another one that it has no link with: I pass it on, or am to pass it on.

    Attributes:
        origin: Who says it.
        target: To whom.
        boot: The origin's incarnation.
        sequence: One more with each word of that boot to this target; an older one is ignored, a gap asks for a hello.
        data: The word as it would go over a link; empty says hello: there is a way, state all you have to say.
        answers: Of a hello: it answers yours, or nothing, and wants no answer.
    """

    origin: NodeId
    target: NodeId
    boot: int
    sequence: int
    data: Annotated[bytes, msgspec.Meta(max_length=MAX_CARRIED_BYTES)]
    answers: bool = False


PlanWord: TypeAlias = RoomHops | RoomPlan
"""What nodes tell each other to place a room's people; believed of every node that we share the room with."""

RoomOrder: TypeAlias = KickOrder | MuteOrder | RoomAltered
"""What somebody decided about a room; believed of every node that we share the room with."""

LinkMessage: TypeAlias = (
    RoomOrder
    | PlanWord
    | TraceQuestion
    | TraceWord
    | ReachQuestion
    | ReachWord
    | ClockQuestion
    | ClockWord
    | RoomState
    | Want
    | Unwant
    | WantRefused
    | LegsTaken
    | RoomChat
    | RestrictCodecs
    | HolderQuestion
    | HolderWord
    | ChatBefore
    | LinkReports
    | Carried
)
