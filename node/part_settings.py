"""What the configuration means to each part of a node, in the part's own words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from membership import MembershipConfig, NodeTags
from node.identity import load_gossip_key, load_rpc_token
from session import RoomMedia, RoomPolicy, SessionConfig
from signalling.ids import NodeId

if TYPE_CHECKING:
    from node.config import Config
    from node.identity import Identity

TOKEN_LEEWAY_S: Final = 60.0
"""A tombstone outlives every token by as much as clocks may differ."""

MAX_MEDIA_ADDRESSES: Final = 8
"""What fits into a node's tags; others learn all candidates with the offer of a link."""


def session_config(config: Config) -> SessionConfig:
    """What sessions and rooms are told."""
    return SessionConfig(
        cluster=config.node.cluster,
        node=NodeId(config.node.id),
        region=config.node.region,
        grace_s=config.rooms.grace_s,
        tombstone_s=config.tokens.session_lifetime_s + TOKEN_LEEWAY_S,
        max_sessions=config.http.max_sessions,
        max_rooms=config.rooms.max_rooms,
        max_rooms_per_owner=config.rooms.max_per_owner,
        forget_rooms_after_s=config.rooms.forget_after_h * 3600,
        room_max_participants=config.rooms.max_participants,
        room_policy=RoomPolicy(config.rooms.on_join),
        rooms_on_join=config.rooms.create_on_join,
        room_media=_room_media(config),
    )


def _room_media(config: Config) -> RoomMedia:
    rooms = config.rooms
    return RoomMedia(
        loudest=rooms.loudest,
        max_height=rooms.max_height,
        max_bitrate_bps=rooms.max_bitrate_bps,
        codec_policy=rooms.codec_policy,
    )


def own_tags(config: Config, identity: Identity, url: str, media_addresses: tuple[str, ...]) -> NodeTags:
    """What this node says of itself."""
    return NodeTags(
        cluster=config.node.cluster,
        node_id=NodeId(config.node.id),
        role="media",
        region=config.node.region,
        latitude=config.node.latitude,
        longitude=config.node.longitude,
        residency=config.node.residency or None,
        transit_price_ms=config.mesh.transit_price_ms,
        public_url=url,
        media_addresses=media_addresses[:MAX_MEDIA_ADDRESSES],
        public_key=identity.public_key,
    )


def membership_config(config: Config, identity: Identity) -> MembershipConfig:
    """What membership is told.

    Raises:
        NodeStartError: A key or token file cannot be used.
    """
    mesh = config.mesh
    return MembershipConfig(
        cluster=config.node.cluster,
        node_id=NodeId(config.node.id),
        region=config.node.region,
        latitude=config.node.latitude,
        longitude=config.node.longitude,
        data_dir=Path(config.node.data_dir),
        runtime_dir=Path(config.node.data_dir),
        bind_address=mesh.address,
        bind_port=mesh.port,
        advertise=mesh.advertise or None,
        seeds=mesh.seeds,
        gossip_key=None if mesh.rpc else load_gossip_key(config),
        rpc=mesh.rpc or None,
        rpc_token=load_rpc_token(config) if mesh.rpc else "",
        cluster_keys=identity.cluster_keys.public_keys,
        certify=identity.cluster_keys.signing_key.sign,
        revoked_keys_file=Path(mesh.revoked_keys_file) if mesh.revoked_keys_file else None,
        serf_path=mesh.serf,
        start_deadline_s=mesh.start_deadline_s,
        call_deadline_s=mesh.call_deadline_s,
        leave_deadline_s=mesh.leave_deadline_s,
    )
