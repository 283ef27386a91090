"""What a drain needs of the rest of the node, as shapes: tests bring their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from membership import NodeTags
    from node.http.candidates import NodeCandidate
    from relay.events import LinkStatus, RelayStatistics
    from session import Seat
    from signalling.client.messages import LeaveReason
    from signalling.ids import NodeId, RoomId, SessionId

__all__ = ["Gossip", "Links", "Moves", "Rooms", "Seats"]


class Seats(Protocol):
    """:class:`session.Sessions`."""

    def start_drain(self) -> None:
        """Take no more sessions and joins."""
        ...

    def undo_drain(self) -> None:
        """Take them again."""
        ...

    async def release_all(self) -> None:
        """End every seat."""
        ...

    def expel(self, session: SessionId, room: RoomId, reason: LeaveReason) -> None:
        """End one seat."""
        ...

    def seats(self) -> tuple[Seat, ...]:
        """All seats here."""
        ...


class Moves(Protocol):
    """:class:`node.conductor.moves.MoveDesk`."""

    async def targets(self, room: RoomId) -> Sequence[NodeCandidate]:
        """Where the people of a room would go."""
        ...

    def report_moves(self, to: Callable[[SessionId], None]) -> None:
        """Say whose seat is on another node from now on."""
        ...

    def staying(self) -> int:
        """How many sit elsewhere whose media still goes over this node."""
        ...

    async def send(
        self, people: Iterable[SessionId], within_s: float, *, wanted: Callable[[], bool]
    ) -> tuple[SessionId, ...]:
        """Tell people where to go, while they are wanted to; returns those for whom there is no other node."""
        ...

    def understands(self, session: SessionId) -> bool:
        """Whether somebody knows what to do when told."""
        ...


class Rooms(Protocol):
    """:class:`node.conductor.stage.Stage`."""

    def share_ahead(self, targets: Mapping[RoomId, frozenset[NodeId]]) -> None:
        """Let nodes know rooms that are about to live there."""
        ...


class Links(Protocol):
    """:class:`relay.Relay`."""

    def set_draining(self, draining: bool) -> None:
        """Make and take no new link, or do again."""
        ...

    def snapshot(self) -> tuple[LinkStatus, ...]:
        """Every link as it is now."""
        ...

    def statistics(self) -> RelayStatistics:
        """Counters and gauges: how many tracks of other nodes pass here."""
        ...


class Gossip(Protocol):
    """:class:`membership.Membership`."""

    @property
    def tags(self) -> NodeTags:
        """What this node says of itself."""
        ...

    async def set_tags(self, tags: NodeTags) -> None:
        """Say something else."""
        ...
