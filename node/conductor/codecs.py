"""Tracks that somebody cannot play: who is told, and who is asked to send something else. Never a silent black picture.

Each refusal says what its client plays instead. What all of them play is what the publisher is asked
for, here or over the link to its node; whoever cannot play a track is told why, in any case. A refusal
counts for as long as the one behind it is there. A node refuses on behalf of its own people: one more
name among those who do, until nobody of the room is there. A publisher hears what changes, and all of
it again on a new connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from signalling.client.messages import Codecs
from signalling.client.messages import TrackRefused as TrackRefusedEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from node.conductor.ports import OtherNodes
    from node.conductor.stage import Stage
    from session import FoundTrack, RoomMedia
    from sfu import TrackRefused
    from signalling.ids import NodeId, RoomId, SessionId, TrackId

Refuser: TypeAlias = "tuple[SessionId | None, NodeId | None]"
"""A session here or another node."""

MANY_TRACKS: Final = 64
"""Refused tracks below which nobody looks for those that are over: each look asks for every one of them."""


class RefusalBook:
    """Who plays what of each track that somebody cannot play as it is. Pure."""

    def __init__(self) -> None:
        self._accepted: dict[TrackId, dict[Refuser, tuple[str, ...]]] = {}

    def __len__(self) -> int:
        """Refused tracks."""
        return len(self._accepted)

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
        self._sweep_at = MANY_TRACKS
        # What each publisher here was told last, unless that was to send as it likes.
        self._told: dict[TrackId, tuple[SessionId, tuple[str, ...]]] = {}

    def refused(self, session: SessionId, event: TrackRefused) -> None:
        """A client here cannot play a track."""
        found = self._stage.rooms.find_track(event.track)
        if found is None or self._stage.rooms.room_of(session) != found.room:
            return  # either is gone meanwhile
        self._note(event.track, (session, None), event.accepted)
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
            self._note(track, (None, node), codecs)
            self._ask(found)
        else:
            self._lift(self._book.forget((None, node), track))

    def published(self, tracks: Iterable[TrackId]) -> None:
        """A client publishes these: on a new connection it knows nothing of what others cannot play."""
        self._lift(tuple(track for track in tracks if self._book.common(track) is not None))

    def forget(self, session: SessionId) -> None:
        """A client is gone, and with it the reason not to send something."""
        self._told = {track: told for track, told in self._told.items() if told[0] != session}
        self._lift(self._book.forget((session, None)))

    def forget_node(self, node: NodeId, room: RoomId) -> None:
        """Nobody of this room is on that node any more, or the node is gone."""
        for track in self._book.refused_by((None, node)):
            found = self._stage.rooms.find_track(track)
            if found is None or found.room == room:
                self._lift(self._book.forget((None, node), track))

    def _note(self, track: TrackId, refuser: Refuser, accepted: tuple[str, ...]) -> None:
        if len(self._book) >= self._sweep_at:
            self._book.keep(lambda known: self._stage.rooms.find_track(known) is not None)
            self._told = {known: told for known, told in self._told.items() if self._stage.rooms.find_track(known)}
            self._sweep_at = max(MANY_TRACKS, 2 * len(self._book))
        self._book.refuse(track, refuser, accepted)

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
            self._tell(found.session, track, codecs)
            return bool(codecs)
        if self._relay is None:
            return False
        self._relay.restrict_codecs(found.owner.node, track, codecs)
        return bool(codecs)

    def _tell(self, session: SessionId, track: TrackId, codecs: tuple[str, ...]) -> None:
        told = self._told.get(track)
        if codecs == (told[1] if told is not None and told[0] == session else ()):
            return
        self._told.pop(track, None)
        if codecs:
            self._told[track] = (session, codecs)
        self._stage.tell(session, Codecs(track=track, codecs=codecs))


def _sentence(found: FoundTrack, codec: str, *, asked: bool) -> str:
    what = {"microphone": "voice", "camera": "camera", "screen": "screen", "screen_audio": "sound"}[found.track.source]
    why = f"{found.owner.name}'s {what} is sent as {codec.upper()}, which this device cannot play."
    return f"{why} Another format has been asked for." if asked else why
