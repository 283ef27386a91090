"""Cores as values: what an event does to a core is worked out once, and then known.

A core (a registry, a table) has a fingerprint that is the same for equal cores however they came about, and is kept
as it was, for copies of it. Equal cores are one object. Two states of a model that differ elsewhere share the work.
Records that never change are not copied but numbered.
"""

from __future__ import annotations

import copyreg
import hashlib
import io
import pickle
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast
from weakref import WeakValueDictionary

from session.config import SessionConfig
from session.held_seats import HeldSeats
from session.records import SessionRecord
from session.registry_events import Assert, Claim, Release, Touch
from session.store import RoomRules, Seat, SeatAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Frozen", "Transitions", "fingerprint_of"]

_NUMBERED: Final = (Seat, SeatAnswer, RoomRules, SessionRecord, SessionConfig, Claim, Touch, Assert, Release)
_numbers: dict[object, int] = {}
_records: list[object] = []

T = TypeVar("T")
Told = TypeVar("Told")


def _recall(number: int) -> object:
    return _records[number]


def _reduce(record: object) -> tuple[Callable[[int], object], tuple[int]]:
    number = _numbers.setdefault(record, len(_records))
    if number == len(_records):
        _records.append(record)
    return _recall, (number,)


def _recall_held(state: dict[str, Any]) -> HeldSeats:
    held = HeldSeats()
    vars(held).update(state | {"_by_room": held._by_room})
    held._by_room.update((room, set(sessions)) for room, sessions in state["_by_room"].items())
    return held


def _reduce_held(held: HeldSeats) -> tuple[Callable[[dict[str, Any]], HeldSeats], tuple[dict[str, Any]]]:
    # In an order: with some hash seeds a copy of a set of two walks through them the other way round.
    by_room = {room: sorted(sessions) for room, sessions in held._by_room.items()}
    return _recall_held, (vars(held) | {"_by_room": by_room},)


_TABLE: Final = copyreg.dispatch_table | dict.fromkeys(_NUMBERED, _reduce) | {HeldSeats: _reduce_held}


class Frozen(Generic[T]):
    """A core as it was at one moment; equal cores are the same one, as long as anybody knows it."""

    __slots__ = ("__weakref__", "_bytes", "_core")

    def __init__(self, core: T) -> None:
        self._core: T | None = core
        self._bytes = b""

    @staticmethod
    def of(core: T) -> Frozen[T]:
        """Freeze a core, which must hold no reference to itself and is changed no more by anybody else."""
        fingerprint = fingerprint_of(core)
        known = _frozen.get(fingerprint)
        if known is None:
            known = _frozen[fingerprint] = Frozen(core)
        return known

    def thaw(self) -> T:
        """A copy of the core."""
        if self._core is not None:
            # Most cores are never gone on from: what they led to is known.
            self._bytes, self._core = _dump(self._core, fast=False), None
        return cast("T", pickle.loads(self._bytes))


_frozen: Final[WeakValueDictionary[bytes, Frozen[Any]]] = WeakValueDictionary()


def fingerprint_of(core: object) -> bytes:
    """The same for equal cores, and for no others."""
    by_value = _dump(core, fast=True)  # The usual pickle tells equal strings of two origins apart.
    return hashlib.blake2b(by_value, digest_size=16).digest()


class Transitions(Generic[T, Told]):
    """What changes do to a kind of core, each worked out once.

    Args:
        change: does one to a thawed core and says what came of it; must depend on nothing else.
    """

    def __init__(self, change: Callable[[T, Hashable], Told]) -> None:
        self._change = change
        self._known: dict[tuple[Frozen[T], Hashable], tuple[Frozen[T], Told]] = {}

    def __call__(self, core: Frozen[T], what: Hashable) -> tuple[Frozen[T], Told]:
        """The core after a change, and what came of it."""
        key = (core, what)
        if key not in self._known:
            thawed = core.thaw()
            told = self._change(thawed, what)
            self._known[key] = (Frozen.of(thawed), told)
        return self._known[key]


def _dump(core: object, *, fast: bool) -> bytes:
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.dispatch_table = _TABLE
    pickler.fast = fast
    pickler.dump(core)
    return buffer.getvalue()
