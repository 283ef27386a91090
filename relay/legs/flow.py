"""What is known of one track that comes in, and of one that goes out: the records of the legs' core."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signalling.client.messages import MediaKind
    from signalling.ids import NodeId, RoomId, TrackId
    from signalling.mesh.link import Transit, Want


@dataclass(slots=True)
class Incoming:
    """A leg that we asked for.

    Attributes:
        node: The neighbour that sends it.
        leg: Its number.
        level: What we told of it: the neighbour gets the track over fewer links than this, and always did.
        told: The want as it was said last.
        places: Where it stays, if it was the way to go while the track had to; None if it may pass anywhere.
    """

    node: NodeId
    leg: int
    level: int
    told: Want
    places: frozenset[str] | None = None

    def stays_in(self, places: frozenset[str], origin: NodeId) -> bool:
        """Whether nobody outside these places passes the origin's track on; itself it may be anywhere."""
        return self.node == origin or (self.places is not None and self.places <= places)


@dataclass(slots=True)
class Outgoing:
    """A leg that a neighbour asked for.

    Attributes:
        leg: Its number, of the neighbour's choice.
        level: The neighbour's: all our own legs of the track must be below.
        transit: For whom, and where from; None for a track of ours that the neighbour wants itself.
        is_open: It is sent. A leg on the way to somebody waits while the track changes its own way.
    """

    leg: int
    level: int
    transit: Transit | None
    is_open: bool = False


@dataclass(slots=True)
class Flow:
    """How a track comes in.

    Attributes:
        current: The leg that it is to come by.
        former: The one before, which flows until `until`, so that nothing is missed meanwhile.
    """

    current: Incoming | None = None
    former: Incoming | None = None
    until: float = 0.0

    @property
    def legs(self) -> tuple[Incoming, ...]:
        """All its legs."""
        return tuple(leg for leg in (self.current, self.former) if leg is not None)

    @property
    def level(self) -> int:
        """The highest of its legs'; 0 without any."""
        return max((leg.level for leg in self.legs), default=0)


@dataclass(slots=True)
class Link:
    """The legs of one link that is up: what comes in by number, what goes out by track."""

    incoming: dict[int, TrackId] = field(default_factory=dict)
    outgoing: dict[TrackId, Outgoing] = field(default_factory=dict)
    last_leg: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """Why a track is to come in: for people here, for neighbours, or both."""

    origin: NodeId
    kind: MediaKind
    room: RoomId
    is_local: bool
    behind: tuple[NodeId, ...]
