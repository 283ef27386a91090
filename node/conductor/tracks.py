"""Which ids the tracks of a client's offer get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signalling.client.messages import TrackInfo
from signalling.errors import ErrorCode, Refused
from signalling.ids import new_track_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from signalling.client.messages import TrackIntent
    from signalling.ids import ParticipantId, TrackId


def name_tracks(
    intents: Iterable[TrackIntent],
    *,
    owner: ParticipantId,
    owner_of: Callable[[TrackId], ParticipantId | None],
    awaited: Iterable[TrackInfo] = (),
) -> dict[str, TrackInfo]:
    """Give each m-line its track, by mid.

    A client names a track that it published before to keep its id. It may take up one that nobody
    here knows any more (this node never met it, or its engine died), never somebody else's. A page that was
    loaded anew knows no names: what it publishes goes on as the awaited track of the same source.

    Args:
        intents: What the client wants to publish.
        owner: The participant who publishes.
        owner_of: Says whose a known track is.
        awaited: Tracks that an earlier session of the owner published and this one has not yet.

    Raises:
        Refused: ``malformed_message`` when a mid or a track is named twice, ``track_unknown`` when
            the track is another participant's, ``alternative_invalid`` when a track cannot be the
            alternative of the one that it names.
    """
    intents = tuple(intents)
    _check_alternatives(intents)
    resumed = _resume(intents, awaited)
    named: dict[str, TrackInfo] = {}
    used: set[TrackId] = set()
    for intent in intents:
        if intent.mid in named or intent.track in used:
            raise Refused(ErrorCode.MALFORMED_MESSAGE, "A publish names each mid and each track once.")
        track = intent.track or resumed.get(intent.mid) or new_track_id()
        if owner_of(track) not in (None, owner):
            raise Refused(ErrorCode.TRACK_UNKNOWN, "That track is not yours; publish without naming it.")
        used.add(track)
        named[intent.mid] = TrackInfo(
            track=track,
            kind=intent.kind,
            source=intent.source,
            muted=intent.muted,
            alternative_of=intent.alternative_of,
        )
    return named


def _resume(intents: tuple[TrackIntent, ...], awaited: Iterable[TrackInfo]) -> dict[str, TrackId]:
    """Which awaited tracks the intents without a name go on as, by mid: each once, and none that is named."""
    named = {intent.track for intent in intents}
    free = [track for track in awaited if track.track not in named and track.alternative_of is None]
    resumed: dict[str, TrackId] = {}
    for intent in intents:
        if intent.track is not None or intent.alternative_of is not None:
            continue
        fitting = (track for track in free if (track.kind, track.source) == (intent.kind, intent.source))
        track = next(fitting, None)
        if track is not None:
            free.remove(track)
            resumed[intent.mid] = track.track
    return resumed


def _check_alternatives(intents: tuple[TrackIntent, ...]) -> None:
    """Take at most one second encoding of each picture, beside the first one and of the same source."""
    by_track = {intent.track: intent for intent in intents if intent.track is not None}
    doubled: set[TrackId] = set()
    for intent in intents:
        name = intent.alternative_of
        if name is None:
            continue
        first = by_track.get(name)
        if first is None:
            raise _no_alternative("An alternative goes beside the track that it names; publish both or neither.")
        if first.alternative_of is not None:
            raise _no_alternative("That track is an alternative itself; name the first one.")
        if intent.kind != "video" or (first.kind, first.source) != (intent.kind, intent.source):
            raise _no_alternative("An alternative is a picture of the same source; publish it as its own track.")
        if name in doubled:
            raise _no_alternative("A track has one alternative at most; leave one of them out.")
        doubled.add(name)


def _no_alternative(why: str) -> Refused:
    return Refused(ErrorCode.ALTERNATIVE_INVALID, why)
