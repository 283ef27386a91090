"""Clusters on the map to place people in."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from membership.distance.estimate import NetworkCoordinate, Position, SeenCoordinate
from membership.distance.rtt_matrix import RttMatrix, rtt_matrix
from membership.members.snapshot import ClusterView, MemberState, ViewMember
from membership.members.tags import LoadClass, NodeState
from signalling.ids import NodeId
from tests.unit.membership.samples import TAGS

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACES = {
    "london": (51.5, -0.1),
    "newyork": (40.7, -74.0),
    "sydney": (-33.9, 151.2),
    "tokyo": (35.7, 139.7),
    "saopaulo": (-23.5, -46.6),
    "mumbai": (19.1, 72.9),
}
PARIS = Position(latitude=48.9, longitude=2.4)


def member(name: str, *, state: MemberState = MemberState.ALIVE, **tags: object) -> ViewMember:
    """A node at the place that it is named after, nowhere if there is none."""
    latitude, longitude = PLACES.get(name, (None, None))
    settings: dict[str, object] = {
        "node_id": NodeId(name),
        "latitude": latitude,
        "longitude": longitude,
        "state": NodeState.SERVING,
        "load": LoadClass.LOW,
        "public_url": f"https://{name}.example",
        **tags,
    }
    tagged = replace(TAGS, **settings)  # type: ignore[arg-type]
    return ViewMember(serf_name=f"{name}-4", address="127.0.0.1", port=1, state=state, tags=tagged)


def view(*members: ViewMember) -> ClusterView:
    """A cluster as a node sees it that is itself not of interest."""
    return ClusterView(own_id=NodeId("me"), members=MappingProxyType({one.node_id: one for one in members}))


def on_a_line(cluster: ClusterView, at_ms: Mapping[str, float]) -> RttMatrix:
    """A matrix whose round trips are the differences of these numbers."""
    coordinates = {
        NodeId(name): SeenCoordinate(
            serf_name=f"{name}-4",
            coordinate=NetworkCoordinate(vector=(at / 1000,), height=0.0, adjustment=0.0, error=0.0),
            at_s=0.0,
        )
        for name, at in at_ms.items()
    }
    return rtt_matrix(cluster, coordinates=coordinates)
