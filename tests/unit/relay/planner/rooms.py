"""Rooms to plan: written by hand and drawn by Hypothesis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from relay.planner import Person, RoomFacts, Site
from signalling.ids import NodeId, ParticipantId

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["A", "B", "C", "facts", "measured_rooms", "person", "visage"]

A, B, C = NodeId("ams"), NodeId("bru"), NodeId("cdg")
NODES: Final = (A, B, C)


def person(node: NodeId, *, home: NodeId | None = None, **rtts_ms: float) -> Person:
    """Somebody on a node, by what they measured."""
    return Person(node=node, home=home or node, rtts_ms={NodeId(name): ms for name, ms in rtts_ms.items()})


def facts(people: Mapping[str, Person], paths_ms: Mapping[tuple[NodeId, NodeId], float], **sites: Site) -> RoomFacts:
    """A room on these three nodes."""
    return RoomFacts(
        people={ParticipantId(name): one for name, one in people.items()},
        sites={node: sites.get(node, Site()) for node in NODES},
        paths_ms=paths_ms,
    )


def visage(**sites: Site) -> RoomFacts:
    """Two near Amsterdam, and one in between who reaches Amsterdam almost as fast as the own node."""
    people = {
        "ada": person(A, ams=10.0, bru=60.0),
        "bob": person(A, ams=12.0, bru=62.0),
        "cyd": person(B, ams=30.0, bru=20.0),
    }
    return facts(people, {(A, B): 30.0, (A, C): 40.0, (B, C): 40.0}, **sites)


def measured_rooms() -> st.SearchStrategy[RoomFacts]:
    """Rooms in which everybody measured every node."""
    rtts = st.fixed_dictionaries({node: st.floats(1.0, 300.0) for node in NODES})
    people = st.builds(
        lambda node, home, rtts_ms: Person(node=node, home=home, rtts_ms=rtts_ms),
        st.sampled_from(NODES),
        st.sampled_from(NODES),
        rtts,
    )
    sites = st.builds(
        Site, never=st.sampled_from(("", "", "", "draining", "full")), not_now=st.sampled_from(("", "", "high_load"))
    )
    path = st.floats(1.0, 200.0)
    return st.builds(
        lambda who, where, ab, ac, bc: RoomFacts(
            people={ParticipantId(f"p{number}"): one for number, one in enumerate(who)},
            sites=where,
            paths_ms={(A, B): ab, (A, C): ac, (B, C): bc},
        ),
        st.lists(people, min_size=1, max_size=6),
        st.fixed_dictionaries(dict.fromkeys(NODES, sites)),
        path,
        path,
        path,
    )
