"""Tracks that somebody cannot play: who is told, and who is asked to send something else. Never a silent black picture.

Each refusal says what its client plays instead. What all of them play is what the publisher is asked
for, here or over the link to its node; whoever cannot play a track is told why, in any case. A refusal
counts for as long as the one behind it is there. A node refuses on behalf of its own people: one more
name among those who do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from signalling.client.messages import Codecs
from signalling.client.messages import TrackRefused as TrackRefusedEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.conductor.ports import OtherNodes
    from node.conductor.stage import Stage
    from session import FoundTrack, RoomMedia
    from sfu import TrackRefused
    from signalling.ids import NodeId, RoomId, SessionId, TrackId

Refuser: TypeAlias = "tuple[SessionId | None, NodeId | None]"
"""A session here or another node."""


class RefusalBook:
    """Who plays what of each track that somebody cannot play as it is. Pure."""

    def __init__(self) -> None:
        self._accepted: dict[TrackId, dict[Refuser, tuple[str, ...]]] = {}

    def refuse(self, track: TrackId, refuser: Refuser, accepted: tuple[str, ...]) -> None:
        """This one plays nothing but ``accepted`` of the track."""
        self._accepted.setdefault(track, {})[refuser] = accepted

    def forget(self, refuser: Refuser, track: TrackId | None = None) -> tuple[TrackId, ...]:
        """This one is gone, or plays all of one track again; returns the tracks for which that may change something."""
        held = [known for known, by in self._accepted.items() if refuser in by and track in (None, known)]
        for known in held:
            del self._accepted[known][refuser]
            if not self._accepted[known]:
                del self._accepted[known]
        return tuple(held)

    def keep(self, is_known: Callable[[TrackId], bool]) -> None:
        """Forget the tracks that are over."""
        for track in [track for track in self._accepted if not is_known(track)]:
            del self._accepted[track]

    def common(self, track: TrackId) -> tuple[str, ...] | None:
        """What everybody plays who does not play all, in the first one's order; None when nobody is restricted."""
        if not (by := self._accepted.get(track)):
            return None
        first, *others = by.values()
        return tuple(codec for codec in first if all(codec in accepted for accepted in others))


class CodecDesk:
    """Acts on refusals, as the policy of the room says.

    Args:
        stage: Knows the rooms and the clients.
        limits: What a room's policy is.
        relay: The way to publishers on other nodes; None on a node without a mesh.
    """

    def __init__(self, *, stage: Stage, limits: Callable[[RoomId], RoomMedia], relay: OtherNodes | None) -> None:
        self._stage = stage
        self._limits = limits
        self._relay = relay
        self._book = RefusalBook()

    def refused(self, session: SessionId, event: TrackRefused) -> None:
        """A client here cannot play a track."""
        found = self._stage.rooms.find_track(event.track)
        if found is None or self._stage.rooms.room_of(session) != found.room:
            return  # either is gone meanwhile
        self._book.keep(lambda track: self._stage.rooms.find_track(track) is not None)
        self._book.refuse(event.track, (session, None), event.accepted)
        asked = self._ask(found)
        self._stage.tell(
            session,
            TrackRefusedEvent(
                participant=found.owner.participant,
                track=event.track,
                codec=event.codec,
                accepted=event.accepted,
                message=_sentence(found, event.codec, asked=asked),
            ),
        )

    def refused_over_there(self, node: NodeId, track: TrackId, codecs: tuple[str, ...]) -> None:
        """Somebody on another node plays nothing but these codecs of a track of ours; an empty list takes it back."""
        found = self._stage.rooms.find_track(track)
        if found is None or found.session is None:
            return
        if codecs:
            self._book.refuse(track, (None, node), codecs)
            self._ask(found)
        else:
            self._lift(self._book.forget((None, node), track))

    def forget(self, session: SessionId) -> None:
        """A client is gone, and with it the reason not to send something."""
        self._lift(self._book.forget((session, None)))

    def forget_node(self, node: NodeId) -> None:
        """A node is gone, with all of its people."""
        self._lift(self._book.forget((None, node)))

    def _lift(self, tracks: tuple[TrackId, ...]) -> None:
        for track in tracks:
            found = self._stage.rooms.find_track(track)
            if found is not None:
                self._ask(found)

    def _ask(self, found: FoundTrack) -> bool:
        """Say to the publisher what it may send; false when that would help nobody, or is not to be."""
        if self._limits(found.room).codec_policy != "restrict":
            return False
        track = found.track.track
        common = self._book.common(track)
        if common == ():
            return False
        codecs = common or ()
        if found.session is not None:
            self._stage.tell(found.session, Codecs(track=track, codecs=codecs))
            return True
        if self._relay is None:
            return False
        self._relay.restrict_codecs(found.owner.node, track, codecs)
        return True


def _sentence(found: FoundTrack, codec: str, *, asked: bool) -> str:
    what = {"microphone": "voice", "camera": "camera", "screen": "screen", "screen_audio": "sound"}[found.track.source]
    why = f"{found.owner.name}'s {what} is sent as {codec.upper()}, which this device cannot play."
    return f"{why} Another format has been asked for." if asked else why
