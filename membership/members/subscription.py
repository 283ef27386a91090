"""A bounded subscription to changes: one that falls behind starts over from a snapshot instead of growing."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from membership.members.snapshot import Change, ClusterView, ViewReset

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ChangeSubscription"]

MAX_WAITING = 256
"""Changes that wait for one subscriber: every node of a large cluster changing at once, a few times over.
A subscriber that is further behind is served faster by the whole view."""


class ChangeSubscription:
    """Changes of the view, to be iterated by one task; the first is a `ViewReset`."""

    def __init__(self, view: ClusterView) -> None:
        self._waiting: deque[Change] = deque([ViewReset(view=view)])
        self._arrived = trio.Event()
        self._arrived.set()
        self.resets = 0
        """How often the subscriber fell behind."""

    def put(self, view: ClusterView, changes: Iterable[Change]) -> None:
        """Deliver the changes that led to `view`."""
        self._waiting.extend(changes)
        if len(self._waiting) > MAX_WAITING:
            self._waiting.clear()
            self._waiting.append(ViewReset(view=view))
            self.resets += 1
        if self._waiting:
            self._arrived.set()

    def __aiter__(self) -> ChangeSubscription:
        return self

    async def __anext__(self) -> Change:
        """Wait for the next change; it never ends by itself."""
        await self._arrived.wait()
        change = self._waiting.popleft()
        if not self._waiting:
            self._arrived = trio.Event()
        return change
