"""Tracks that somebody cannot play: who is told, and who is asked to send something else. Never a silent black picture.

Each refusal says what its client plays instead. What follows is the policy of the room. ``restrict``: what
all of them play is what the publisher is asked for, here or over the link to its node, and whoever cannot play
a track is told why at once. ``tell``: they are told why. ``second``: see :mod:`node.conductor.seconds`. A refusal
counts for as long as the one behind it is there. A node refuses on behalf of its own people: one more
name among those who do, until nobody of the room is there. A publisher hears what changes, and all of
it again on a new connection; another node, with every word on who publishes there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.conductor.refusals import RefusalBook
from node.conductor.seconds import SecondDesk
from signalling.client.messages import Codecs
from signalling.client.messages import TrackRefused as TrackRefusedEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from node.conductor.ports import OtherNodes
    from node.conductor.refusals import Refuser
    from node.conductor.second_clock import Unplayed
    from node.conductor.stage import Stage
    from session import CodecPolicy, FoundTrack, RoomMedia
    from sfu import TrackRefused
    from signalling.client.messages import TrackInfo
    from signalling.ids import NodeId, RoomId, SessionId, TrackId

MANY_TRACKS: Final = 64
"""Refused tracks below which nobody looks for those that are over: each look asks for every one of them."""


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
        self.seconds = SecondDesk(stage=stage, book=self._book, relay=relay, explain=self._explain_unplayed)
        self._sweep_at = MANY_TRACKS
        # What each publisher here was told last, unless that was to send as it likes.
        self._told: dict[TrackId, tuple[SessionId, tuple[str, ...]]] = {}

    def refused(self, session: SessionId, event: TrackRefused) -> None:
        """A client here cannot play a track."""
        found = self._stage.rooms.find_track(event.track)
        if found is None or self._stage.rooms.room_of(session) != found.room:
            return  # either is gone meanwhile
        if self._policy(found) == "second":
            self._refuse_for_second(session, found, event)
            return
        self._note(event.track, (session, None), event.accepted)
        also = " Another format has been asked for." if self._ask(found) else ""
        self._explain(session, found, codec=event.codec, accepted=event.accepted, also=also)

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

    def published(self, tracks: Iterable[TrackInfo], *, resumed: frozenset[TrackId] = frozenset()) -> None:
        """A client publishes these: on a new connection it knows nothing of what others cannot play.

        What it was told of ``resumed`` tracks before this went to a page that did not have them.
        """
        tracks = tuple(tracks)
        self._told = {track: told for track, told in self._told.items() if track not in resumed}
        self.seconds.forget_asked(resumed)
        doubled = {info.alternative_of for info in tracks}
        refused = self._book.tracks()
        self._lift(tuple(info.track for info in tracks if info.track in doubled or info.track in refused))

    def published_over_there(self, node: NodeId, room: RoomId) -> None:
        """Another node says anew who publishes there; it may have forgotten what we refuse, or never have known."""
        for track in self._book.tracks():
            found = self._stage.rooms.find_track(track)
            if found is not None and found.session is None and (found.room, found.owner.node) == (room, node):
                self._ask(found)

    def forget(self, session: SessionId) -> None:
        """A client is gone, and with it the reason not to send something."""
        self._told = {track: told for track, told in self._told.items() if told[0] != session}
        self.seconds.forget(session)
        self._lift(self._book.forget((session, None)))

    def forget_node(self, node: NodeId, room: RoomId) -> None:
        """Nobody of this room is on that node any more, or the node is gone."""
        for track in self._book.refused_by((None, node)):
            found = self._stage.rooms.find_track(track)
            if found is None or found.room == room:
                self._lift(self._book.forget((None, node), track))

    def _note(self, track: TrackId, refuser: Refuser, accepted: tuple[str, ...]) -> None:
        if len(self._book) >= self._sweep_at:
            self._book.keep(self._is_known)
            self.seconds.keep(self._is_known)
            self._told = {known: told for known, told in self._told.items() if self._is_known(known)}
            self._sweep_at = max(MANY_TRACKS, 2 * len(self._book))
        self._book.refuse(track, refuser, accepted)

    def _lift(self, tracks: tuple[TrackId, ...]) -> None:
        for track in tracks:
            found = self._stage.rooms.find_track(track)
            if found is not None:
                self._ask(found)

    def _ask(self, found: FoundTrack) -> bool:
        """Say to the publisher what it may send; false when that would help nobody, or is not to be."""
        policy = self._policy(found)
        if policy == "second" and _may_be_doubled(found):
            return bool(self.seconds.reconsider(found).codecs)
        if policy != "restrict":
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

    def _refuse_for_second(self, session: SessionId, found: FoundTrack, event: TrackRefused) -> None:
        name = found.track.alternative_of
        first = found if name is None else self._stage.rooms.find_track(name)
        if first is None:
            return  # its second encoding is about to go as well
        # The same codec once more, in another profile, would be refused as well.
        accepted = tuple(codec for codec in event.accepted if codec != event.codec)
        self._note(event.track, (session, None), accepted)
        if _may_be_doubled(first):
            self.seconds.refused(session, first, codec=event.codec, accepted=event.accepted)
        else:
            self._explain(session, first, codec=event.codec, accepted=event.accepted)

    def _explain_unplayed(self, unplayed: Unplayed) -> None:
        found = self._stage.rooms.find_track(unplayed.track)
        if found is not None:
            self._explain(unplayed.session, found, codec=unplayed.codec, accepted=unplayed.accepted)

    def _explain(
        self, session: SessionId, found: FoundTrack, *, codec: str, accepted: tuple[str, ...], also: str = ""
    ) -> None:
        self._stage.tell(
            session,
            TrackRefusedEvent(
                participant=found.owner.participant,
                track=found.track.track,
                codec=codec,
                accepted=accepted,
                message=_sentence(found, codec) + also,
            ),
        )

    def _policy(self, found: FoundTrack) -> CodecPolicy:
        return self._limits(found.room).codec_policy

    def _is_known(self, track: TrackId) -> bool:
        return self._stage.rooms.find_track(track) is not None


def _may_be_doubled(found: FoundTrack) -> bool:
    """Sound has Opus alone, so there is no other codec to ask for; and a second encoding has no second one."""
    return found.track.kind == "video" and found.track.alternative_of is None


def _sentence(found: FoundTrack, codec: str) -> str:
    what = {"microphone": "voice", "camera": "camera", "screen": "screen", "screen_audio": "sound"}[found.track.source]
    return f"{found.owner.name}'s {what} is sent as {codec.upper()}, which this device cannot play."
