"""Chat at work: said once, acknowledged when it is stored, found again by who was away.

A message is told at once, here and to the room's other nodes, and acknowledged when the store has it or did not
answer in its deadline (then the acknowledgement is as good as this node and the others' memory, and is counted). So
an acknowledged message outlives this process. Whoever says something first on a new seat may be repeating what
another node took just before it died: the store is asked once a seat for what is known of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from session.chat import newest_within
from session.room_talk import MAX_MISSED, Missed
from signalling.client.messages import ChatPage, ChatSent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.conductor.stage import Stage
    from session import ChatHistory, ChatStatistics
    from signalling.client.messages import Chat, Join
    from signalling.ids import MessageId, ParticipantId, RoomId, SessionId
    from signalling.mesh.link import RoomChat

MAX_RECALLED: Final = MAX_MISSED
"""Messages that the store is asked for at once, for who was away and for what is a repeat."""


class ChatDesk:
    """Answers about chat.

    Args:
        stage: Has the rooms, and tells their people.
        history: What is stored.
    """

    def __init__(self, *, stage: Stage, history: ChatHistory) -> None:
        self._stage = stage
        self._talk = stage.rooms.talk
        self._history = history

    async def say(self, session: SessionId, chat: Chat) -> ChatSent:
        """Say something; returns when it is stored, or the store did not answer in time.

        When it is cancelled, the message was said; the same nonce gives its id.

        Raises:
            Refused: `not_in_room`.
        """
        await self._look_back(session, chat.nonce)
        accepted = self._talk.say(session, nonce=chat.nonce, text=chat.text)
        self._stage.carry_out(accepted.effects)
        if self._history.is_on:
            # A repeat too: the first time the store may have been away.
            await self._history.append(accepted.chat)
        return ChatSent(message=accepted.chat.message, at_ms=accepted.chat.at_ms)

    async def _look_back(self, session: SessionId, nonce: str) -> None:
        """Before the first message of a seat: what other nodes took of this participant and could not tell us."""
        room = self._stage.rooms.room_of(session)
        if room is None or not self._history.is_on or self._talk.has_looked_back(session):
            return
        if self._talk.find_own(session, nonce) is not None:
            return
        stored = await self._history.read(room, limit=MAX_RECALLED)
        if stored is not None:  # else the next message asks again
            self._stage.carry_out(self._talk.hear_late(room, stored))
            self._talk.looked_back(session)

    async def recall(self, room: RoomId, after: MessageId | None) -> tuple[RoomChat, ...] | None:
        """Before a seat is taken: what the store knows, for who was away; None when it was not asked or is away."""
        if after is None or not self._history.is_on:
            return None
        return await self._history.read(room, limit=MAX_RECALLED)

    def resume(
        self, session: SessionId, join: Join, stored: tuple[RoomChat, ...] | None, *, is_unchecked: bool
    ) -> Missed:
        """What a session missed that took its seat this moment; nothing may wait before the reply that carries it.

        Whoever could not be checked yet is told nothing of before, not even what comes late, until they are
        (:mod:`node.conductor.unchecked`).
        """
        room, after = join.room, join.chat_after
        if is_unchecked:
            self._talk.hold(session)
            return Missed(more=after is not None)
        if after is None:
            return Missed()
        self._talk.hold(session)
        if stored is not None:
            self._stage.carry_out(self._talk.hear_late(room, stored))
            self._talk.looked_back(session)
        missed = self._talk.resume(session, after, join.chat_seen)
        # All that the store gave is newer than what was seen: there may be more that it was not asked for.
        is_short = stored is not None and len(stored) >= MAX_RECALLED and stored[0].message > after
        return Missed(messages=missed.messages, more=missed.more or is_short)

    async def page(self, room: RoomId, *, before: MessageId | None, limit: int) -> ChatPage:
        """What was said in a room, from the store and from this node's memory of what the store may have missed."""
        stored: tuple[RoomChat, ...] | None = ()
        if self._history.is_on:
            stored = await self._history.read(room, before=before, limit=limit + 1)
        chats = _merged(stored or (), self._talk.known(room, before), limit + 1)
        told = newest_within(chats, limit)
        return ChatPage(messages=told, more=len(told) < len(chats))

    def statistics(self) -> ChatStatistics:
        """How the history fares."""
        return self._history.statistics()


def _merged(stored: tuple[RoomChat, ...], known: tuple[RoomChat, ...], limit: int) -> tuple[RoomChat, ...]:
    """The newest of both by id, each message once: two nodes that could not hear each other may both have stored it."""
    chats: Mapping[MessageId, RoomChat] = {chat.message: chat for chat in (*stored, *known)}
    first: dict[tuple[ParticipantId, str], MessageId] = {}
    for message in sorted(chats):
        chat = chats[message]
        first.setdefault((chat.participant, chat.nonce or message), message)
    return tuple(chats[message] for message in sorted(first.values()))[-limit:]
