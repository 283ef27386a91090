"""The two cores that decide where tracks go, side by side: the paths say whom to ask, the legs ask.

What one of them decides is an event for the other: legs tell which origins are wanted and who refused, paths
tell the ways. Each is told before the other acts on it, so that no track is asked for by a way that is about to change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from relay.legs import (
    CloseLegIn,
    CloseLegOut,
    Hop,
    Legs,
    LegsDeadline,
    LegsEvent,
    LinkFallen,
    LinkRenewed,
    LinkRisen,
    OpenLegIn,
    OpenLegOut,
    TellLeg,
    ViaRefused,
    WaysKnown,
)
from relay.paths import Paths
from relay.paths import events as paths_core

if TYPE_CHECKING:
    from collections.abc import Callable

    from signalling.ids import NodeId

SteeringEffect: TypeAlias = OpenLegIn | CloseLegIn | OpenLegOut | CloseLegOut | TellLeg | paths_core.TellReports
"""What is to be said or done over a link that is up."""


class Steering:
    """Paths and legs of one node. What they ask for goes to `run`, in order."""

    def __init__(self, *, own: NodeId, boot: int, max_hops: int, run: Callable[[SteeringEffect], None]) -> None:
        self.paths = Paths(own=own, boot=boot, max_hops=max_hops)
        self.legs = Legs(own=own)
        self._run = run

    def rise(self, node: NodeId, now: float) -> None:
        """The link with a node carries, and carries no leg."""
        self.take(LinkRisen(node=node), now)
        self.steer(paths_core.LinkRisen(node=node), now)

    def renew(self, node: NodeId, now: float) -> None:
        """It carries over another end from now on, with the same legs."""
        self.take(LinkRenewed(node=node), now)
        self.steer(paths_core.LinkRisen(node=node), now)

    def fall(self, node: NodeId, now: float) -> None:
        """It is gone. Another way is taken first, so that nothing is asked for twice."""
        self.steer(paths_core.LinkFallen(node=node), now)
        self.take(LinkFallen(node=node), now)

    def take(self, event: LegsEvent, now: float) -> None:
        """Have the legs handle an event."""
        self.steer(paths_core.OriginsWanted(demands=self.legs.demands(event)), now)
        for effect in self.legs.handle(event, now):
            if isinstance(effect, ViaRefused):
                self.steer(paths_core.WayRefused(origin=effect.origin, via=effect.via), now)
            else:
                self._run(effect)
        self.steer(paths_core.OriginsWanted(demands=self.legs.demands()), now)

    def steer(self, event: paths_core.PathsEvent, now: float) -> None:
        """Have the paths handle an event."""
        for effect in self.paths.handle(event, now):
            if isinstance(effect, paths_core.TellReports):
                self._run(effect)
            else:
                hops = {origin: Hop(via=way.via, hops=way.hops) for origin, way in effect.ways.items()}
                self.take(WaysKnown(hops=hops), now)

    def pass_deadlines(self, now: float) -> None:
        """Do what is due."""
        self.steer(paths_core.PathsDeadline(), now)
        self.take(LegsDeadline(), now)

    def next_deadline(self) -> float | None:
        """When `pass_deadlines` must be called at the latest."""
        times = (self.paths.next_deadline(), self.legs.next_deadline())
        return min((at for at in times if at is not None), default=None)
