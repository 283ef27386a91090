"""Cores as values: what an event does to a core is worked out once, and then known.

A core (a registry, a table) is kept as bytes, with a fingerprint that is the same for equal cores however they
came about. Two states of a model that differ elsewhere share the work. Records that never change are not
copied but numbered.
"""

from __future__ import annotations

import copyreg
import hashlib
import io
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

from session.config import SessionConfig
from session.records import SessionRecord
from session.registry_events import Assert, Claim, Release, Touch
from session.store import Seat, SeatAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Frozen", "Transitions"]

_NUMBERED: Final = (Seat, SeatAnswer, SessionRecord, SessionConfig, Claim, Touch, Assert, Release)
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


_TABLE: Final = copyreg.dispatch_table | dict.fromkeys(_NUMBERED, _reduce)


@dataclass(frozen=True, slots=True)
class Frozen(Generic[T]):
    """A core as it was at one moment; equal to its like by fingerprint."""

    fingerprint: bytes
    bytes_: bytes

    @classmethod
    def of(cls, core: T) -> Frozen[T]:
        """Freeze a core, which must hold no reference to itself."""
        by_value = _dump(core, fast=True)  # The usual pickle tells equal strings of two origins apart.
        return cls(hashlib.blake2b(by_value, digest_size=16).digest(), _dump(core, fast=False))

    def thaw(self) -> T:
        """A copy of the core."""
        return cast("T", pickle.loads(self.bytes_))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frozen) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)


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
