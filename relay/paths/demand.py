"""What is wanted of a path: the word between the legs and the paths of a node."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from signalling.ids import NodeId

MAX_HOPS: Final = 3
"""Links of a path at most. With nodes in all regions a third link has hardly ever something to offer; a fourth one
never did in published round trips between regions, and each costs bandwidth."""


KEPT_HOPS: Final = 2
"""Links of a path at most for what must stay within some places: who wants it picks the one node in the middle. A
second one there would be picked by the first, which is not told what it may do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """Tracks of some origin are wanted.

    Attributes:
        max_hops: Over so many links at most: what is passed on to others must stay below what they asked for.
        askers: The neighbours that it is passed on to; it cannot come from them.
        places: Of these whoever passes it on must be; None for anywhere.
    """

    max_hops: int
    askers: frozenset[NodeId] = frozenset()
    places: frozenset[str] | None = None

    def kept_in(self, places: frozenset[str] | None) -> Demand:
        """The same, within some places as well."""
        if places is None:
            return self
        kept = places if self.places is None else self.places & places
        return replace(self, max_hops=min(self.max_hops, KEPT_HOPS), places=kept)
