"""What the relay has to be told, with units in the names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from relay.paths import MAX_HOPS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from signalling.ids import NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class RelayConfig:
    """Settings of one node's relay.

    Attributes:
        cluster: Name of the cluster, in every message.
        node_id: Stable id of this node.
        private_key: The node key; its public half is in this node's tags.
        warm_links: How many peers are linked as soon as they appear (the first ones by id, who
            have links with all), so that their first shared room costs no negotiation; others are linked on demand.
        idle_linger_s: How long a link that nothing needs is kept: it costs a keepalive each 200 ms
            and saves the next room the set-up.
        forget_after_s: How long a dead link may stay unmended before the node behind it counts as
            gone, whatever gossip says.
        max_hops: Links that a track may take to get here: 1 for none but the direct one, 3 at most.
        engine_deadline_s: For each command to the engine.
    """

    cluster: str
    node_id: NodeId
    private_key: Ed25519PrivateKey
    warm_links: int = 0
    idle_linger_s: float = 300.0
    forget_after_s: float = 8.0
    max_hops: int = MAX_HOPS
    engine_deadline_s: float = 2.0
