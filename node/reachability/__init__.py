"""Whether every two nodes reach each other with media, and how well: the look before people need it.

matrix.py is what is said of all pairs (pure: rows in, verdicts out), preflight.py looks from here and asks the others,
mtu.py asks the kernel.
"""

from node.reachability.matrix import Reach, Reachability
from node.reachability.preflight import Preflight

__all__ = ["Preflight", "Reach", "Reachability"]
