"""Overlay paths: by which neighbour the tracks of each node come here.

The way the Internet takes between two nodes is not always the best one: a third node may lie on a better. Each node
measures its own links and reports them; from all reports each computes, by the same pure function, by which neighbour
to ask for what an origin sends.

- cost.py says what a link costs: one number, from round trip, jitter and loss.
- states.py puts together what all nodes report of their links, and says whom we believe of what.
- tree.py finds the cheapest branches from an origin, and the ways that one node could take.
- choice.py decides between them: what works is left only for what has been clearly better for a while.
- demand.py is what the legs want of it.
- core.py is all of that for one node (`handle`, `next_deadline`), with what is reported and passed on.

Nothing here keeps tracks from going round in circles, because decisions of different nodes need not fit together: that
is the business of the levels of legs (relay/legs), which hold whatever is decided here.
"""

from relay.paths.choice import Choice, Pick, Reason
from relay.paths.core import Paths
from relay.paths.cost import LinkQuality, link_cost_ms
from relay.paths.demand import MAX_HOPS, Demand
from relay.paths.tree import Branch, Traits, Way, tree, ways

__all__ = [
    "MAX_HOPS",
    "Branch",
    "Choice",
    "Demand",
    "LinkQuality",
    "Paths",
    "Pick",
    "Reason",
    "Traits",
    "Way",
    "link_cost_ms",
    "tree",
    "ways",
]
