"""Who plays in the demo: three regions, two rooms, six people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from signalling.ids import NodeId, RoomId


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A node of the demo and where it would stand, in degrees north and east."""

    node: NodeId
    region: str
    latitude: float
    longitude: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """A synthetic participant: a name, the room they go to, the node they connect to."""

    name: str
    room: RoomId
    node: NodeId


AMSTERDAM: Final = NodeId("amsterdam")
SINGAPORE: Final = NodeId("singapore")
VIRGINIA: Final = NodeId("virginia")

STAGES: Final = (
    Stage(node=AMSTERDAM, region="eu-west", latitude=52.37, longitude=4.90),
    Stage(node=SINGAPORE, region="ap-southeast", latitude=1.35, longitude=103.82),
    Stage(node=VIRGINIA, region="us-east", latitude=39.04, longitude=-77.49),
)

ATRIUM: Final = RoomId("atrium")
TERRACE: Final = RoomId("terrace")

PEOPLE: Final = (
    Person(name="Anna", room=ATRIUM, node=AMSTERDAM),
    Person(name="Bram", room=ATRIUM, node=AMSTERDAM),
    Person(name="Chen", room=ATRIUM, node=SINGAPORE),
    Person(name="Devi", room=TERRACE, node=SINGAPORE),
    Person(name="Eric", room=TERRACE, node=VIRGINIA),
    Person(name="Faye", room=TERRACE, node=VIRGINIA),
)
"""Two on each node; each room has two people side by side and one across a link."""
