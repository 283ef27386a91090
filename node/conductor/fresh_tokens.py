"""Fresh session tokens, pushed to each open session at half the life of its last."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from signalling.client.messages import FreshToken

if TYPE_CHECKING:
    from node.conductor.admission import Admission
    from node.conductor.stage import Stage
    from session import Sessions
    from signalling.ids import SessionId


class FreshTokens:
    """Knows which session is the next to need a token.

    Args:
        admission: Makes tokens.
        sessions: Says which sessions are over.
        stage: Tells sessions.
    """

    def __init__(self, *, admission: Admission, sessions: Sessions, stage: Stage) -> None:
        self._admission = admission
        self._sessions = sessions
        self._stage = stage
        # All lifetimes are equal, so the first session is the first to need a fresh token.
        self._ageing: deque[tuple[float, SessionId]] = deque()
        self._aged = trio.Event()

    def given(self, session: SessionId) -> None:
        """A session has just got a token."""
        self._ageing.append((trio.current_time() + self._admission.session_lifetime_s / 2, session))
        self._aged.set()

    async def keep_fresh(self) -> None:
        """Push tokens when they are due; runs until cancelled."""
        while True:
            if not self._ageing:
                self._aged = trio.Event()
                await self._aged.wait()
            due, session = self._ageing.popleft()
            await trio.sleep_until(due)
            token = None if self._sessions.record(session) is None else self._admission.fresh_token(session)
            if token is not None:
                self._stage.tell(session, FreshToken(token=token))
                self.given(session)
