"""Everything the session service has to be told, with units in the names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from session.directory import MAX_ROOM_PARTICIPANTS, MAX_ROOMS_PER_OWNER
from session.room_media import RoomMedia
from session.store import RoomPolicy
from signalling.ids import NodeId, is_node_id

__all__ = ["SessionConfig"]

MIN_RENEWALS_PER_LEASE: Final = 3
"""A seat survives two lost renewals in a row; with fewer, one slow answer of the store would end a lease."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionConfig:
    """Settings of one node's sessions, rooms and seats.

    Attributes:
        cluster: name of the cluster; issuer of tokens and prefix of every key in the store.
        node: stable id of this node.
        region: the place this node serves.
        lease_s: how long a seat stands in the store without a renewal; ghosts of a dead node live this long.
        renew_s: period of the renewal, at most a third of the lease.
        grace_s: how long a seat waits for a dropped socket to come back, in rooms that do not say; at most the lease.
        join_deadline_s: from a join's arrival to its answer, the store included.
        holder_ping_s: how long a session that keeps a seat from another device (policy `reject`) may take to answer
            a ping; a join that waits for it has this much longer.
        tombstone_s: how long the store remembers ended attempts; as long as a token lives, plus its leeway.
        max_sessions: sockets with a session on this node; more are refused with `node_full`.
        max_pending_joins: joins waiting for the store at once; more are refused with `rate_limited`.
        max_rooms: rooms in the mesh; more are refused with `rooms_full`. As many definitions a node keeps at hand.
        max_rooms_per_owner: rooms of one user; more are refused with `too_many_rooms`.
        forget_rooms_after_s: how long after the last visit a room that a join made is forgotten; 0 is never.
        room_max_participants: cap of a room whose creator named none.
        room_policy: what happens in a room that a join made when a user comes in on a second device.
        rooms_on_join: whether joining an unknown room creates it.
        room_media: limits on what is forwarded in a room whose creator named none.
    """

    cluster: str
    node: NodeId
    region: str = ""
    lease_s: float = 8.0
    renew_s: float = 2.5
    grace_s: float = 6.0
    join_deadline_s: float = 2.0
    holder_ping_s: float = 2.0
    tombstone_s: float = 3_660.0
    max_sessions: int = 10_000
    max_pending_joins: int = 256
    max_rooms: int = 10_000
    max_rooms_per_owner: int = MAX_ROOMS_PER_OWNER
    forget_rooms_after_s: float = 7 * 86_400.0
    room_max_participants: int = 100
    room_policy: RoomPolicy = RoomPolicy.REPLACE
    rooms_on_join: bool = True
    room_media: RoomMedia = field(default_factory=RoomMedia)

    def __post_init__(self) -> None:
        """Check what one setting means for another.

        Raises:
            ValueError: a field is outside of its range; the sentence names it.
        """
        if not is_node_id(self.node):
            raise ValueError(f"node id {self.node!r}: use 1-32 of a-z, 0-9 and inner '-'")
        if not 0 < self.renew_s * MIN_RENEWALS_PER_LEASE <= self.lease_s:
            raise ValueError(f"renew_s {self.renew_s} must be above 0 and at most a third of lease_s {self.lease_s}")
        if not 0 <= self.grace_s <= self.lease_s:
            raise ValueError(f"grace_s {self.grace_s} must be between 0 and lease_s {self.lease_s}")
        if self.tombstone_s < self.lease_s:
            raise ValueError(f"tombstone_s {self.tombstone_s} must be at least lease_s {self.lease_s}")
        if self.join_deadline_s <= 0:
            raise ValueError(f"join_deadline_s {self.join_deadline_s} must be above 0")
        if not 0 < self.holder_ping_s <= self.lease_s:
            raise ValueError(f"holder_ping_s {self.holder_ping_s} must be above 0 and at most lease_s {self.lease_s}")
        for name in ("max_sessions", "max_pending_joins", "max_rooms", "max_rooms_per_owner", "room_max_participants"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.forget_rooms_after_s < 0:
            raise ValueError("forget_rooms_after_s must be 0 or more")
        if self.room_max_participants > MAX_ROOM_PARTICIPANTS:
            raise ValueError(f"room_max_participants must be at most {MAX_ROOM_PARTICIPANTS}")
