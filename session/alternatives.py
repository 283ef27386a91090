"""Tracks that are sent in two encodings: what clients see of them, which is one track each.

A track with ``alternative_of`` is the same source once more, in another codec. No client is told of it: whoever is to
play it is sent it in the first one's place, and under its id. One that names no track of its participant, or another
alternative, is nobody's: other nodes are believed about their own people, but not that they make sense.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from session.room_effects import RoomTrack

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from signalling.client.messages import ParticipantInfo, TrackInfo
    from signalling.ids import ParticipantId, TrackId

__all__ = ["alternatives_of", "as_told", "told_tracks", "tracks_of"]


def as_told(info: ParticipantInfo) -> ParticipantInfo:
    """A participant as clients see it, each source once."""
    tracks = told_tracks(info)
    return info if len(tracks) == len(info.tracks) else msgspec.structs.replace(info, tracks=tracks)


def told_tracks(info: ParticipantInfo) -> tuple[TrackInfo, ...]:
    """The participant's tracks as clients see them."""
    return tuple(track for track in info.tracks if track.alternative_of is None)


def alternatives_of(info: ParticipantInfo) -> dict[TrackId, TrackId]:
    """Which tracks of the participant are sent once more, and as which."""
    firsts = {track.track: track for track in told_tracks(info)}
    found: dict[TrackId, TrackId] = {}
    for track in info.tracks:
        name = track.alternative_of
        if name is not None and name in firsts and firsts[name].kind == track.kind:
            found.setdefault(name, track.track)
    return found


def tracks_of(
    view: Mapping[ParticipantId, ParticipantInfo], chosen: Set[TrackId] = frozenset()
) -> tuple[RoomTrack, ...]:
    """What one is sent who plays the alternatives of these tracks: each source once, by whose it is."""
    return tuple(
        RoomTrack(
            track=alternatives_of(info).get(track.track, track.track) if track.track in chosen else track.track,
            known_as=track.track,
            participant=who,
            node=info.node,
            kind=track.kind,
            source=track.source,
        )
        for who, info in sorted(view.items())
        for track in told_tracks(info)
    )
