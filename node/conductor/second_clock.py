"""When a second encoding is late, and when it has been there for nobody long enough. Pure: times are arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from signalling.ids import SessionId, TrackId

SECOND_WITHIN_S: Final = 4.0
"""How long a subscriber waits for a second encoding before it is told that it sees nothing, and why.

An offer, its answer and an encoder's start are well within a second on a good network; this is that on a bad one, and
no longer than people look at a dark picture without wondering."""

SECOND_LINGERS_S: Final = 10.0
"""How long a second encoding that nobody needs goes on being published; above the most that a dropped socket keeps
its seat (8 s), so that neither a reload nor a short break ends it. Nobody watches it, so it is not sent meanwhile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unplayed:
    """What a subscriber here does not see of a track, which is the first of two, and what it could play."""

    session: SessionId
    track: TrackId
    codec: str
    accepted: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """Whose patience is over, and which tracks have had a second encoding for nobody long enough."""

    late: tuple[Unplayed, ...]
    idle: tuple[TrackId, ...]


class SecondClock:
    """The deadlines of second encodings."""

    def __init__(self) -> None:
        self._late: dict[tuple[SessionId, TrackId], tuple[float, Unplayed]] = {}
        self._idle: dict[TrackId, float] = {}

    def await_second(self, unplayed: Unplayed, now: float) -> None:
        """A subscriber waits from now on, or goes on waiting."""
        self._late.setdefault((unplayed.session, unplayed.track), (now + SECOND_WITHIN_S, unplayed))

    def is_idle(self, track: TrackId, now: float) -> None:
        """Nobody needs the second encoding of this track, from now on or still."""
        self._idle.setdefault(track, now + SECOND_LINGERS_S)

    def is_needed(self, track: TrackId) -> None:
        """Somebody needs it."""
        self._idle.pop(track, None)

    def forget(self, session: SessionId) -> None:
        """A subscriber is gone."""
        self._late = {key: waits for key, waits in self._late.items() if key[0] != session}

    def keep(self, is_known: Callable[[TrackId], bool]) -> None:
        """Forget the tracks that are over."""
        self._late = {key: waits for key, waits in self._late.items() if is_known(key[1])}
        self._idle = {track: at for track, at in self._idle.items() if is_known(track)}

    def next_deadline(self) -> float | None:
        """When :meth:`due` must be asked at the latest."""
        return min([*(at for at, _ in self._late.values()), *self._idle.values()], default=None)

    def due(self, now: float) -> Due:
        """Take what is due; it is not due again."""
        late = {key: unplayed for key, (at, unplayed) in self._late.items() if at <= now}
        idle = tuple(track for track, at in self._idle.items() if at <= now)
        for key in late:
            del self._late[key]
        for track in idle:
            del self._idle[track]
        return Due(late=tuple(late.values()), idle=idle)
