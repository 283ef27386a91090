"""Which request is in season when, and where it and its reply lead: the tables of a client's connection.

:mod:`signalling.client.protocol` tells the theory and runs them.
"""

from __future__ import annotations

from enum import StrEnum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from signalling.client.messages import (
    Answer,
    AskMute,
    Chat,
    ChatHistory,
    ChatPage,
    ChatSent,
    Error,
    Hello,
    Join,
    Joined,
    Kick,
    Leave,
    LockRoom,
    Measured,
    Mute,
    Ok,
    Prefer,
    Publish,
    Published,
    Trickle,
    Welcome,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalling.client.messages import NodeReply, Request

__all__ = ["AFTER_REPLY", "AFTER_SEAT_LOST", "NEEDS_SEAT", "REPLY_TO", "SEASON", "State"]


class State(StrEnum):
    """Where a connection stands."""

    PROBE = auto()
    GREETING = auto()
    GREETED = auto()
    JOINING = auto()
    IN_ROOM = auto()
    LEAVING = auto()
    CLOSED = auto()


SEASON: Final[Mapping[State, Mapping[type[Request], State]]] = MappingProxyType(
    {
        State.PROBE: {Hello: State.GREETING},
        State.GREETING: {},
        State.GREETED: {Join: State.JOINING},
        State.JOINING: {},
        State.IN_ROOM: {
            Leave: State.LEAVING,
            Publish: State.IN_ROOM,
            Answer: State.IN_ROOM,
            Trickle: State.IN_ROOM,
            Mute: State.IN_ROOM,
            Prefer: State.IN_ROOM,
            Chat: State.IN_ROOM,
            ChatHistory: State.IN_ROOM,
            Kick: State.IN_ROOM,
            AskMute: State.IN_ROOM,
            LockRoom: State.IN_ROOM,
            Measured: State.IN_ROOM,
        },
        State.LEAVING: {},
        State.CLOSED: {},
    }
)
"""Which request is taken in which state, and the state from then on."""

REPLY_TO: Final[Mapping[type[Request], type[NodeReply]]] = MappingProxyType(
    {
        Hello: Welcome,
        Join: Joined,
        Leave: Ok,
        Publish: Published,
        Answer: Ok,
        Trickle: Ok,
        Mute: Ok,
        Prefer: Ok,
        Chat: ChatSent,
        ChatHistory: ChatPage,
        Kick: Ok,
        AskMute: Ok,
        LockRoom: Ok,
        Measured: Ok,
    }
)
"""What answers a request that is granted; :class:`Error` answers any."""

AFTER_REPLY: Final[Mapping[tuple[State, type[Request], type[NodeReply]], State]] = MappingProxyType(
    {
        (State.GREETING, Hello, Welcome): State.GREETED,
        (State.JOINING, Join, Joined): State.IN_ROOM,
        (State.JOINING, Join, Error): State.GREETED,
        (State.LEAVING, Leave, Ok): State.GREETED,
        (State.LEAVING, Leave, Error): State.IN_ROOM,
    }
)
"""The state after a reply, where it changes. A refused ``hello`` closes instead."""

AFTER_SEAT_LOST: Final[Mapping[State, State]] = MappingProxyType(
    {State.IN_ROOM: State.GREETED, State.LEAVING: State.GREETED}
)
"""The state after the node took the seat away, where it changes."""

NEEDS_SEAT: Final = frozenset(SEASON[State.IN_ROOM])
