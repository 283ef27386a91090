"""Membership: which nodes there are, what they say of themselves, and how far they are.

Every node runs one `serf agent` as a child and speaks to it over loopback RPC.  The package's story, from the
outside in:

- `open_membership` (service.py) is the whole of it for the rest of a node: the current `ClusterView`, changes
  of it, user events to and from all nodes, own tags, round-trip estimates.
- view.py decides: a pure core that turns what the agent says into immutable snapshots.  A node is known by
  its stable id, and its newest boot alone speaks for it.
- tags.py and certificate.py are what a node says of itself and why it is believed.
- gossip_keys.py asks for and changes the keys of the gossip, keyring.py keeps this node's own.
- external_agent.py uses an agent that somebody else runs, and pings.py asks whether a node is there whose agent is.
- history.py is what happened to the members lately.
- agent.py keeps the agent alive; tether.py and child.py see to it that no child outlives this process.
- room_queries.py asks the mesh where a room lives while the store is away (room_query.py is what is said,
  room_questions.py when), and answers others.
- rpc/ is the Serf RPC client: codec, connection, typed records.
- distance.py says how far a pair of nodes is and how sure that is, rtt_matrix.py says it of all, and coordinates.py
  reads what Serf knows of it; placement.py is the pure function from that to ordered candidates with reasons.

What comes from a peer is never trusted: a member with unusable tags, of another cluster or without a
certificate is listed with the reason and changes nothing.
"""

from membership.config import MembershipConfig
from membership.distance import NetworkCoordinate, Position, RttEstimate, RttSource, great_circle_km, rtt_floor_ms
from membership.errors import GossipSetupError, GossipUnavailableError, KeysRefusedError, MembershipError
from membership.forgetting import ForgetRefusedError
from membership.gossip_keys import GossipKeys, KeyChange, KeysReport, NodeKeys
from membership.history import ChangeHistory, HistoryEntry
from membership.placement import Candidate, ClientPlace, Excluded, Placement, Reason, RoomPlace, rank
from membership.room_queries import RoomFound, RoomQueries
from membership.rtt_matrix import RttCell, RttMatrix, rtt_matrix
from membership.service import MAX_EVENT_BYTES, Membership, open_membership
from membership.snapshot import (
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
from membership.statistics import MembershipStatistics
from membership.tags import LoadClass, NodeState, NodeTags

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
    "open_membership",
    "rank",
    "rtt_floor_ms",
    "rtt_matrix",
]
