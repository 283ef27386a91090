"""Who is told what of the chat of live rooms: the half of the rooms' core that is about words, not about people."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from session.chat import as_event, newest_within
from session.room_effects import SayToNodes, Tell
from session.room_visits import SAME_VISIT_MS
from signalling.client.messages import MAX_CHAT_SEEN
from signalling.errors import Refused
from signalling.ids import first_id_at, new_message_id
from signalling.mesh.link import RoomChat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from session.room_effects import RoomEffect
    from session.room_view import LiveRoom, Local
    from signalling.client.messages import ChatMessage
    from signalling.ids import MessageId, NodeId, ParticipantId, RoomId, SessionId

__all__ = ["MAX_MISSED", "Accepted", "Missed", "RoomTalk"]

MAX_MISSED: Final = 100
"""Messages that somebody is given who was away: what a person scrolls back; older ones are in the history."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """A message that somebody here said, under the id that it has everywhere.

    Attributes:
        chat: it, as it is stored and goes to other nodes.
        is_repeat: whether it had been said before, here or on another node.
        effects: whom to tell; nobody of a repeat.
    """

    chat: RoomChat
    is_repeat: bool
    effects: tuple[RoomEffect, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Missed:
    """What was said while somebody was away, oldest first; `more` when older ones were left out."""

    messages: tuple[ChatMessage, ...] = ()
    more: bool = False


class RoomTalk:
    """The chat of all live rooms of this node; made by :class:`session.rooms.Rooms`.

    Args:
        node: this node's id.
        rooms: the live rooms.
        find_local: whose session this is, or refuses with `not_in_room`.
        now_ms: milliseconds since 1970.
    """

    def __init__(
        self,
        node: NodeId,
        *,
        rooms: Mapping[RoomId, LiveRoom],
        find_local: Callable[[SessionId], tuple[LiveRoom, Local]],
        now_ms: Callable[[], int],
    ) -> None:
        self._node = node
        self._rooms = rooms
        self._find_local = find_local
        self._now_ms = now_ms

    # --- people here ---

    def say(self, session: SessionId, *, nonce: str, text: str) -> Accepted:
        """A session here says something; everybody hears it, itself included.

        Raises:
            Refused: `not_in_room`.
        """
        live, local = self._find_local(session)
        known = self.find(live.room, local.info.participant, nonce)
        if known is not None:
            return Accepted(chat=known, is_repeat=True, effects=())
        at_ms = live.talk.next_ms(self._now_ms())
        chat = RoomChat(
            room=live.room,
            message=new_message_id(at_ms, self._node),
            participant=local.info.participant,
            name=local.info.name,
            text=text,
            at_ms=at_ms,
            nonce=nonce,
        )
        live.talk.add(chat, is_ours=True)
        return Accepted(chat=chat, is_repeat=False, effects=(*_tell(live, chat), SayToNodes(chat=chat)))

    def find(self, room: RoomId, participant: ParticipantId, nonce: str) -> RoomChat | None:
        """What this participant said under this nonce, if this node heard it."""
        live = self._rooms.get(room)
        return None if live is None else live.talk.find(participant, nonce)

    def find_own(self, session: SessionId, nonce: str) -> RoomChat | None:
        """What a session's participant said under this nonce, if this node heard it.

        Raises:
            Refused: `not_in_room`.
        """
        live, local = self._find_local(session)
        return self.find(live.room, local.info.participant, nonce)

    def has_looked_back(self, session: SessionId) -> bool:
        """Whether the store was asked for what this session's participant said elsewhere.

        Raises:
            Refused: `not_in_room`.
        """
        return self._find_local(session)[1].hearing.knows_log

    def looked_back(self, session: SessionId) -> None:
        """The store was asked for it, and what it knows is heard; nothing happens when the session lost its seat."""
        with suppress(Refused):
            self._find_local(session)[1].hearing.knows_log = True

    def hold(self, session: SessionId) -> None:
        """Tell a session that was just admitted nothing late until :meth:`resume` says what it missed.

        Or until :meth:`release`, for somebody of whom nobody can say yet what they may read.

        Raises:
            Refused: `not_in_room`.
        """
        self._find_local(session)[1].hearing.hold()

    def release(self, session: SessionId) -> None:
        """Tell a held session what comes late from now on; nothing happens when it has no seat."""
        with suppress(Refused):
            self._find_local(session)[1].hearing.release()

    def resume(self, session: SessionId, after: MessageId, seen: Sequence[MessageId] = ()) -> Missed:
        """What a session missed that was just admitted and saw these messages last; the rest is told to it live.

        Nothing may wait between its admission, this and the reply that carries the answer.

        Args:
            session: whose seat it is.
            after: what it saw last.
            seen: what it saw before that, as far as it says: of this it is told nothing again.

        Raises:
            Refused: `not_in_room`.
        """
        live, local = self._find_local(session)
        # The seat may have been on another node until a moment ago, which has not told us since when.
        came_at = first_id_at(max(0, local.info.since_ms - SAME_VISIT_MS))
        known = frozenset((*seen, after))
        # Nobody can say whether older ones were seen than a full list names: they are history.
        first = min(known)
        history_to = first if len(seen) >= MAX_CHAT_SEEN else None
        since = tuple(
            chat
            for chat in live.talk.since(after, came_at=came_at, seen=known)
            if history_to is None or chat.message > history_to
        )
        told = newest_within(since, MAX_MISSED)
        is_cut = len(told) < len(since)
        # Late ones of before the first that it is told are history, when there was too much to tell.
        local.hearing.resume(told[0].message if is_cut else history_to or min(came_at, first), known)
        return Missed(messages=told, more=is_cut or not live.talk.reaches_back_to(after))

    # --- other nodes and the store ---

    def hear(self, chat: RoomChat) -> tuple[RoomEffect, ...]:
        """Somebody on another node says something; a message heard before is not told again."""
        live = self._rooms.get(chat.room)
        if live is None or not live.talk.add(chat):
            return ()
        return _tell(live, chat)

    def hear_late(self, room: RoomId, chats: Iterable[RoomChat]) -> tuple[RoomEffect, ...]:
        """Messages of before, from a node that could not tell them or from the store: told to those who sat here then.

        Args:
            room: which; what is of another one is nobody's.
            chats: the oldest first.
        """
        live = self._rooms.get(room)
        if live is None:
            return ()
        return tuple(
            effect
            for chat in chats
            if chat.room == room and live.talk.add(chat, is_late=True)
            for effect in _tell(live, chat, is_late=True)
        )

    def ours(self, room: RoomId) -> tuple[RoomChat, ...]:
        """What was said here lately, for a node that could not hear it: the oldest first."""
        live = self._rooms.get(room)
        return () if live is None else live.talk.ours()

    def known(self, room: RoomId, before: MessageId | None = None) -> tuple[RoomChat, ...]:
        """What this node remembers of a room, or of before a message, the oldest first."""
        live = self._rooms.get(room)
        return () if live is None else live.talk.known(before)


def _tell(live: LiveRoom, chat: RoomChat, *, is_late: bool = False) -> tuple[RoomEffect, ...]:
    event = as_event(chat)
    return tuple(
        Tell(session=local.session, event=event)
        for local in live.locals.values()
        if local.listening and local.hearing.is_told(chat.message, is_late=is_late)
    )
