"""How far any two nodes are, as a snapshot: what was known at one moment, asked pair by pair.

It keeps what the estimates are made of and makes each when it is asked for: a question of a client needs a few of
the n^2 cells, and a snapshot of a large cluster costs nothing until somebody wants to see all of it. A cell is made
once: the next client of the same room asks for the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from membership.distance.estimate import Position, RttEstimate, RttSource, SeenCoordinate, best_figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from membership.distance.estimate import RttFigures
    from membership.members.snapshot import ClusterView
    from membership.members.tags import NodeTags
    from signalling.ids import NodeId

__all__ = ["ReportedRtt", "RttCell", "RttMatrix", "position_of", "rtt_matrix"]

ReportedRtt: TypeAlias = "Callable[[NodeId, NodeId], float | None]"
"""Gives the round trip of a link between two other nodes, as far as they tell it."""

MAX_KEPT_PAIRS: Final = 32_768
"""Pairs that a snapshot remembers, some 200 bytes each: 256 candidates by the 16 nodes of eight rooms."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RttCell:
    """One pair of a matrix; `estimate` is None where nothing is known."""

    a: NodeId
    b: NodeId
    estimate: RttEstimate | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RttMatrix:
    """Round trips between all living nodes, as one of them knew them at one moment.

    Attributes:
        own_id: the node that looks; the links are its own.
        nodes: whom it has cells for, in order.
        links_ms: round trips that its links measured, by the far end.
        reported_ms: gives those of links between two others; nobody is believed about ours.
        coordinates: Vivaldi coordinates, as far as they were read.
        positions: where the nodes are, as far as their operators say.
        now_s: the moment, on the clock of the coordinates.
    """

    own_id: NodeId
    nodes: tuple[NodeId, ...] = ()
    links_ms: Mapping[NodeId, float] = field(default_factory=lambda: MappingProxyType({}))
    reported_ms: ReportedRtt | None = field(default=None, compare=False)
    coordinates: Mapping[NodeId, SeenCoordinate] = field(default_factory=lambda: MappingProxyType({}))
    positions: Mapping[NodeId, Position] = field(default_factory=lambda: MappingProxyType({}))
    now_s: float = 0.0
    _known: dict[tuple[NodeId, NodeId], RttFigures | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def between(self, a: NodeId, b: NodeId) -> RttEstimate | None:
        """The best estimate for a pair, the same both ways; None where nothing is known."""
        figures = self.figures(a, b)
        return None if figures is None else RttEstimate(rtt_ms=figures[0], error_ms=figures[1], source=figures[2])

    def figures(self, a: NodeId, b: NodeId) -> RttFigures | None:
        """The same as a plain tuple, for whoever compares many pairs and needs one of them."""
        pair = (a, b)
        if pair in self._known:
            return self._known[pair]
        figures = self._look_up(a, b)
        if len(self._known) < MAX_KEPT_PAIRS:
            self._known[pair] = figures
        return figures

    def _look_up(self, a: NodeId, b: NodeId) -> RttFigures | None:
        if a == b:
            return 0.0, 0.0, RttSource.SELF
        link_ms: float | None = None
        if self.own_id in (a, b):
            link_ms = self.links_ms.get(b if a == self.own_id else a)
        elif self.reported_ms is not None:
            link_ms = self.reported_ms(a, b)
        seen, at = self.coordinates, self.positions
        return best_figures(link_ms, seen.get(a), seen.get(b), at.get(a), at.get(b), self.now_s)

    def cells_of(self, node: NodeId) -> Iterator[RttCell]:
        """The pairs of one node, n - 1 of them, each in the order of `nodes`."""
        is_past = False
        for other in self.nodes:
            if other == node:
                is_past = True
                continue
            a, b = (node, other) if is_past else (other, node)
            yield RttCell(a=a, b=b, estimate=self.between(a, b))

    def cells(self) -> Iterator[RttCell]:
        """Every pair once, n (n - 1) / 2 of them, in the order of `nodes`."""
        for index, a in enumerate(self.nodes):
            for b in self.nodes[index + 1 :]:
                yield RttCell(a=a, b=b, estimate=self.between(a, b))


def rtt_matrix(
    view: ClusterView,
    *,
    coordinates: Mapping[NodeId, SeenCoordinate] = MappingProxyType({}),
    links_ms: Mapping[NodeId, float] = MappingProxyType({}),
    reported_ms: ReportedRtt | None = None,
    now_s: float = 0.0,
) -> RttMatrix:
    """Make the snapshot for the living nodes of a view.

    Args:
        view: who there is, and where.
        coordinates: what was read of Serf; one of a node's former agent does not count.
        links_ms: what the own links measure, by the far end.
        reported_ms: gives what links between two others measure, as far as they tell it.
        now_s: now, on the clock of the coordinates.
    """
    alive = {member.node_id: member for member in view.alive()}
    seen = {node: one for node, one in coordinates.items() if node in alive and alive[node].serf_name == one.serf_name}
    places = {node: place for node, member in alive.items() if (place := position_of(member.tags)) is not None}
    return RttMatrix(
        own_id=view.own_id,
        nodes=tuple(alive),
        links_ms=MappingProxyType({node: rtt_ms for node, rtt_ms in links_ms.items() if node in alive}),
        reported_ms=reported_ms,
        coordinates=MappingProxyType(seen),
        positions=MappingProxyType(places),
        now_s=now_s,
    )


def position_of(tags: NodeTags) -> Position | None:
    """Where a node says that it is."""
    if tags.latitude is None or tags.longitude is None:
        return None
    return Position(latitude=tags.latitude, longitude=tags.longitude)
