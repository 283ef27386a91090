"""What the planner is told of a room: who is where and measured what, which nodes may take them, how far these are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from membership import LoadClass, RoomPlace, refusals
from relay.paths.cost import HOP_MS
from relay.planner import Person, RoomFacts, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from membership import ClusterView, Excluded, RttMatrix
    from signalling.client.messages import ParticipantInfo
    from signalling.ids import NodeId, ParticipantId
    from signalling.mesh.link import PersonHops

__all__ = ["MAX_SITES", "room_facts"]

MAX_SITES: Final = 16
"""Nodes that are weighed for a room, those first where it lives: the work grows with their square."""


def room_facts(
    people: Iterable[ParticipantInfo],
    hops: Mapping[ParticipantId, PersonHops],
    *,
    view: ClusterView,
    rtts: RttMatrix,
    costs_from: Callable[[NodeId], Mapping[NodeId, float]],
    allowed: tuple[str, ...],
    held: NodeId | None,
) -> RoomFacts:
    """Put together what is known of a room.

    Args:
        people: Who is there.
        hops: What is known of how far they are.
        view: The cluster.
        rtts: How far its nodes are from each other.
        costs_from: What the best path from a node to each other one costs, where links say so.
        allowed: Regions or residency tags of which a node must have one.
        held: Where the room has gathered.
    """
    seated = {one.participant: one for one in people}
    known = {who: _person(one, hops.get(who)) for who, one in seated.items()}
    lives = {person.node for person in known.values()} | {person.home for person in known.values()}
    measured = {node for person in known.values() for node in person.rtts_ms}
    first = [*sorted(lives | ({held} if held is not None else set())), *sorted(measured - lives)]
    weighed = [node for node in dict.fromkeys(first) if node in view.members][:MAX_SITES]
    refused = refusals(view, RoomPlace(nodes=frozenset(lives), allowed=allowed), weighed)
    return RoomFacts(
        people=known,
        sites={node: _site(view, node, refused) for node in weighed},
        paths_ms=_paths(sorted({*weighed, *lives}), rtts, costs_from),
    )


def _person(one: ParticipantInfo, hops: PersonHops | None) -> Person:
    if hops is None:
        return Person(node=one.node, home=one.node)
    return Person(node=one.node, home=hops.home, rtts_ms={hop.node: float(max(hop.rtt_ms, 0)) for hop in hops.rtts})


def _site(view: ClusterView, node: NodeId, refused: Mapping[NodeId, Excluded]) -> Site:
    load = view.members[node].tags.load
    never = refused[node].code if node in refused else "full" if load is LoadClass.FULL else ""
    return Site(never=never, not_now="high_load" if load is LoadClass.HIGH else "")


def _paths(
    nodes: list[NodeId], rtts: RttMatrix, costs_from: Callable[[NodeId], Mapping[NodeId, float]]
) -> dict[tuple[NodeId, NodeId], float]:
    """What links say, the worse of both directions; else half the round trip and a hop, as far as that is known."""
    by_links = {node: costs_from(node) for node in nodes}
    found: dict[tuple[NodeId, NodeId], float] = {}
    for index, a in enumerate(nodes):
        for b in nodes[index + 1 :]:
            both = [by_links[one][other] for one, other in ((a, b), (b, a)) if other in by_links[one]]
            if both:
                found[a, b] = max(both)
            elif (figures := rtts.figures(a, b)) is not None:
                found[a, b] = figures[0] / 2 + HOP_MS
    return found
