"""What was said in a room, as one node remembers it: a pure core.

Theory of operation. A message is known by its id and by who said it under which *nonce*, the client's own name for it.
A client whose connection broke before it saw the acknowledgement says it again under that nonce, on whatever node it
finds; the nonce travels with the message, so every node that heard it gives the repeat the first one's id.
When two nodes accepted the same message while they could not hear each other, the lower id holds on both.

Ids are in the order of time. A node whose clock is behind would break that order for those who read its answer to
something said elsewhere, so a new message is later than all that its node has heard of the room (a hybrid
logical clock: Kulkarni et al., 2014), unless a clock runs far ahead.

Messages come *live*, or *late*: over a link that was down, or out of the store. A late one is told to those who sat
here then; who came later is given what it missed with the reply to its join.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from signalling.client.messages import ChatMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

    from signalling.ids import MessageId, ParticipantId
    from signalling.mesh.link import RoomChat

__all__ = ["MAX_REMEMBERED", "Conversation", "as_event", "newest_within"]

MAX_REMEMBERED: Final = 256
"""Messages of a room that are known again, 2.5 MB at the very most: clients repeat only what was not acknowledged,
and what was missed is told from here. More than the store is asked for at once, which must not push out all else."""

MAX_FORGOTTEN: Final = 1024
"""Ids beyond those, 0.1 MB: a node that had less to hear tells late what is forgotten here and was told long ago."""

MAX_AHEAD_MS: Final = 60_000
"""A message from further in the future says that some clock is wrong, and moves no other node's."""

MAX_TOLD_BYTES: Final = 128 * 1024
"""Of messages in one reply, as JSON: half of what a client takes, the rest is for who else is in the room."""

MAX_LATE_BYTES: Final = 48_000
"""Of messages that another node is told late, in one piece below what a link carries
(:data:`signalling.mesh.link.MAX_LINK_MESSAGE_BYTES`): one piece a room, as with who is in it, overloads no link."""

MAX_OTHER_BYTES: Final = 192
"""Of a message over a link, besides name, text and nonce: the room's name, two ids, the time and what CBOR adds."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """A message, its place in the order in which they came, whether it came late and whether it was said here."""

    chat: RoomChat
    place: int
    is_late: bool
    is_ours: bool


class Conversation:
    """The newest messages of a room in the order in which they came."""

    def __init__(self) -> None:
        self._heard: dict[MessageId, _Heard] = {}
        self._by_nonce: dict[tuple[ParticipantId, str], MessageId] = {}
        self._places = 0
        self._newest_ms = 0
        self._forgotten: dict[MessageId, None] = {}

    def __len__(self) -> int:
        return len(self._heard)

    def find(self, participant: ParticipantId, nonce: str) -> RoomChat | None:
        """The message that this participant said under this nonce, wherever it was."""
        message = self._by_nonce.get((participant, nonce))
        return None if message is None else self._heard[message].chat

    def next_ms(self, now_ms: int) -> int:
        """The time of a message that is said now: later than all that is known here."""
        return max(now_ms, self._newest_ms + 1) if self._newest_ms <= now_ms + MAX_AHEAD_MS else now_ms

    def add(self, chat: RoomChat, *, is_late: bool = False, is_ours: bool = False) -> bool:
        """Remember a message; says whether it is new: neither its id nor its nonce was heard before."""
        if chat.message in self._heard or chat.message in self._forgotten:
            return False
        key = (chat.participant, chat.nonce)
        if chat.nonce and (known := self._by_nonce.get(key)) is not None:
            if chat.message < known:
                self._rename(known, chat.message)
            return False
        self._places += 1
        self._heard[chat.message] = _Heard(chat, self._places, is_late, is_ours)
        if chat.nonce:
            self._by_nonce[key] = chat.message
        self._newest_ms = max(self._newest_ms, chat.at_ms)
        while len(self._heard) > MAX_REMEMBERED:
            self._forget_first()
        return True

    def since(
        self, after: MessageId, *, came_at: MessageId, seen: Set[MessageId] = frozenset()
    ) -> tuple[RoomChat, ...]:
        """What somebody missed who saw `after` last, in the order of time.

        That is what has a later id, what came here behind it, and what was not seen between messages that were: of
        messages that crossed on their way between two nodes either may be the last one that is seen on one of them.

        Args:
            after: the last message seen, wherever.
            came_at: the first id of their visit: a late message of before is history to them.
            seen: it and others that were seen, as far as they say.
        """
        last = self._heard.get(after)
        place = self._places if last is None else last.place
        first = min(seen, default=after)
        return _in_time(
            each.chat
            for each in self._heard.values()
            if each is not last
            and each.chat.message not in seen
            and (
                each.chat.message > min(first, after)
                or (each.place > place and not (each.is_late and each.chat.message < came_at))
            )
        )

    def reaches_back_to(self, message: MessageId) -> bool:
        """Whether nothing that was said behind this message is forgotten."""
        return not self._forgotten or any(known <= message for known in self._heard)

    def ours(self) -> tuple[RoomChat, ...]:
        """What was said on this node, as much as one message over a link carries, in the order of time."""
        ours = _in_time(each.chat for each in self._heard.values() if each.is_ours)
        kept, room_left = 0, MAX_LATE_BYTES
        for chat in reversed(ours):
            room_left -= MAX_OTHER_BYTES + len(chat.text.encode()) + len(chat.name.encode()) + len(chat.nonce.encode())
            if room_left < 0:
                break
            kept += 1
        return ours[len(ours) - kept :]

    def known(self, before: MessageId | None = None) -> tuple[RoomChat, ...]:
        """All that is known, or was said before a message, in the order of time."""
        return _in_time(each.chat for each in self._heard.values() if before is None or each.chat.message < before)

    def _rename(self, known: MessageId, first: MessageId) -> None:
        """The message is known under a lower id elsewhere: it holds here too, and the order stays."""
        named = self._heard[known]
        chat = msgspec.structs.replace(named.chat, message=first)
        renamed = _Heard(chat, named.place, named.is_late, named.is_ours)
        self._heard = {
            first if message == known else message: renamed if message == known else each
            for message, each in self._heard.items()
        }
        self._by_nonce[chat.participant, chat.nonce] = first

    def _forget_first(self) -> None:
        forgotten = self._heard.pop(next(iter(self._heard))).chat
        self._by_nonce.pop((forgotten.participant, forgotten.nonce), None)
        self._forgotten[forgotten.message] = None
        if len(self._forgotten) > MAX_FORGOTTEN:
            del self._forgotten[next(iter(self._forgotten))]


def as_event(chat: RoomChat) -> ChatMessage:
    """A message as clients hear it: without the nonce, which is between its sender and the nodes."""
    return ChatMessage(
        message=chat.message, participant=chat.participant, name=chat.name, text=chat.text, at_ms=chat.at_ms
    )


def newest_within(chats: Sequence[RoomChat], limit: int) -> tuple[ChatMessage, ...]:
    """The newest of these, at most `limit` and :data:`MAX_TOLD_BYTES`, but one of them in any case."""
    told: list[ChatMessage] = []
    room_left = MAX_TOLD_BYTES
    for chat in reversed(chats[-limit:]):
        event = as_event(chat)
        room_left -= len(msgspec.json.encode(event)) + 1
        if room_left < 0 and told:
            break
        told.append(event)
    return tuple(reversed(told))


def _in_time(chats: Iterable[RoomChat]) -> tuple[RoomChat, ...]:
    return tuple(sorted(chats, key=lambda chat: chat.message))
