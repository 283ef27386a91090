"""How far the people of a room are from this node, as their media measures it.

A room's longest way ends at a person and not at their node. The engine knows the round trip of each peer connection by
RTCP; it is read when somebody asks where a room's people should go, and kept for some seconds. Of people at other nodes
nothing is known here, and nothing is added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from node.client_peer import publisher_of, subscriber_of
from sfu import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sfu import Engine
    from signalling.ids import PeerId, RoomId, SessionId

__all__ = ["PeopleRtts"]

KEPT_S: Final = 5.0
"""How long a reading serves: RTCP reports come every few seconds, and a reading lists every peer."""

WITHIN_S: Final = 0.5
"""For the engine to answer, as for the store: whoever asks for nodes waits for both."""


class PeopleRtts:
    """The round trips of a moment ago.

    Args:
        engine: Has them.
        sessions_in: Who sits in a room here.
    """

    def __init__(self, engine: Engine, sessions_in: Callable[[RoomId], Iterable[SessionId]]) -> None:
        self._engine = engine
        self._sessions_in = sessions_in
        self._read_at = -KEPT_S
        self._rtts_ms: Mapping[PeerId, float] = {}

    async def refresh(self) -> None:
        """Read them, if the last reading is old; an engine that is away or slow says nothing."""
        now = trio.current_time()
        if now < self._read_at + KEPT_S:
            await trio.lowlevel.checkpoint()
            return
        self._read_at = now
        self._rtts_ms = {}
        try:
            with trio.move_on_after(WITHIN_S):
                read = await self._engine.statistics()
                self._rtts_ms = {peer.peer: peer.rtt_ms for peer in read.peers if peer.rtt_ms is not None}
        except EngineError:
            pass

    def farthest_ms(self, room: RoomId, *, leaving: SessionId | None = None) -> float | None:
        """The round trip to the farthest of a room's people here, without one of them; None when none is known."""
        known = (self._of(session) for session in self._sessions_in(room) if session != leaving)
        return max((rtt_ms for rtt_ms in known if rtt_ms is not None), default=None)

    def _of(self, session: SessionId) -> float | None:
        # Both run over the same path: what one of them has more, it waited in a queue.
        ways = (self._rtts_ms.get(peer) for peer in (publisher_of(session), subscriber_of(session)))
        return min((rtt_ms for rtt_ms in ways if rtt_ms is not None), default=None)
