"""An own former name that the agent is too slow to forget ends nothing: it stays noted, and is tried again."""

from __future__ import annotations

from typing import Any, cast

import trio

from membership.service import Membership


class _Slow:
    """An agent's connection; its first call is not answered in time."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def prune(self, name: str) -> None:
        await trio.lowlevel.checkpoint()
        self.asked.append(name)
        if len(self.asked) == 1:
            raise trio.TooSlowError


async def test_one_name_that_is_too_slow_is_survived() -> None:
    forgotten: list[str] = []
    slow = _Slow()
    membership: Any = object.__new__(Membership)
    again: list[str] = []
    membership._pruning = trio.Lock()
    membership._feed = lambda event: again.append(event.name)
    membership._names = type("Names", (), {"forget": staticmethod(forgotten.append)})
    session = cast("Any", type("Session", (), {"slow": slow}))
    for name in ("own-1", "own-2"):
        await membership._prune(session, name)
    assert (slow.asked, forgotten, again) == (["own-1", "own-2"], ["own-2"], ["own-1"])
