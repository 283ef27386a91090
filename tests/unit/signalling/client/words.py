"""One valid message of each kind, for tests that care about order rather than content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from signalling.client.messages import (
    Answer,
    AskMute,
    Chat,
    ChatHistory,
    ChatPage,
    ChatSent,
    Hello,
    Join,
    Joined,
    Kick,
    Leave,
    LockRoom,
    Measured,
    Mute,
    NodeReply,
    Ok,
    Prefer,
    Publish,
    Published,
    Trickle,
    Welcome,
)
from signalling.ids import DeviceId, MessageId, NodeId, ParticipantId, RoomId, SessionId, TrackId, UserId

if TYPE_CHECKING:
    from signalling.client.events import NodeRequest

WELCOME: Final = Welcome(
    session=SessionId("0" * 32),
    user=UserId("us_1"),
    device=DeviceId("de_1"),
    node=NodeId("paris"),
    region="eu-west",
    token="fresh",
    ping_interval_s=5.0,
    max_message_bytes=262_144,
)
JOINED: Final = Joined(
    room=RoomId("lobby"), participant=ParticipantId("pa_1"), participants=(), degraded=False, epoch=1
)

REQUESTS: Final[tuple[NodeRequest, ...]] = (
    Hello(token="t"),
    Join(room=RoomId("lobby"), attempt=1),
    Leave(),
    Publish(sdp="v=0", tracks=()),
    Answer(sdp="v=0", generation=1),
    Trickle(peer="publisher", candidate=""),
    Mute(track=TrackId("tr_1"), muted=True),
    Prefer(tracks=()),
    Chat(text="hi", nonce="1"),
    ChatHistory(before=MessageId("me_1"), limit=10),
    Kick(participant=ParticipantId("pa_2")),
    AskMute(participant=ParticipantId("pa_2"), track=TrackId("tr_1")),
    LockRoom(locked=True),
    Measured(rtts_ms={NodeId("ams-1"): 23.5}),
)

GRANTS: Final[dict[type[NodeRequest], NodeReply]] = {
    Hello: WELCOME,
    Join: JOINED,
    Leave: Ok(),
    Publish: Published(sdp="v=0", tracks={}),
    Answer: Ok(),
    Trickle: Ok(),
    Mute: Ok(),
    Prefer: Ok(),
    Chat: ChatSent(message=MessageId("me_1"), at_ms=0),
    ChatHistory: ChatPage(messages=(), more=False),
    Kick: Ok(),
    AskMute: Ok(),
    LockRoom: Ok(),
    Measured: Ok(),
}
