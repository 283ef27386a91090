"""What the planner is told of one room."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalling.ids import NodeId, ParticipantId

__all__ = ["UNKNOWN_LEG_MS", "UNKNOWN_PATH_MS", "Person", "RoomFacts", "Site"]

UNKNOWN_LEG_MS: Final = 15.0
"""One way from somebody who measured nothing to the node where they are: a metropolitan network and a Wi-Fi. It stands
on both sides of every comparison, so it decides nothing but what a fifth is of."""

UNKNOWN_PATH_MS: Final = 80.0
"""One way between two nodes of which nothing is known: the middle between regions of different continents."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody in the room.

    Attributes:
        node: Where they sit.
        home: Where they would sit without the planner: the node they came to before they were led elsewhere.
        rtts_ms: Round trips that they measured, milliseconds by node.
    """

    node: NodeId
    home: NodeId
    rtts_ms: Mapping[NodeId, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """A node that a room could gather on.

    Attributes:
        never: A stable code of why nobody is led there, and a room that has gathered there is not held: `draining`,
            `ineligible`, `residency`, `full`, `not_alive` or another of placement's; empty when nothing is.
        not_now: A stable code of why nothing new is begun there, which does not end what is: `high_load`.
    """

    never: str = ""
    not_now: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomFacts:
    """One room now.

    Attributes:
        people: Who is there.
        sites: The nodes that are weighed, those of the people among them.
        paths_ms: What the best path between two nodes costs one way, by `relay.paths`; keys are pairs in order.
    """

    people: Mapping[ParticipantId, Person]
    sites: Mapping[NodeId, Site]
    paths_ms: Mapping[tuple[NodeId, NodeId], float] = field(default_factory=lambda: MappingProxyType({}))

    def path_ms(self, a: NodeId, b: NodeId) -> float:
        """One way between two nodes, milliseconds; nothing for a node and itself."""
        if a == b:
            return 0.0
        return self.paths_ms.get((min(a, b), max(a, b)), UNKNOWN_PATH_MS)

    def leg_ms(self, person: Person, node: NodeId) -> float:
        """One way from somebody to a node, milliseconds.

        Who has not measured a node is taken to reach it as the nodes do: by way of their home. So nothing is won by a
        guess, and nobody is led anywhere because of one.
        """
        measured_ms = person.rtts_ms.get(node)
        if measured_ms is not None:
            return measured_ms / 2
        home_ms = person.rtts_ms.get(person.home)
        return (UNKNOWN_LEG_MS if home_ms is None else home_ms / 2) + self.path_ms(person.home, node)
