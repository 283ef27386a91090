"""The history of chat in the repository: the newest messages of each room, written by the node where they were said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import structlog

from durable import Entry, Log, StoreOutcomeUnknownError, StoreUnavailableError
from signalling.ids import MessageId, ParticipantId
from signalling.mesh.link import RoomChat

if TYPE_CHECKING:
    from durable import Repository
    from signalling.ids import RoomId

__all__ = ["ChatHistory", "ChatStatistics"]

VERSION: Final = 1
"""Of the records we write; a reader takes any, and leaves out what it cannot read."""

_LOG = structlog.get_logger("session.chat")


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message as it is stored; its id is the entry's."""

    participant: ParticipantId
    name: str
    text: str
    at_ms: int
    nonce: str = ""
    version: Annotated[int, msgspec.Meta(ge=1)] = VERSION


_DECODER: Final = msgspec.json.Decoder(_Record)
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(kw_only=True, slots=True)
class _Counts:
    stored: int = 0
    unstored: int = 0
    unread: int = 0
    unreadable: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatStatistics:
    """Counters since start.

    Attributes:
        stored: messages said here that the store has taken, a repeat counted again.
        unstored: messages that were acknowledged and told, while the store did not answer.
        unread: questions for what was said before that the store did not answer.
        unreadable: stored messages that this version could not read.
    """

    stored: int
    unstored: int
    unread: int
    unreadable: int


class ChatHistory:
    """The stored chat of all rooms.

    Every call ends within the store's deadline and fails by its answer, never by an exception: chat goes on
    without the store. May be cancelled; what was being written may then be stored or not.

    Args:
        repository: where it lies.
        keep: messages of each room; 0 stores none and asks for none.
    """

    def __init__(self, repository: Repository, *, keep: int) -> None:
        self._repository = repository
        self._keep = keep
        self._counts = _Counts()

    @property
    def is_on(self) -> bool:
        """Whether there is one."""
        return self._keep > 0

    async def append(self, chat: RoomChat) -> bool:
        """Store a message, once however often it is given; says whether it is stored."""
        record = _Record(
            participant=chat.participant, name=chat.name, text=chat.text, at_ms=chat.at_ms, nonce=chat.nonce
        )
        entry = Entry(id=chat.message, body=_ENCODER.encode(record))
        try:
            await self._repository.append(Log.CHAT, chat.room, entry, keep=self._keep)
        except (StoreUnavailableError, StoreOutcomeUnknownError):
            self._counts.unstored += 1
            return False
        self._counts.stored += 1
        return True

    async def read(self, room: RoomId, *, before: MessageId | None = None, limit: int) -> tuple[RoomChat, ...] | None:
        """The newest messages of a room, or those before one, the oldest first; None when the store does not answer."""
        try:
            entries = await self._repository.tail(Log.CHAT, room, before=before, limit=limit)
        except (StoreUnavailableError, StoreOutcomeUnknownError):
            self._counts.unread += 1
            return None
        return tuple(chat for entry in entries if (chat := self._decode(room, entry)) is not None)

    def statistics(self) -> ChatStatistics:
        """How it fares."""
        counts = self._counts
        return ChatStatistics(
            stored=counts.stored, unstored=counts.unstored, unread=counts.unread, unreadable=counts.unreadable
        )

    def _decode(self, room: RoomId, entry: Entry) -> RoomChat | None:
        try:
            record = _DECODER.decode(entry.body)
        except msgspec.DecodeError:  # a ValidationError is one too
            self._counts.unreadable += 1
            _LOG.warning("stored message unreadable", room=room, message=entry.id)
            return None
        return RoomChat(
            room=room,
            message=MessageId(entry.id),
            participant=record.participant,
            name=record.name,
            text=record.text,
            at_ms=record.at_ms,
            nonce=record.nonce,
        )
