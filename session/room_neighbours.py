"""On which other nodes each room of this node lives, as the store's answers tell: pure.

Questions are asked at the same time, and their answers come in any order; an answer may be older than
what is known. So only an answer to a question that was asked after the last news of a room may take a
node away; any other one, and that to a claim, can but add.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signalling.ids import NodeId, RoomId

__all__ = ["RoomNeighbours"]


@dataclass(frozen=True, slots=True)
class _Known:
    nodes: frozenset[NodeId]
    learnt_at: float


class RoomNeighbours:
    """The other nodes of each room with a seat here; as many entries as there are such rooms.

    Args:
        merge_s: how long a returned store is not believed to be complete.
    """

    def __init__(self, *, merge_s: float) -> None:
        self._merge_s = merge_s
        self._merge_until = float("-inf")
        self._known: dict[RoomId, _Known] = {}

    def store_returned(self, now: float) -> None:
        """A store that was away knows only those who stated themselves since: until a lease is over it only adds."""
        self._merge_until = now + self._merge_s

    def learn(
        self, room: RoomId, nodes: frozenset[NodeId], *, asked_at: float | None, now: float
    ) -> frozenset[NodeId] | None:
        """Take what an answer says of a room.

        Args:
            room: one that has a seat here.
            nodes: its other nodes.
            asked_at: when the question was asked; None for one whose answer may only add.
            now: seconds.

        Returns:
            The nodes from now on, or None when nothing changed.
        """
        known = self._known.get(room)
        before: frozenset[NodeId] = frozenset() if known is None else known.nodes
        is_complete = asked_at is not None and (known is None or asked_at >= known.learnt_at)
        after = nodes if is_complete and now >= self._merge_until else nodes | before
        if after or known is not None:
            self._known[room] = _Known(after, now)
        return None if after == before else after

    def forget(self, room: RoomId) -> bool:
        """The room left this node; says whether it lived elsewhere as well."""
        known = self._known.pop(room, None)
        return known is not None and bool(known.nodes)

    def __len__(self) -> int:
        return len(self._known)
