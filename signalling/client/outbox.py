"""What waits to be sent to one client: bounded in messages and in bytes.

The node never waits for a client: it puts and goes on. One task takes and sends. When a client
reads more slowly than its room talks, the outbox fills; then the client is dropped with
``slow_consumer`` and connects again, which costs it one snapshot instead of the whole backlog.

A newer fact replaces an older one that nobody has read yet where only the newest matters: the
session token, whether a track is muted, who speaks, and what is wanted or refused of a track.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import trio

from signalling.client.codec import encode
from signalling.client.messages import Codecs, FreshToken, Layers, NodeMessage, Speakers, TrackMuted, TrackRefused
from signalling.errors import ErrorCode, Refused

MAX_OUTBOX_MESSAGES: Final = 512
"""A room of 150 that joins at once says three things each; more than that is not being read."""

MAX_OUTBOX_BYTES: Final = 1024 * 1024
"""Four messages of the greatest size; 1,000 stuck clients cost a node 1 GB at the very worst."""


@dataclass(frozen=True, kw_only=True)
class OutboxStatistics:
    """One outbox at one moment.

    Attributes:
        messages: Waiting now.
        bytes: Waiting now, as UTF-8.
        coalesced: Messages that a newer one made pointless, ever.
    """

    messages: int
    bytes: int
    coalesced: int


class Outbox:
    """A bounded queue of encoded messages; one task puts, one takes.

    Args:
        max_messages: Bound on messages.
        max_bytes: Bound on their bytes.
    """

    def __init__(self, *, max_messages: int = MAX_OUTBOX_MESSAGES, max_bytes: int = MAX_OUTBOX_BYTES) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._waiting: OrderedDict[object, str] = OrderedDict()
        self._bytes = 0
        self._puts = 0
        self._coalesced = 0
        self._closed = False
        self._changed = trio.Event()

    def put_nowait(self, message: NodeMessage) -> None:
        """Add a message at the end; where only the newest counts, an older one goes.

        Raises:
            Refused: ``slow_consumer``: it does not fit. The outbox is as it was.
            trio.ClosedResourceError: After :meth:`close`.
        """
        if self._closed:
            raise trio.ClosedResourceError("the outbox is closed")
        text = encode(message)
        self._puts += 1
        key = _newest_only(message) or self._puts
        older = self._waiting.get(key)
        count = len(self._waiting) + (older is None)
        size = self._bytes + _size(text) - (0 if older is None else _size(older))
        if count > self._max_messages or size > self._max_bytes:
            raise Refused(
                ErrorCode.SLOW_CONSUMER,
                f"{len(self._waiting)} messages ({self._bytes} bytes) wait unread; connect again.",
            )
        self._waiting.pop(key, None)
        self._waiting[key] = text
        self._bytes = size
        self._coalesced += older is not None
        self._wake()

    async def take(self) -> str:
        """Wait for the next text to send, and take it.

        Cancelling loses nothing. The wait has no deadline of its own: an idle client is pinged,
        so something comes within the ping interval.

        Raises:
            trio.EndOfChannel: Closed, and everything taken.
        """
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            if self._closed:
                raise trio.EndOfChannel
            await self._changed.wait()
        _, text = self._waiting.popitem(last=False)
        self._bytes -= _size(text)
        return text

    def close(self) -> None:
        """Take no more messages; what waits can still be taken."""
        self._closed = True
        self._wake()

    def statistics(self) -> OutboxStatistics:
        """Say how full it is."""
        return OutboxStatistics(messages=len(self._waiting), bytes=self._bytes, coalesced=self._coalesced)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def _newest_only(message: NodeMessage) -> object | None:
    match message:
        case FreshToken():
            return FreshToken
        case Speakers():
            return Speakers
        case TrackMuted(track=track) | Layers(track=track) | Codecs(track=track) | TrackRefused(track=track):
            return (type(message), track)
        case _:
            return None


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
