"""Relay: links between nodes, and what flows over them.

A *link* belongs to a pair of nodes. Gossip negotiates it, once; everything else goes over it. The
package's story, from the outside in:

- `open_relay` (service.py) is the whole of it for the rest of a node: it is told which rooms to share
  with whom and which remote tracks are needed here, and tells which rooms live elsewhere.
- negotiation.py decides how a link comes about, a pure core: offers, answers, retries, crossing offers,
  deadlines. inspection.py is its gate: which messages of the gossip are to be believed at all.
- envelope.py is the form of such a message and its signature; candidates.py the addresses in it.
- rooms.py and legs.py decide what is said over links that are up, two pure cores: rooms and who is in
  them, and tracks, each of which goes to a far node once (a *leg*) and only while wanted there.
- hearsay.py says what a word of a far node is to this one, if it is believed.
- planner/ decides whether the people of a room are better off on one node than on several; node/ carries it out.
- end.py runs the engine's commands of one link in order, under deadlines.

A link's death is no news about a room: what a node told stands until gossip agrees that it is gone, or
no new link came about in time.
"""

from relay.config import RelayConfig
from relay.events import (
    ClockTold,
    HolderAsked,
    HolderTold,
    LegOpen,
    LinkLost,
    LinkRenewed,
    LinkState,
    LinkStatus,
    LinkUp,
    NodeReached,
    ReachAsked,
    ReachTold,
    RelayEvent,
    RelayStatistics,
    RemoteChat,
    RemoteChatBefore,
    RemoteOrder,
    RemotePlan,
    RemoteRestriction,
    RemoteRoom,
    TraceAsked,
    TraceTold,
    WayStatus,
)
from relay.ports import Gossip, LinkEngine
from relay.service import Relay, open_relay

__all__ = [
    "ClockTold",
    "Gossip",
    "HolderAsked",
    "HolderTold",
    "LegOpen",
    "LinkEngine",
    "LinkLost",
    "LinkRenewed",
    "LinkState",
    "LinkStatus",
    "LinkUp",
    "NodeReached",
    "ReachAsked",
    "ReachTold",
    "Relay",
    "RelayConfig",
    "RelayEvent",
    "RelayStatistics",
    "RemoteChat",
    "RemoteChatBefore",
    "RemoteOrder",
    "RemotePlan",
    "RemoteRestriction",
    "RemoteRoom",
    "TraceAsked",
    "TraceTold",
    "WayStatus",
    "open_relay",
]
