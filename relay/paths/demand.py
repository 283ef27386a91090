"""What is wanted of a path: the word between the legs and the paths of a node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from signalling.ids import NodeId

MAX_HOPS: Final = 3
"""Links of a path at most. With nodes in all regions a third link has hardly ever something to offer; a fourth one
never did in published round trips between regions, and each costs bandwidth."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """Tracks of some origin are wanted.

    Attributes:
        max_hops: Over so many links at most: what is passed on to others must stay below what they asked for.
        askers: The neighbours that it is passed on to; it cannot come from them.
    """

    max_hops: int
    askers: frozenset[NodeId] = frozenset()
