"""What the paths of a node are told, and what they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from relay.paths.choice import Reason
    from relay.paths.cost import LinkQuality
    from relay.paths.demand import Demand
    from relay.paths.tree import Traits, Way
    from signalling.ids import NodeId
    from signalling.mesh.link import LinkReport


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkRisen:
    """Our link with a node carries."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkFallen:
    """It does not any more, or is suspect: nothing is heard of it. Saying so twice does no harm."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkMeasured:
    """What we measured of a link of ours."""

    node: NodeId
    quality: LinkQuality


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeSeen:
    """Gossip says this of a node."""

    node: NodeId
    traits: Traits


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeLost:
    """Gossip holds the node gone."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportsHeard:
    """A neighbour told these reports."""

    node: NodeId
    reports: tuple[LinkReport, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OriginsWanted:
    """Tracks of these nodes are wanted here, for people here or for nodes that ask us."""

    demands: Mapping[NodeId, Demand]


@dataclass(frozen=True, kw_only=True, slots=True)
class WayRefused:
    """The neighbour does not pass the origin's tracks on to us."""

    origin: NodeId
    via: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class PathsDeadline:
    """The time that `next_deadline` gave has come."""


PathsEvent: TypeAlias = (
    LinkRisen
    | LinkFallen
    | LinkMeasured
    | NodeSeen
    | NodeLost
    | ReportsHeard
    | OriginsWanted
    | WayRefused
    | PathsDeadline
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TellReports:
    """Say these to the node over its link."""

    node: NodeId
    reports: tuple[LinkReport, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class WaysChosen:
    """For each origin that is wanted, the way that its tracks are to come by now; those without one are left out.

    Attributes:
        ways: All of them, replacing what was said before.
        changed: What was decided anew, and why.
    """

    ways: Mapping[NodeId, Way]
    changed: Mapping[NodeId, Reason]


PathsEffect: TypeAlias = TellReports | WaysChosen
