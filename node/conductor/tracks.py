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
) -> dict[str, TrackInfo]:
    """Give each m-line its track, by mid.

    A client names a track that it published before to keep its id. It may take up one that nobody
    here knows any more (this node never met it, or its engine died), never somebody else's.

    Args:
        intents: What the client wants to publish.
        owner: The participant who publishes.
        owner_of: Says whose a known track is.

    Raises:
        Refused: ``malformed_message`` when a mid or a track is named twice, ``track_unknown`` when
            the track is another participant's.
    """
    named: dict[str, TrackInfo] = {}
    used: set[TrackId] = set()
    for intent in intents:
        if intent.mid in named or intent.track in used:
            raise Refused(ErrorCode.MALFORMED_MESSAGE, "A publish names each mid and each track once.")
        track = intent.track or new_track_id()
        if owner_of(track) not in (None, owner):
            raise Refused(ErrorCode.TRACK_UNKNOWN, "That track is not yours; publish without naming it.")
        used.add(track)
        named[intent.mid] = TrackInfo(track=track, kind=intent.kind, source=intent.source, muted=intent.muted)
    return named
