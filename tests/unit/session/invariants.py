"""What must hold of seats whatever happens, each under its name: design.md section 4."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BrokenError", "Invariant", "hold", "only"]


class Invariant(StrEnum):
    """The sentences that every mutant breaks one of."""

    ONE_SEAT = "at most one seat for a room, user and device, and one in a slot"
    ACKNOWLEDGED_HOLDS = "an acknowledged seat goes only by its own leave, its lease or a newer join"
    NEWEST_WINS = "a join is refused as stale only by a join that is not older"
    UPDATE_NEVER_INSERTS = "an update never inserts"
    OLDER_REMOVAL_IS_NOTHING = "removing an older attempt removes nothing"
    VIEW_IS_SOCKETS = "at rest the view equals the live sockets, on every node"
    NO_FLICKER = "nobody sees a person twice, or gone and back, or back from the dead"
    TWICE_IS_ONCE = "what is delivered twice acts once"
    RULES_HOLD = "a join is decided by the rules and the lock that the room has when its claim lands"
    BAN_ENDS = "a ban keeps out, and ends every seat"
    JOINS_END = "no join waits for ever"
    COUNTS_ARE_SIZES = "counts are the sizes of sets"


class BrokenError(AssertionError):
    """An invariant does not hold."""

    def __init__(self, invariant: Invariant, why: str) -> None:
        super().__init__(f"{invariant}: {why}")
        self.invariant = invariant


def hold(invariant: Invariant, holds: bool, why: str) -> None:
    """Check one.

    Raises:
        BrokenError: it does not hold.
    """
    if not holds and invariant in _watched:
        raise BrokenError(invariant, why)


_watched: set[Invariant] = set(Invariant)


@contextmanager
def only(invariant: Invariant) -> Iterator[None]:
    """Check no other than this one."""
    before = frozenset(_watched)
    _watched.intersection_update({invariant})
    try:
        yield
    finally:
        _watched.update(before)
