"""What happens to a drain, and what it has done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from signalling.ids import SessionId

__all__ = [
    "INTERVAL_S",
    "AdmitNew",
    "Announce",
    "Came",
    "CannotMove",
    "DrainAsked",
    "DrainEffect",
    "DrainEvent",
    "DrainProgress",
    "DrainState",
    "EndRoutes",
    "EngineDied",
    "Finish",
    "Left",
    "LegsPass",
    "LinkAhead",
    "Move",
    "Moved",
    "NobodyTakes",
    "RefuseNew",
    "Release",
    "ReleaseSome",
    "RestoreRoutes",
    "RoutesEnded",
    "StopAsked",
    "Tick",
    "UndoAsked",
]


INTERVAL_S: Final = 0.5
"""Between two batches on average: the first half of a stop's 30 s has thirty of them."""


class DrainState(StrEnum):
    """Where a node stands: as it is told to people."""

    SERVING = "serving"
    DRAINING = "draining"
    RELEASED = "released"


# --- events ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class DrainAsked:
    """The node is to be emptied.

    Attributes:
        people: Sessions with a seat here, now.
        deadline_s: From now until whoever is still here loses the seat, seconds.
        batch: How many are told at a time; None spreads them over half of the deadline.
        interval_s: Between two batches, on average.
        moves: Whether people are sent elsewhere; otherwise they lose their seats now.
        passing: Tracks of other nodes that go to others over this one, now.
    """

    people: frozenset[SessionId]
    deadline_s: float
    batch: int | None = None
    interval_s: float = INTERVAL_S
    moves: bool = True
    passing: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class StopAsked:
    """The process is to end (SIGTERM), once the node is empty or these seconds have passed."""

    people: frozenset[SessionId]
    deadline_s: float
    passing: int = 0
    movers: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class UndoAsked:
    """The node is to stay in service after all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoutesEnded:
    """This node is no hop any more, and no other node's media goes over it; answers that drain's :class:`EndRoutes`."""

    drain: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LegsPass:
    """What goes over this node now, though nobody has a seat for it.

    Attributes:
        legs: Tracks of other nodes that go to others.
        movers: People who sit elsewhere, whose connections there do not carry all of their media yet.
    """

    legs: int
    movers: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Came:
    """A join that was on its way when the drain began got its seat."""

    person: SessionId


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """Somebody sits on another node now."""

    person: SessionId


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """Somebody gave up the seat, or lost it."""

    person: SessionId


@dataclass(frozen=True, kw_only=True, slots=True)
class NobodyTakes:
    """There is no node to which these could go, as that drain wanted."""

    drain: int
    people: tuple[SessionId, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CannotMove:
    """These do not understand that they are to move: their seats have to be ended."""

    drain: int
    people: tuple[SessionId, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineDied:
    """The engine is being replaced: there is no media here at the moment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """The time that `next_deadline` gave has come."""


DrainEvent: TypeAlias = (
    DrainAsked
    | StopAsked
    | UndoAsked
    | RoutesEnded
    | LegsPass
    | Came
    | Moved
    | Left
    | NobodyTakes
    | CannotMove
    | EngineDied
    | Tick
)


# --- effects --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class RefuseNew:
    """Take no sessions and joins: `node_draining`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdmitNew:
    """Take sessions and joins again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkAhead:
    """Make the links that those will need who are to be moved: with a node that drains nobody makes any."""

    drain: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Announce:
    """Tell the cluster, by this node's tag."""

    draining: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EndRoutes:
    """Be no hop between other nodes; answered by :class:`RoutesEnded` once nothing passes here any more."""

    drain: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RestoreRoutes:
    """Be a hop again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """Tell these people where to go, to be there in so many seconds; not once that drain is over."""

    drain: int
    people: tuple[SessionId, ...]
    within_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """End all seats that are still held, with the reason `node_drained`; they get no grace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseSome:
    """End the seats of these people, likewise; others stay."""

    people: tuple[SessionId, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finish:
    """The process may end."""


DrainEffect: TypeAlias = (
    RefuseNew | AdmitNew | LinkAhead | Announce | EndRoutes | RestoreRoutes | Move | Release | ReleaseSome | Finish
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DrainProgress:
    """How far a drain is.

    Attributes:
        state: `serving`, `draining` or `released`.
        stopping: Whether the process ends with it.
        moved: People who sit on another node now.
        left: People who left, or whose connection was lost.
        remaining: People who still sit here.
        released: People whose seats were ended: at the deadline, or before, as they could not be moved.
        passing: Tracks of other nodes that still go to others over this one: these go elsewhere first.
        deadline_in_s: Seconds until that; None when there is none.
    """

    state: DrainState
    stopping: bool
    moved: int
    left: int
    remaining: int
    released: int
    passing: int
    deadline_in_s: float | None
