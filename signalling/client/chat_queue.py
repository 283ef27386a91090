"""What a client writes, until a node has it: in order, and once, whatever becomes of the connection.

One message is on its way at a time. When the connection breaks before it is acknowledged nobody knows whether the node
has it; so it is said again over the next one, under the same nonce, by which nodes know a repetition.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import trio

from signalling.client.messages import ChatSent
from signalling.client.refusal import ConnectionLostError, RefusedByNodeError

if TYPE_CHECKING:
    from signalling.client.connection import Client

__all__ = ["ChatQueue"]

MAX_WAITING: Final = 50
"""As in the browser: somebody who types for as long as a seat is tried for does not reach it."""


@dataclass(kw_only=True)
class _Written:
    text: str
    nonce: str
    done: trio.Event = field(default_factory=trio.Event)
    outcome: ChatSent | Exception | None = None


class ChatQueue:
    """A bounded queue of messages, over one connection after the other."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self._over: RefusedByNodeError | None = None
        self._changed = trio.Event()
        self._written_in, self._written_out = trio.open_memory_channel[_Written](MAX_WAITING)

    async def say(self, text: str) -> ChatSent:
        """Say something; while there is no connection it waits for one. Cancelling takes nothing back.

        Raises:
            RefusedByNodeError: The node said no; ``queue_full``: too many wait; or what :meth:`end` was told.
            trio.TooSlowError: The node does not answer, though the connection stands.
        """
        if self._over is not None:
            raise self._over
        written = _Written(text=text, nonce=secrets.token_hex(8))
        try:
            self._written_in.send_nowait(written)
        except trio.WouldBlock:
            sentence = "Too many messages wait to be sent. Wait for the connection."
            raise RefusedByNodeError("queue_full", sentence) from None
        await written.done.wait()
        if isinstance(written.outcome, ChatSent):
            return written.outcome
        assert isinstance(written.outcome, Exception), "what is done has an outcome"
        raise written.outcome

    def connected(self, client: Client) -> None:
        """Send over this connection from now on."""
        self._client = client
        self._wake()

    def end(self, why: RefusedByNodeError) -> None:
        """There will be no other connection: whoever waits is told why."""
        self._over = why
        self._wake()

    async def run(self) -> None:
        """Send; runs until cancelled."""
        async for written in self._written_out:
            written.outcome = await self._send(written)
            written.done.set()

    async def _send(self, written: _Written) -> ChatSent | Exception:
        await trio.lowlevel.checkpoint()
        while self._over is None:
            client = self._client
            if client is None or client.lost is not None:
                await self._changed.wait()
                continue
            try:
                return await client.chat(written.text, nonce=written.nonce)
            except ConnectionLostError:
                continue  # in doubt: the next connection says it again
            except (RefusedByNodeError, trio.TooSlowError) as error:
                return error
        return self._over

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
