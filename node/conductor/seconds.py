"""Tracks in two encodings: whoever cannot play the first gets the second in its place, as one and the same track.

Under the policy ``second`` the first encoding stays as it is. Its publisher is asked, here or over the link to its
node, for one more of the same source in a codec that those left out play (:meth:`RefusalBook.serve`). It is published
as a track with ``alternative_of``, of which no client is told: the live rooms put it in the first one's place for each
session that is named here. A second encoding keeps its codec for life; where another codec is needed, another one
replaces it. So whoever refuses one will not play it, and a subscriber is told why it sees nothing when, some seconds
after it refused a track, it is sent nothing else: nobody published a second one, or it refused that as well.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from node.conductor.second_clock import SecondClock, Unplayed
from signalling.client.messages import SecondWanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.conductor.ports import OtherNodes
    from node.conductor.refusals import RefusalBook, Served
    from node.conductor.stage import Stage
    from session import FoundTrack
    from signalling.ids import SessionId, TrackId


class SecondDesk:
    """Has publishers send a second encoding for as long as somebody needs it.

    Args:
        stage: Knows the rooms and the clients.
        book: Who cannot play what; its owner calls :meth:`reconsider` after each change.
        relay: The way to publishers on other nodes; None on a node without a mesh.
        explain: Tells a subscriber why it sees nothing.
    """

    def __init__(
        self,
        *,
        stage: Stage,
        book: RefusalBook,
        relay: OtherNodes | None,
        explain: Callable[[Unplayed], None],
    ) -> None:
        self._stage = stage
        self._book = book
        self._relay = relay
        self._explain = explain
        self._clock = SecondClock()
        self._moved = trio.Event()
        # Who here is to play the second encoding of each track, as the live rooms know.
        self._seconds: dict[TrackId, frozenset[SessionId]] = {}
        # What each publisher here was asked for last, unless that was nothing.
        self._asked: dict[TrackId, tuple[SessionId, tuple[str, ...]]] = {}

    def refused(self, session: SessionId, first: FoundTrack, *, codec: str, accepted: tuple[str, ...]) -> None:
        """A client here can play neither a track nor what it may have got in its place."""
        served = self.reconsider(first)
        track = first.track.track
        unplayed = Unplayed(session=session, track=track, codec=codec, accepted=accepted)
        if (session, None) in served.refusers:
            self._clock.await_second(unplayed, trio.current_time())
            self._moved.set()
        else:
            self._explain(unplayed)

    def reconsider(self, first: FoundTrack) -> Served:
        """Who cannot play a track, or who publishes it, may have changed; returns whom a second one serves."""
        track = first.track.track
        served = self._book.serve(track)
        self._place(track, frozenset(session for session, _ in served.refusers if session is not None))
        if first.session is not None:
            self._ask(first.session, track, served.codecs)
        elif self._relay is not None:
            self._relay.restrict_codecs(first.owner.node, track, served.codecs)
        return served

    def forget(self, session: SessionId) -> None:
        """A client is gone."""
        self._clock.forget(session)
        self._asked = {track: asked for track, asked in self._asked.items() if asked[0] != session}
        self._seconds = {track: sessions - {session} for track, sessions in self._seconds.items()}

    def forget_asked(self, tracks: frozenset[TrackId]) -> None:
        """Whoever publishes these now does not know what was asked for."""
        self._asked = {track: asked for track, asked in self._asked.items() if track not in tracks}

    def keep(self, is_known: Callable[[TrackId], bool]) -> None:
        """Forget the tracks that are over."""
        self._clock.keep(is_known)
        self._asked = {track: asked for track, asked in self._asked.items() if is_known(track)}
        self._seconds = {track: sessions for track, sessions in self._seconds.items() if sessions and is_known(track)}

    async def keep_time(self) -> None:
        """Explain what does not come and end what nobody needs; runs until cancelled."""
        while True:
            deadline = self._clock.next_deadline()
            with trio.move_on_at(math.inf if deadline is None else deadline):
                await self._moved.wait()
            self._moved = trio.Event()
            due = self._clock.due(trio.current_time())
            for unplayed in due.late:
                self._explain_if_unplayed(unplayed)
            for track in due.idle:
                self._end(track)

    def _place(self, track: TrackId, sessions: frozenset[SessionId]) -> None:
        before = self._seconds.get(track, frozenset())
        if sessions == before:
            return
        self._seconds[track] = sessions
        for session in sorted(sessions ^ before):
            chosen = frozenset(known for known, by in self._seconds.items() if session in by)
            self._stage.carry_out(self._stage.rooms.choose_alternatives(session, chosen))

    def _ask(self, publisher: SessionId, track: TrackId, codecs: tuple[str, ...]) -> None:
        if codecs:
            self._clock.is_needed(track)
            if self._asked.get(track) != (publisher, codecs):
                self._asked[track] = (publisher, codecs)
                self._stage.tell(publisher, SecondWanted(track=track, codecs=codecs))
        elif track in self._asked or self._stage.rooms.alternative_of(track) is not None:
            self._clock.is_idle(track, trio.current_time())
            self._moved.set()

    def _explain_if_unplayed(self, unplayed: Unplayed) -> None:
        plays = self._stage.rooms.played_as(unplayed.session, unplayed.track)
        if plays in self._book.refused_by((unplayed.session, None)):
            self._explain(unplayed)

    def _end(self, track: TrackId) -> None:
        self._asked.pop(track, None)
        found = self._stage.rooms.find_track(track)
        if found is not None and found.session is not None:
            self._stage.tell(found.session, SecondWanted(track=track, codecs=()))
