"""Everything the membership service has to be told, with units in the names."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from membership.errors import GossipSetupError
from membership.keys.keyring import is_gossip_key
from membership.members.tags import LoadClass, NodeState, NodeTags, is_cluster_name
from signalling.ids import NodeId, is_node_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["MembershipConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MembershipConfig:
    """Settings of one node's membership.

    Attributes:
        cluster: name of the cluster; members that carry another name are refused and shown.
        node_id: stable id of this node, unique in the cluster, kept over restarts.
        region: free name of the place this node serves.
        latitude: degrees north, -90..90; given together with `longitude` or not at all.
        longitude: degrees east, -180..180.
        role: what the node is for; `media` nodes take clients.
        data_dir: folder that outlives the process (boot counter, Serf's snapshot of known peers).
        runtime_dir: where the agent's private folder is made; None means the system's temporary folder.
        bind_address: IP address the gossip listens on.
        bind_port: TCP and UDP port of the gossip.
        advertise: `host:port` under which other nodes reach the gossip; None means the bound address.
        seeds: `host:port` of nodes to join; this node's own address among them does no harm.
        gossip_key: base64 of 16, 24 or 32 bytes; needed as soon as there are seeds.
        cluster_keys: raw 32-byte Ed25519 public keys of the cluster; when there are any, a member without
            a certificate by one of them is refused and shown.
        certify: signs with the cluster's key what this node says of itself (64 bytes); None on a node without one.
        revoked_keys_file: node keys that are refused, see members/revocations.py; None for none.
        rpc: `host:port` of the RPC of an external agent on a loopback address, which then takes the place of an own
            one: everything about addresses, keys and the program is its operator's.
        rpc_token: the RPC's secret.
        serf_path: the serf program, a path or a name to look up in PATH.
        start_deadline_s: from starting an agent until its RPC must answer.
        call_deadline_s: for one fast RPC call (members, event, coordinates).
        join_deadline_s: for one attempt to join the seeds; dead ones cost 10 s each.
        first_join_wait_s: how long start-up waits for the first attempt before going on without it.
        leave_deadline_s: for the graceful leave on close; after it the agent is ended.
        query_timeout_s: how long other nodes may answer a query; its gossip takes 0.1-0.7 s in 3-30 nodes.
        ping_interval_s: between two rounds of pings of nodes with external agents, and of those whose link is down.
        refresh_interval_s: period of the full re-read of members that heals whatever a stream missed.
        rejoin_interval_s: period of joining the seeds again while none of them is alive.
        restart_backoff_s: first pause before a dead agent is started again, doubled each time.
        restart_backoff_max_s: longest such pause.
    """

    cluster: str
    node_id: NodeId
    region: str
    latitude: float | None = None
    longitude: float | None = None
    role: str = "media"
    data_dir: Path
    runtime_dir: Path | None = None
    bind_address: str = "127.0.0.1"
    bind_port: int = 7946
    advertise: str | None = None
    seeds: tuple[str, ...] = ()
    gossip_key: str | None = None
    cluster_keys: tuple[bytes, ...] = ()
    certify: Callable[[bytes], bytes] | None = None
    revoked_keys_file: Path | None = None
    rpc: str | None = None
    rpc_token: str = field(default="", repr=False)
    serf_path: str = "serf"
    start_deadline_s: float = 10.0
    call_deadline_s: float = 5.0
    join_deadline_s: float = 35.0
    first_join_wait_s: float = 3.0
    leave_deadline_s: float = 5.0
    query_timeout_s: float = 2.0
    ping_interval_s: float = 3.0
    refresh_interval_s: float = 5.0
    rejoin_interval_s: float = 30.0
    restart_backoff_s: float = 0.25
    restart_backoff_max_s: float = 30.0

    def __post_init__(self) -> None:
        """Check what can be checked without touching the machine.

        Raises:
            ValueError: a field is outside of its range.
            GossipSetupError: `gossip_key_required`, `gossip_key_invalid`, `gossip_address_invalid`.
        """
        if not is_cluster_name(self.cluster):
            raise ValueError(f"cluster name {self.cluster!r}: use 1-32 of a-z, 0-9, '-' and '.'")
        if not is_node_id(self.node_id):
            raise ValueError(f"node id {self.node_id!r}: use 1-32 of a-z, 0-9 and inner '-'")
        if not 1 <= self.bind_port <= 65535:
            raise ValueError(f"gossip port {self.bind_port} is outside 1-65535")
        try:
            ipaddress.ip_address(self.bind_address)
        except ValueError:
            raise GossipSetupError(
                "gossip_address_invalid",
                f"the gossip address {self.bind_address!r} is not an IP address; write one of this machine",
            ) from None
        if self.seeds and self.gossip_key is None and self.rpc is None:
            raise GossipSetupError(
                "gossip_key_required",
                "seeds are configured but no gossip key; make one with `starling keygen` and give it to every node",
            )
        if self.gossip_key is not None:
            _check_gossip_key(self.gossip_key)

    def tags(
        self,
        *,
        public_url: str,
        public_key: bytes,
        media_addresses: tuple[str, ...] = (),
        protocol_min: int = 1,
        protocol_max: int = 1,
        state: NodeState = NodeState.SERVING,
        load: LoadClass = LoadClass.LOW,
    ) -> NodeTags:
        """The tags of this node; what the config knows is filled in, the boots are stamped by the service."""
        return NodeTags(
            cluster=self.cluster,
            node_id=self.node_id,
            role=self.role,
            region=self.region,
            latitude=self.latitude,
            longitude=self.longitude,
            public_url=public_url,
            media_addresses=media_addresses,
            protocol_min=protocol_min,
            protocol_max=protocol_max,
            state=state,
            load=load,
            public_key=public_key,
        )


def _check_gossip_key(key: str) -> None:
    if not is_gossip_key(key):
        raise GossipSetupError(
            "gossip_key_invalid",
            "the gossip key is not base64 of 16, 24 or 32 bytes; make one with `starling keygen`",
        )
