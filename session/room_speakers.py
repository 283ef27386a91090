"""Who is heard in a live room, as its people are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from session.alternatives import tracks_of
from signalling.client.messages import Speaker, Speakers

if TYPE_CHECKING:
    from session.room_view import LiveRoom

__all__ = ["heard_now"]


def heard_now(live: LiveRoom) -> Speakers:
    """Those who speak, the loudest first, of the tracks that the room knows."""
    owners = {track.track: track.participant for track in tracks_of(live.view)}
    return Speakers(
        speakers=tuple(
            Speaker(participant=owners[track], track=track, level_db=level)
            for track, level in live.speakers
            if track in owners
        )
    )
