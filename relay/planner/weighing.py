"""What one way to place a room's people costs: for each of them the longest way to anybody, and the mean of all ways.

A way goes from one person to their node, between the nodes if there are two, and to the other person, one way, in
milliseconds. Between nodes it costs what `relay.paths` says, so jitter, loss and the hop itself count in the same coin.

All of it is linear in people: a thousand of them on sixteen nodes are sixteen thousand steps and no million pairs.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from relay.planner.facts import RoomFacts
    from signalling.ids import NodeId, ParticipantId

__all__ = ["Weighed", "weigh"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Weighed:
    """One way to place the people.

    Attributes:
        node: Where all of them are; None where each is at home and the nodes relay.
        mean_ms: Mean of the ways between any two people, one way.
        worst_ms: For each person the longest way to anybody.
        there: How many of them sit there already.
    """

    node: NodeId | None
    mean_ms: float
    worst_ms: Mapping[ParticipantId, float]
    there: int = 0

    @property
    def longest_ms(self) -> float:
        """The longest way of all."""
        return max(self.worst_ms.values(), default=0.0)


def weigh(facts: RoomFacts, node: NodeId | None = None) -> Weighed:
    """Weigh everybody on one node, or without one each at home. One person alone weighs as much as their own leg."""
    seats = {who: person.home if node is None else node for who, person in facts.people.items()}
    legs = {who: facts.leg_ms(person, seats[who]) for who, person in facts.people.items()}
    at: dict[NodeId, list[tuple[float, ParticipantId]]] = defaultdict(list)
    for who in sorted(legs):
        at[seats[who]].append((legs[who], who))
    farthest = {place: sorted(there, reverse=True)[:2] for place, there in at.items()}
    worst = {who: _worst(facts, who, legs[who], seats[who], farthest) for who in legs}
    there = sum(person.node == seats[who] for who, person in facts.people.items())
    return Weighed(node=node, mean_ms=_mean(facts, legs, at), worst_ms=worst, there=there)


def _worst(
    facts: RoomFacts,
    who: ParticipantId,
    leg_ms: float,
    seat: NodeId,
    farthest: Mapping[NodeId, list[tuple[float, ParticipantId]]],
) -> float:
    ways = [
        leg_ms + facts.path_ms(seat, place) + other_ms
        for place, top in farthest.items()
        # Not to oneself: then the second farthest of that node is the farthest of the others.
        if (other_ms := next((far_ms for far_ms, other in top if other != who), None)) is not None
    ]
    return max(ways, default=leg_ms)


def _mean(
    facts: RoomFacts, legs: Mapping[ParticipantId, float], at: Mapping[NodeId, list[tuple[float, ParticipantId]]]
) -> float:
    """Of n people each leg is in n - 1 ways, and a path in as many as there are pairs across it."""
    count, total_ms = len(legs), sum(sorted(legs.values()))
    if count < 2:
        return total_ms
    places = sorted(at)
    paths_ms = sum(
        len(at[a]) * len(at[b]) * facts.path_ms(a, b) for index, a in enumerate(places) for b in places[index + 1 :]
    )
    return (total_ms * (count - 1) + paths_ms) / (count * (count - 1) / 2)
