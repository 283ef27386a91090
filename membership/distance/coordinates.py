"""The network coordinates of all living nodes, read from the own agent a few at a time.

The agent answers for one member a call, in microseconds, but each answer stands in line with everything else on its
connection.  So a round over the cluster is spread over its period; only what was never read is read at once, because
a node that has just started should be able to place people.  A coordinate moves by a probe a second and settles in
minutes: reading it every quarter of a minute loses nothing.

The error that a coordinate says of itself is another matter: a node with a neighbour in the same room pings it every
few seconds, and there it is wrong by many times the 0.6 ms that it measures.  So its error jumps to the highest value,
1.5, and is back at 0.4 ten pings later, while the coordinate hardly moves.  What counts is the best of the last minute.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import trio

from membership.distance.estimate import SeenCoordinate
from membership.rpc.errors import RemoteRpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from membership.members.snapshot import ClusterView
    from membership.rpc.client import SerfClient
    from signalling.ids import NodeId

__all__ = ["CoordinateReader"]

ROUND_S: Final = 15.0
"""Period of a round over all nodes."""

FIRST_GAP_S: Final = 0.02
"""Between two nodes of which nothing is known yet: 50 calls a second leave the agent idle."""

MAX_COORDINATES: Final = 256
"""Nodes that are kept, the first by id and this one: more than one mesh will have, and 17 calls a second."""


ERRORS_KEPT: Final = 4
"""Errors of which the least counts: with a neighbour, a third of all reads come within three pings after a jump."""


class CoordinateReader:
    """Keeps what the agent knows of where everybody is.

    Args:
        view: the cluster now.
    """

    def __init__(self, view: Callable[[], ClusterView]) -> None:
        self._view = view
        self._seen: Mapping[NodeId, SeenCoordinate] = MappingProxyType({})
        self._errors: dict[NodeId, deque[float]] = {}

    @property
    def seen(self) -> Mapping[NodeId, SeenCoordinate]:
        """An immutable snapshot: each living node's coordinate as it was last read; not all may be known."""
        return self._seen

    async def run(self, client: SerfClient) -> None:
        """Read round after round, until it is cancelled.

        Raises:
            BrokenRpcError: the agent is gone.
            trio.TooSlowError: it does not answer.
        """
        while True:
            members = self._view().alive()
            own = self._view().own_id
            names = {one.node_id: one.serf_name for one in members[:MAX_COORDINATES] if one.node_id != own}
            names |= {one.node_id: one.serf_name for one in members if one.node_id == own}
            self._seen = MappingProxyType(
                {node: one for node, one in self._seen.items() if names.get(node) == one.serf_name}
            )
            self._errors = {node: errors for node, errors in self._errors.items() if node in self._seen}
            for node, name in names.items():
                is_new = node not in self._seen
                await self._read(client, node, name)
                await trio.sleep(FIRST_GAP_S if is_new and node in self._seen else ROUND_S / len(names))
            if not names:
                await trio.sleep(FIRST_GAP_S)

    async def _read(self, client: SerfClient, node: NodeId, name: str) -> None:
        try:
            coordinate = await client.coordinate(name)
        except RemoteRpcError:  # it left a moment ago, or this agent keeps no coordinates
            return
        if coordinate is not None:
            errors = self._errors.setdefault(node, deque(maxlen=ERRORS_KEPT))
            errors.append(coordinate.error)
            settled = replace(coordinate, error=min(errors))
            seen = SeenCoordinate(serf_name=name, coordinate=settled, at_s=trio.current_time())
            self._seen = MappingProxyType({**self._seen, node: seen})
