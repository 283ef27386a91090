"""What happens to one client's connection, and what is to be done about it.

:class:`~signalling.client.protocol.ClientProtocol` takes the events and gives the effects. All of
them are values; times are seconds on any clock that only goes forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from signalling.client.messages import (
    Answer,
    AskMute,
    Chat,
    ChatHistory,
    Hello,
    Join,
    Kick,
    Leave,
    LockRoom,
    Measured,
    Mute,
    NodeEvent,
    NodeMessage,
    NodeReply,
    Prefer,
    Publish,
    Trickle,
)

if TYPE_CHECKING:
    from signalling.errors import ErrorCode

NodeRequest: TypeAlias = (
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
)
"""The requests that the node answers; ``ping`` and ``pong`` stay inside the protocol."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """A whole WebSocket message came, text or binary."""

    data: str | bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplyReady:
    """The node has the answer to what :class:`Deliver` gave it under ``handle``.

    The reply's ``id`` is filled in by the protocol; what the node puts there is ignored.
    """

    handle: int
    reply: NodeReply


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """The node has something to tell that nobody asked for. Only after ``welcome``."""

    event: NodeEvent


@dataclass(frozen=True, kw_only=True, slots=True)
class CloseWanted:
    """The node wants this connection to end. Without a code nothing was wrong."""

    code: ErrorCode | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PingWanted:
    """The node has to know whether the client is there: a pong within so many seconds, or the connection is dropped."""

    within_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TimePassed:
    """The time that ``next_deadline()`` named has come. Too early or too late does no harm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disconnected:
    """The socket is gone: nothing can be said any more."""


ProtocolEvent: TypeAlias = Received | ReplyReady | Push | CloseWanted | PingWanted | TimePassed | Disconnected


@dataclass(frozen=True, kw_only=True, slots=True)
class Deliver:
    """Here is a request for the node, in order and in season. Answer with :class:`ReplyReady`."""

    handle: int
    request: NodeRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Send:
    """Send this to the client."""

    message: NodeMessage


@dataclass(frozen=True, kw_only=True, slots=True)
class Close:
    """Close the socket after what was sent before. Nothing follows; late replies are dropped.

    Attributes:
        close_code: The number for the close frame (:mod:`signalling.client.closing`).
        code: The stable code, and the frame's reason; ``None`` when nothing was wrong.
        reason: The sentence, for the log: the client got it as an ``error`` message.
    """

    close_code: int
    code: ErrorCode | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """The client answered the ping that was on its way: it is there."""


ProtocolEffect: TypeAlias = Deliver | Send | Close | Answered
