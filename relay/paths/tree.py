"""The way of a track from its origin to every node: the cheapest one of at most so many links. Pure functions.

A node does not tell others which way to take; it picks the neighbour to ask, and that one picks its own. That the
picks fit together is no matter of luck: a leg's *level* (legs.py) keeps loops out whatever anybody picks, and
with the same reports the same function gives the same tree everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from relay.paths.demand import MAX_HOPS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from relay.paths.states import LinkStates
    from signalling.ids import NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """What a node says of itself in its tags, as far as paths go.

    Attributes:
        is_draining: It is about to leave, and no middle of any path.
        protocol: The lowest and the highest version that it speaks.
        places: Its region, and the tag of whose rules its data is under.
        price_ms: What its operator wants for what it passes on, as the milliseconds that this is worth.
    """

    is_draining: bool = False
    protocol: tuple[int, int] = (1, 1)
    places: frozenset[str] = frozenset()
    price_ms: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Branch:
    """How one node gets what an origin sends: `path` from the origin to the node, both included."""

    path: tuple[NodeId, ...]
    cost_ms: float

    @property
    def hops(self) -> int:
        """Links that it takes."""
        return len(self.path) - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One way that a node could take: ask `via`, which is `origin` itself where the way is direct.

    Attributes:
        via: The neighbour to ask.
        path: From the origin to this node, both included, as it is expected to be.
        cost_ms: Of all of it.
    """

    via: NodeId
    path: tuple[NodeId, ...]
    cost_ms: float

    @property
    def hops(self) -> int:
        """Links that it takes."""
        return len(self.path) - 1

    @property
    def is_direct(self) -> bool:
        """Whether it is the link with the origin itself."""
        return len(self.path) == 2


def may_pass(origin: Traits, middle: Traits, target: Traits, residency: frozenset[str] | None = None) -> bool:
    """Whether a node may pass on what another sends to a third: it stays, speaks with both, and is where it may be.

    `residency` names the places that the media must not leave; None for anywhere.
    """
    if middle.is_draining or (residency is not None and not residency & middle.places):
        return False
    low, high = middle.protocol
    return all(low <= other.protocol[1] and other.protocol[0] <= high for other in (origin, target))


def tree(
    origin: NodeId,
    links: LinkStates,
    *,
    max_hops: int = MAX_HOPS,
    passes: Callable[[NodeId], bool] = lambda _: True,
    price_ms: Callable[[NodeId], float] = lambda _: 0.0,
    without: NodeId | None = None,
) -> Mapping[NodeId, Branch]:
    """The cheapest branches from an origin, itself included.

    Bellman and Ford, round by round: after n rounds each branch is the cheapest of at most n links, and never passes
    a node twice because every link costs something.

    Args:
        origin: Where the tracks come from.
        links: Who receives from whom at what cost.
        max_hops: Links of a branch at most.
        passes: Whether a node may be in the middle.
        price_ms: What a node in the middle adds to the cost.
        without: A node that is to be left out, such as the one that asks.
    """
    best = {origin: Branch(path=(origin,), cost_ms=0.0)}
    newest = dict(best)
    for _ in range(max_hops):
        found: dict[NodeId, Branch] = {}
        for sender, branch in newest.items():
            if sender != origin and not passes(sender):
                continue
            paid_ms = branch.cost_ms + (price_ms(sender) if sender != origin else 0.0)
            for receiver, cost_ms in links.out_of(sender).items():
                if receiver == without:
                    continue
                known = found.get(receiver) or best.get(receiver)
                # Equal costs are told apart by the path, the same way everywhere.
                here = (paid_ms + cost_ms, (*branch.path, receiver))
                if known is None or here < (known.cost_ms, known.path):
                    found[receiver] = Branch(path=here[1], cost_ms=here[0])
        if not found:
            break
        best |= found
        newest = found
    return best


def ways(
    origin: NodeId,
    own: NodeId,
    links: LinkStates,
    *,
    max_hops: int = MAX_HOPS,
    passes: Callable[[NodeId], bool] = lambda _: True,
    price_ms: Callable[[NodeId], float] = lambda _: 0.0,
) -> tuple[Way, ...]:
    """Every neighbour that a node could ask for the tracks of an origin, the cheapest way first."""
    into = links.into(own)
    branches = tree(origin, links, max_hops=max_hops - 1, passes=passes, price_ms=price_ms, without=own)
    found = [
        Way(
            via=via,
            path=(*branch.path, own),
            cost_ms=branch.cost_ms + into[via] + (price_ms(via) if via != origin else 0.0),
        )
        for via, branch in branches.items()
        if via in into and (via == origin or passes(via))
    ]
    return tuple(sorted(found, key=lambda way: (way.cost_ms, way.path)))
