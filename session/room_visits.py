"""Since when somebody is in a room, and who was in it: remembered over reloads and changes of node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from signalling.ids import NodeId, ParticipantId, UserId

if TYPE_CHECKING:
    from signalling.client.messages import ParticipantInfo

__all__ = ["MAX_SEEN", "SAME_VISIT_MS", "Seen", "Visits"]

MAX_SEEN: Final = 100
"""People of a room who are remembered after they left, the last ones: as many as one screen lists."""

SAME_VISIT_MS: Final = 15_000
"""Who comes back within this time never left: above the longest grace and lease of a seat, 8 s each with the move to
another node that is heard of late."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was in a room and left it.

    Attributes:
        participant: Who.
        user: Likewise.
        name: As the others saw it.
        node: Where they were last.
        region: Likewise.
        since_ms: When they came, milliseconds since 1970.
        left_ms: When this node saw them leave.
    """

    participant: ParticipantId
    user: UserId
    name: str
    node: NodeId
    region: str
    since_ms: int
    left_ms: int


class Visits:
    """Who came when, and who left when, of one room."""

    def __init__(self) -> None:
        self._here: dict[ParticipantId, int] = {}
        self._seen: dict[ParticipantId, Seen] = {}

    def since(self, who: ParticipantId, now_ms: int) -> int:
        """When this participant came: now, unless it is here or was a moment ago."""
        if who in self._here:
            return self._here[who]
        seen = self._seen.get(who)
        return seen.since_ms if seen is not None and now_ms - seen.left_ms <= SAME_VISIT_MS else now_ms

    def is_here(self, info: ParticipantInfo) -> int:
        """Somebody is in the view; returns since when: the earliest that any node says."""
        known = self._here.get(info.participant, 0) or info.since_ms
        self._here[info.participant] = since = min(known, info.since_ms) if info.since_ms else known
        self._seen.pop(info.participant, None)
        return since

    def left(self, info: ParticipantInfo, now_ms: int) -> None:
        """Somebody is in the view no longer."""
        since = self._here.pop(info.participant, 0) or info.since_ms
        self._seen.pop(info.participant, None)
        self._seen[info.participant] = Seen(
            participant=info.participant,
            user=info.user,
            name=info.name,
            node=info.node,
            region=info.region,
            since_ms=since,
            left_ms=now_ms,
        )
        while len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]

    def last_seen(self) -> tuple[Seen, ...]:
        """Who left, the last one first."""
        return tuple(reversed(self._seen.values()))
