"""What the legs of a node are told, and what they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalling.client.messages import MediaKind
    from signalling.ids import NodeId, RoomId, TrackId
    from signalling.mesh.link import LegsTaken, Unwant, Want, WantRefused


@dataclass(frozen=True, kw_only=True, slots=True)
class TracksWanted:
    """All remote tracks of the room that are needed here; see `Relay.want_tracks`."""

    room: RoomId
    tracks: Mapping[TrackId, tuple[NodeId, MediaKind]]
    places: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class TracksOffered:
    """All tracks of ours that the node may ask for, with a room of ours that each is in."""

    node: NodeId
    tracks: Mapping[TrackId, RoomId]


@dataclass(frozen=True, kw_only=True, slots=True)
class TracksNamed:
    """The node said that it has these tracks."""

    node: NodeId
    tracks: frozenset[TrackId]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkRisen:
    """The link with the node carries, and carries no leg yet."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkRenewed:
    """Another end takes the place of the link's, and carries no leg yet; those of the former one flow for a while."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkFallen:
    """It is gone, and every leg on it."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class Hop:
    """The neighbour to ask for an origin's tracks, and how many links they are expected to take."""

    via: NodeId
    hops: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WaysKnown:
    """Whom to ask for the tracks of each origin; of those that are left out, the origin itself where it is linked."""

    hops: Mapping[NodeId, Hop]


@dataclass(frozen=True, kw_only=True, slots=True)
class WordHeard:
    """The node said this about a leg."""

    node: NodeId
    word: Want | Unwant | WantRefused | LegsTaken


@dataclass(frozen=True, kw_only=True, slots=True)
class LegsDeadline:
    """The time that `next_deadline` gave has come."""


LegsEvent: TypeAlias = (
    TracksWanted
    | TracksOffered
    | TracksNamed
    | LinkRisen
    | LinkRenewed
    | LinkFallen
    | WaysKnown
    | WordHeard
    | LegsDeadline
)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLegIn:
    """Frames of this number from the node are this track."""

    node: NodeId
    leg: int
    track: TrackId
    kind: MediaKind
    room: RoomId


@dataclass(frozen=True, kw_only=True, slots=True)
class CloseLegIn:
    """Drop frames of this number."""

    node: NodeId
    leg: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLegOut:
    """Send the track to the node under this number."""

    node: NodeId
    leg: int
    track: TrackId
    room: RoomId


@dataclass(frozen=True, kw_only=True, slots=True)
class CloseLegOut:
    """Send it no longer."""

    node: NodeId
    leg: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TellLeg:
    """Say this to the node over its link."""

    node: NodeId
    word: Want | Unwant | WantRefused | LegsTaken


@dataclass(frozen=True, kw_only=True, slots=True)
class ViaRefused:
    """That neighbour does not pass the tracks of the origin on to us; another way is needed."""

    origin: NodeId
    via: NodeId


LegsEffect: TypeAlias = OpenLegIn | CloseLegIn | OpenLegOut | CloseLegOut | TellLeg | ViaRefused
