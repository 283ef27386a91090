"""User events of the whole mesh on their way to their one consumer: bounded, counted, and only our own kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from membership.rpc.records import UserEvent

__all__ = ["EVENT_NAME", "MAX_EVENT_BYTES", "UserEvents"]

EVENT_NAME: Final = "s"
"""One constant name, short because every byte of an event is sent to every node several times."""

MAX_EVENT_BYTES: Final = 900
"""Above ~1360 B encoded an event no longer fits a datagram, and Serf says OK and drops it; the rest is margin."""

USER_EVENT_BUFFER: Final = 512
"""Events that wait for their consumer: half a minute of the whole cluster's budget (~15 events a second)."""


class UserEvents:
    """Takes events from the stream and hands their payloads on."""

    def __init__(self) -> None:
        self._in, self.payloads = trio.open_memory_channel[bytes](USER_EVENT_BUFFER)
        self.sent = 0
        """Events handed to the agent."""
        self.received = 0
        """Events handed to the consumer."""
        self.dropped = 0
        """Events lost because the consumer was slow."""
        self.foreign = 0
        """Events that are not ours by name or size."""

    def take(self, event: UserEvent) -> None:
        """Hand an event on, or drop and count it."""
        if event.name != EVENT_NAME or len(event.payload) > MAX_EVENT_BYTES:
            self.foreign += 1
            return
        try:
            self._in.send_nowait(event.payload)
            self.received += 1
        except (trio.WouldBlock, trio.BrokenResourceError):  # full, or its consumer is gone
            self.dropped += 1
