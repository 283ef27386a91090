"""How far the nodes are from each other: the best estimate for each pair, where it comes from, how good it is.

A link measures, so it wins; network coordinates estimate; two places on the map give a guess.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from membership import ClusterView, Membership, RttCell
    from relay import Relay


class RttPair(msgspec.Struct, frozen=True, kw_only=True):
    """One pair of living nodes.

    Attributes:
        a: One end.
        b: The other; the way back is the same.
        rtt_ms: The best estimate; None when nothing is known.
        error_ms: How far it may well be off, either way.
        source: ``link``, ``coordinates``, ``positions``, or ``unknown``.
        confidence: How much to trust it, 0 to 1.
    """

    a: str
    b: str
    rtt_ms: float | None = None
    error_ms: float | None = None
    source: str = "unknown"
    confidence: float = 0.0


class Rtts(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs, as this node knows them: ``nodes`` in order, each pair once in that order; all of them, or its own."""

    me: str
    nodes: tuple[str, ...]
    pairs: tuple[RttPair, ...]


def read_rtts(
    view: ClusterView, membership: Membership | None, relay: Relay | None, *, own_alone: bool = False
) -> Rtts:
    """Make the best of what is known now; of all pairs, or of those of this node alone."""
    from membership import rtt_matrix  # whoever asks imports this module, and needs no mesh for it
    from node.conductor.distances import rtts_now

    matrix = rtt_matrix(view) if membership is None else rtts_now(membership, relay)
    cells = matrix.cells_of(view.own_id) if own_alone else matrix.cells()
    return Rtts(me=view.own_id, nodes=matrix.nodes, pairs=tuple(map(_pair, cells)))


def _pair(cell: RttCell) -> RttPair:
    known = cell.estimate
    if known is None:
        return RttPair(a=cell.a, b=cell.b)
    return RttPair(
        a=cell.a,
        b=cell.b,
        rtt_ms=round(known.rtt_ms, 3),
        error_ms=round(known.error_ms, 3),
        source=known.source.value,
        confidence=round(known.confidence, 3),
    )
