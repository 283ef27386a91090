"""Membership: which nodes there are, what they say of themselves, and how far they are.

Every node runs one `serf agent` as a child and speaks to it over loopback RPC.  The package's story, from the
outside in:

- `open_membership` (service.py) is the whole of it for the rest of a node: the current `ClusterView`, changes
  of it, user events to and from all nodes, own tags, round-trip estimates.
- agent/ keeps one serf agent alive, and rpc/ speaks to it: codec, connection, typed records.
- members/ decides who is there: a pure core that turns what the agent says into immutable snapshots. A node is known
  by its stable id, and its newest boot alone speaks for it.
- distance/ says how far a pair of nodes is and how sure that is; placement.py is the pure function from that to
  ordered candidates with reasons.
- keys/ is the keys of the gossip, this node's and everybody's.
- queries/ asks other nodes: whether they answer, whether they refuse this one, and where a room lives while the store
  is away.

What comes from a peer is never trusted: a member with unusable tags, of another cluster or without a
certificate is listed with the reason and changes nothing.
"""

from membership.config import MembershipConfig
from membership.distance.estimate import (
    NetworkCoordinate,
    Position,
    RttEstimate,
    RttSource,
    great_circle_km,
    rtt_floor_ms,
)
from membership.distance.rtt_matrix import RttCell, RttMatrix, rtt_matrix
from membership.errors import GossipSetupError, GossipUnavailableError, KeysRefusedError, MembershipError
from membership.keys.rotation import GossipKeys, KeyChange, KeysReport, NodeKeys
from membership.members.forgetting import ForgetRefusedError
from membership.members.history import ChangeHistory, HistoryEntry
from membership.members.snapshot import (
    Change,
    ClusterView,
    MemberRefused,
    MemberState,
    NodeAppeared,
    NodeChanged,
    NodeGone,
    UnusableMember,
    ViewMember,
    ViewReset,
)
from membership.members.tags import LoadClass, NodeState, NodeTags
from membership.placement import (
    Candidate,
    ClientPlace,
    Excluded,
    Placement,
    Reason,
    RoomPlace,
    may_hold,
    rank,
    refusals,
)
from membership.queries.room_queries import RoomFound, RoomQueries
from membership.service import MAX_EVENT_BYTES, Membership, open_membership
from membership.statistics import MembershipStatistics

__all__ = [
    "MAX_EVENT_BYTES",
    "Candidate",
    "Change",
    "ChangeHistory",
    "ClientPlace",
    "ClusterView",
    "Excluded",
    "ForgetRefusedError",
    "GossipKeys",
    "GossipSetupError",
    "GossipUnavailableError",
    "HistoryEntry",
    "KeyChange",
    "KeysRefusedError",
    "KeysReport",
    "LoadClass",
    "MemberRefused",
    "MemberState",
    "Membership",
    "MembershipConfig",
    "MembershipError",
    "MembershipStatistics",
    "NetworkCoordinate",
    "NodeAppeared",
    "NodeChanged",
    "NodeGone",
    "NodeKeys",
    "NodeState",
    "NodeTags",
    "Placement",
    "Position",
    "Reason",
    "RoomFound",
    "RoomPlace",
    "RoomQueries",
    "RttCell",
    "RttEstimate",
    "RttMatrix",
    "RttSource",
    "UnusableMember",
    "ViewMember",
    "ViewReset",
    "great_circle_km",
    "may_hold",
    "open_membership",
    "rank",
    "refusals",
    "rtt_floor_ms",
    "rtt_matrix",
]
