"""What a client asks of its node; each gets one reply."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from signalling.client.messages.parts import (
    MAX_CHAT_CHARACTERS,
    MAX_CHAT_PAGE,
    MAX_CHAT_SEEN,
    MAX_MEASURED_NODES,
    MAX_RTT_MS,
    MAX_TRACKS_PER_PARTICIPANT,
    MAX_TRACKS_PREFERRED,
    PROTOCOL_VERSION,
    Attempt,
    ClientPeer,
    MessageName,
    ParticipantName,
    PinText,
    RequestId,
    Sdp,
    TokenText,
    TrackIntent,
    TrackName,
    TrackPreference,
)
from signalling.ids import NodeId, RoomId

__all__ = [
    "Answer",
    "AskMute",
    "Chat",
    "ChatHistory",
    "ClientMessage",
    "Hello",
    "Join",
    "Kick",
    "Leave",
    "LockRoom",
    "Measured",
    "Mute",
    "Ping",
    "PongReply",
    "Prefer",
    "Publish",
    "Request",
    "Trickle",
]


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


MeasuredRtts: TypeAlias = Annotated[
    dict[NodeId, Annotated[float, msgspec.Meta(ge=0, le=MAX_RTT_MS)]],
    msgspec.Meta(max_length=MAX_MEASURED_NODES),
]
"""Round trips by the node's name, milliseconds."""


class Join(Request, frozen=True, kw_only=True, tag="join"):
    """Take a seat. Answered by :class:`Joined`.

    With ``room_token`` this is the second of two steps; without, the node does both.
    ``chat_after`` names the last chat message that the client has seen: what was said since comes with the reply.
    ``chat_seen`` names the newest that it has seen, in any order, that one among them: after a change of nodes they are
    not said again, however late they come here, and what was not seen between them is.
    ``invitation`` or ``pin`` are for rooms that ask for one; with a room token they were shown when it was minted.
    ``moves`` says that the client understands :class:`Move`; for nodes whose welcome names the feature `move`.
    ``gathers`` says that it may be led where its room gathers, as it does not insist on this node, and ``rtts_ms`` how
    far it measured nodes to be; for nodes whose welcome names the feature `gather`.
    """

    room: RoomId
    attempt: Attempt
    room_token: TokenText | None = None
    chat_after: MessageName | None = None
    chat_seen: Annotated[tuple[MessageName, ...], msgspec.Meta(max_length=MAX_CHAT_SEEN)] = ()
    invitation: TokenText | None = None
    pin: PinText | None = None
    moves: bool = False
    gathers: bool = False
    rtts_ms: MeasuredRtts = {}

    def __repr__(self) -> str:
        """Leave out what lets somebody in: requests end up in tracebacks."""
        return f"Join({self.room}, {self.attempt})"


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


class ChatHistory(Request, frozen=True, kw_only=True, tag="chat_history"):
    """What was said in the room, the newest ``limit`` messages, or those before one. Answered by :class:`ChatPage`."""

    before: MessageName | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHAT_PAGE)] = 50


class Kick(Request, frozen=True, kw_only=True, tag="kick"):
    """End somebody's seat; for the room's owner and admins. Answered by :class:`Ok`.

    ``ban_s`` keeps the user out for so many seconds as well. Whoever is kicked hears :class:`SeatLost`.
    """

    participant: ParticipantName
    ban_s: Annotated[float, msgspec.Meta(gt=0)] | None = None


class AskMute(Request, frozen=True, kw_only=True, tag="ask_mute"):
    """Ask somebody to mute a track; for the room's owner and admins. Answered by :class:`Ok`.

    They hear :class:`MuteAsked`, and decide by themselves.
    """

    participant: ParticipantName
    track: TrackName


class LockRoom(Request, frozen=True, kw_only=True, tag="lock_room"):
    """Let nobody more in, or let people in again; for the room's owner and admins. Answered by :class:`Ok`."""

    locked: bool


class Measured(Request, frozen=True, kw_only=True, tag="measured"):
    """Say how far nodes are from me, as I measured it just now. Answered by :class:`Ok`.

    For those who said ``moves`` with their join, and nodes whose welcome names the feature `measured`. Where another
    node is clearly better for the session's place in the room, a :class:`Move` with the reason `nearer` follows. A
    client that wants to stay where it is does not ask.

    Attributes:
        rtts_ms: Round trips by the node's name, milliseconds; a node that was not reached is not in it.
    """

    rtts_ms: MeasuredRtts


class Ping(Request, frozen=True, kw_only=True, tag="ping"):
    """Are you there? Answered by :class:`Pong`; may be sent on a socket that never says hello."""


class PongReply(Request, frozen=True, kw_only=True, tag="pong"):
    """Answer to the node's :class:`NodePing`, repeating its ``n``. Has no reply of its own."""

    n: int


ClientMessage: TypeAlias = (
    Hello
    | Join
    | Leave
    | Publish
    | Answer
    | Trickle
    | Mute
    | Prefer
    | Chat
    | ChatHistory
    | Kick
    | AskMute
    | LockRoom
    | Measured
    | Ping
    | PongReply
)
