"""Emptying a node without anybody noticing, and saying whether it takes people at all.

- :mod:`node.drain.core` decides: a pure core, from events of :mod:`node.drain.events` to its effects.
- :mod:`node.drain.service` carries out what it decides, and keeps its time.
- :mod:`node.drain.eligibility` keeps in the data folder whether the node takes new people.
- :mod:`node.drain.ports` is what that needs of the rest of the node.

In this order: nobody new comes in, the cluster is told, other nodes' routes over this one end, and then people are
told in batches where to go. They take their seat there before they give up this one (node/conductor/moves.py), so
nobody sees them leave. Whoever is still here at the deadline loses the seat at once.
"""

from node.drain.core import Drain, DrainOverError
from node.drain.eligibility import Eligibility, UnkeptError
from node.drain.events import DrainState
from node.drain.service import Drainer, open_drainer

__all__ = ["Drain", "DrainOverError", "DrainState", "Drainer", "Eligibility", "UnkeptError", "open_drainer"]
