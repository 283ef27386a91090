"""How a node answers a request."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from signalling.client.messages.events import ChatMessage
from signalling.client.messages.parts import ParticipantInfo
from signalling.ids import DeviceId, MessageId, NodeId, ParticipantId, RoomId, SessionId, TrackId, UserId

__all__ = ["ChatPage", "ChatSent", "Error", "Joined", "NodeReply", "Ok", "Pong", "Published", "Reply", "Welcome"]


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag_field="topic", omit_defaults=True):
    """What every reply carries: the ``id`` of its request, if that had one."""

    id: int | None = None


class Welcome(Reply, frozen=True, kw_only=True, tag="welcome"):
    """You have a session. ``token`` is a fresh session token that names it.

    ``features`` names what this node understands beyond the first version of the vocabulary: as nodes refuse unknown
    fields, a client asks for no more than is named. ``chat_after``, ``chat_seen``: those fields of :class:`Join`.
    ``chat_history``: that request.
    """

    session: SessionId
    user: UserId
    device: DeviceId
    node: NodeId
    region: str
    token: str
    ping_interval_s: float
    max_message_bytes: int
    features: tuple[str, ...] = ()


class Joined(Reply, frozen=True, kw_only=True, tag="joined"):
    """You have a seat; ``participants`` are the others, yourself excluded.

    ``degraded`` says that the store could not be asked, ``degraded_reasons`` what is then only as good as what this
    node knows: ``bans``, ``caps``, the ``order`` of joins from other devices; the room's ``definition`` where the
    node has never read it, and ``access`` where nobody could check yet whether you may be here. More may come.
    ``missed`` is what was said since the message that ``chat_after`` named, oldest first; ``missed_more`` says that
    older ones were left out.
    ``moderates`` says that you may kick, ask to mute and lock here, ``locked`` that nobody more is let in.
    """

    room: RoomId
    participant: ParticipantId
    participants: tuple[ParticipantInfo, ...]
    degraded: bool
    epoch: int
    missed: tuple[ChatMessage, ...] = ()
    missed_more: bool = False
    moderates: bool = False
    locked: bool = False
    degraded_reasons: tuple[str, ...] = ()


class Published(Reply, frozen=True, kw_only=True, tag="published"):
    """The node's SDP answer to a :class:`Publish`, and the id of each track by its mid."""

    sdp: str
    tracks: dict[str, TrackId]


class ChatSent(Reply, frozen=True, kw_only=True, tag="chat_sent"):
    """Your message was accepted under this id, at this time (milliseconds since 1970)."""

    message: MessageId
    at_ms: int


class ChatPage(Reply, frozen=True, kw_only=True, tag="chat_page"):
    """What was said in the room, oldest first; ``more`` says that there is older still."""

    messages: tuple[ChatMessage, ...]
    more: bool


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


NodeReply: TypeAlias = Welcome | Joined | Published | ChatSent | ChatPage | Ok | Pong | Error
