"""A node that has joined says so, because the streams of the others tell of it a second late.

An agent gathers what happens to members for a second of quiet before its stream tells it, while its list has a
newcomer at once. User events are not gathered: who hears a greeting reads the list. Nothing else is believed of it,
so a forged one costs two readings, and any number of them `2 / AGAIN_S` a second.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import trio

from membership.rpc.errors import RemoteRpcError

if TYPE_CHECKING:
    from collections.abc import Callable

    from membership.rpc.client import SerfClient
    from membership.rpc.records import UserEvent

__all__ = ["EVENT_NAME", "Greetings"]

EVENT_NAME: Final = "h"
"""As short as the name of all other events; older nodes count it as foreign."""

AGAIN_S: Final = 0.4
"""A greeting may overtake the news of the member by a round or two of gossip, of 0.2 s each."""


class Greetings:
    """Says hello once for each agent, and hears others.

    Args:
        hint: is called when the members are to be read.
    """

    def __init__(self, hint: Callable[[], None]) -> None:
        self._hint = hint
        self._woken = trio.Event()
        self._greeted = ""
        self.heard = 0
        """Greetings of all nodes, the own ones included."""

    async def greet(self, client: SerfClient, serf_name: str) -> None:
        """Say that an agent is there, unless it was said; one that refuses is found a second later.

        Raises:
            BrokenRpcError: the agent is gone.
            trio.TooSlowError: it does not answer.
        """
        if self._greeted == serf_name:
            return
        self._greeted = serf_name
        with suppress(RemoteRpcError):
            await client.send_event(EVENT_NAME, serf_name.encode())

    def take(self, event: UserEvent) -> bool:
        """Hear an event; says whether it was a greeting. Returns at once."""
        if event.name != EVENT_NAME:
            return False
        self.heard += 1
        self._woken.set()
        return True

    async def run(self) -> None:
        """Have members read for what is heard, until cancelled."""
        while True:
            await self._woken.wait()
            self._woken = trio.Event()
            self._hint()
            await trio.sleep(AGAIN_S)
            self._hint()
