"""What a word of a far node is to this node, if it is believed: a pure function.

A node may speak of its own people, of rooms that we share with it and of tracks that we send it, and of nothing else.
What it asks is passed on to whoever answers. Words about rooms, legs and links themselves are none of this: cores of
their own take them (owner.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from relay.events import (
    ClockTold,
    HolderAsked,
    HolderTold,
    ReachAsked,
    ReachTold,
    RemoteChat,
    RemoteChatBefore,
    RemoteOrder,
    RemotePlan,
    RemoteRestriction,
    TraceAsked,
    TraceTold,
)
from signalling.mesh import link as words

if TYPE_CHECKING:
    from relay.events import RelayEvent
    from relay.legs import Legs
    from relay.rooms import Rooms
    from signalling.ids import NodeId

__all__ = ["Hearsay", "understand"]

Hearsay: TypeAlias = (
    words.RoomChat
    | words.ChatBefore
    | words.RestrictCodecs
    | words.RoomOrder
    | words.PlanWord
    | words.HolderQuestion
    | words.HolderWord
    | words.TraceQuestion
    | words.TraceWord
    | words.ReachQuestion
    | words.ReachWord
    | words.ClockWord
)
"""Words that are for the rest of the node."""


def understand(node: NodeId, word: Hearsay, *, rooms: Rooms, legs: Legs) -> RelayEvent | str:
    """Say what the node's word means here, or under which name it is counted as refused."""
    match word:
        case words.RoomChat():
            is_there = rooms.is_there(node, word.room, word.participant)
            return RemoteChat(node=node, chat=word) if is_there else "chat_refused"
        case words.ChatBefore(room=room, chats=chats):
            # Who said it may have left since; the room must be there, as the node said before.
            is_sound = rooms.has_room(node, room) and all(chat.room == room for chat in chats)
            return RemoteChatBefore(node=node, room=room, chats=chats) if is_sound else "chat_refused"
        case words.RestrictCodecs(track=track, codecs=codecs):
            is_sent = track in rooms.tracks_for(node)
            return RemoteRestriction(node=node, track=track, codecs=codecs) if is_sent else "restriction_refused"
        case words.KickOrder() | words.MuteOrder() | words.RoomAltered():
            is_shared = node in rooms.shared_with(word.room)
            return RemoteOrder(node=node, order=word) if is_shared else "order_refused"
        case words.RoomHops() | words.RoomPlan():
            is_shared = node in rooms.shared_with(word.room)
            return RemotePlan(node=node, word=word) if is_shared else "plan_refused"
        case words.HolderQuestion(session=session, room=room):
            # Of any room: who asks has nobody in it yet, so it is not shared. Only a seat there is at stake.
            return HolderAsked(node=node, session=session, room=room)
        case words.HolderWord(session=session, room=room, is_there=is_there):
            return HolderTold(node=node, session=session, room=room, is_there=is_there)
        case words.TraceQuestion(trace=trace, track=track, within_ms=within_ms):
            # Only of what it is sent: the answer says who publishes it, and how far that one is.
            asked = TraceAsked(node=node, trace=trace, track=track, within_ms=within_ms)
            return asked if legs.is_sent(node, track) else "trace_refused"
        case words.TraceWord(trace=trace, track=track, steps=steps, missing=missing):
            return TraceTold(node=node, trace=trace, track=track, steps=steps, missing=missing)
        case words.ReachQuestion(trace=trace, within_ms=within_ms):
            return ReachAsked(node=node, trace=trace, within_ms=within_ms)
        case words.ReachWord(trace=trace, rows=rows, code=code):
            return ReachTold(node=node, trace=trace, rows=rows, code=code)
        case words.ClockWord(trace=trace, at_s=at_s):
            return ClockTold(node=node, trace=trace, at_s=at_s)
