"""Who plays what of each track that somebody cannot play as it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from signalling.ids import NodeId, SessionId, TrackId

Refuser: TypeAlias = "tuple[SessionId | None, NodeId | None]"
"""A session here or another node."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """Whom one more encoding of a track would serve, and in which codecs; nobody where there are none."""

    codecs: tuple[str, ...]
    refusers: frozenset[Refuser]


class RefusalBook:
    """Who plays what of each track that somebody cannot play as it is, in the order in which they said so."""

    def __init__(self) -> None:
        self._accepted: dict[TrackId, dict[Refuser, tuple[str, ...]]] = {}

    def __len__(self) -> int:
        """Refused tracks."""
        return len(self._accepted)

    def tracks(self) -> tuple[TrackId, ...]:
        """Refused tracks."""
        return tuple(self._accepted)

    def refused_by(self, refuser: Refuser) -> tuple[TrackId, ...]:
        """The tracks that this one cannot play."""
        return tuple(track for track, by in self._accepted.items() if refuser in by)

    def refuse(self, track: TrackId, refuser: Refuser, accepted: tuple[str, ...]) -> None:
        """This one plays nothing but ``accepted`` of the track."""
        self._accepted.setdefault(track, {})[refuser] = accepted

    def forget(self, refuser: Refuser, track: TrackId | None = None) -> tuple[TrackId, ...]:
        """This one is gone, or plays all of one track again; returns the tracks for which that may change something."""
        held = tuple(known for known in self.refused_by(refuser) if track in (None, known))
        for known in held:
            del self._accepted[known][refuser]
            if not self._accepted[known]:
                del self._accepted[known]
        return held

    def keep(self, is_known: Callable[[TrackId], bool]) -> None:
        """Forget the tracks that are over."""
        for track in [track for track in self._accepted if not is_known(track)]:
            del self._accepted[track]

    def common(self, track: TrackId) -> tuple[str, ...] | None:
        """What everybody plays who does not play all, in the first one's order; None when nobody is restricted.

        Whoever plays nothing of its kind does not count: no codec would help, and nobody else is to go without.
        """
        by = [accepted for accepted in self._accepted.get(track, {}).values() if accepted]
        if not by:
            return None
        first, *others = by
        return tuple(codec for codec in first if all(codec in accepted for accepted in others))

    def serve(self, track: TrackId) -> Served:
        """Settle whom one more encoding serves: the first who asked, and whoever shares a codec with all those before.

        They go on being served whoever comes or leaves: nobody takes from somebody what they see.
        """
        codecs: tuple[str, ...] = ()
        refusers: set[Refuser] = set()
        by = self._accepted.get(track, {})
        for refuser, accepted in by.items():
            shared = tuple(codec for codec in codecs if codec in accepted) if refusers else accepted
            if shared:
                codecs = shared
                refusers.add(refuser)
        if by:
            self._accepted[track] = dict(sorted(by.items(), key=lambda each: each[0] not in refusers))
        return Served(codecs=codecs, refusers=frozenset(refusers))
