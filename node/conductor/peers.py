"""The two peer connections of each client, as the engine is to have them.

A session's peers are named after it. What a subscriber is to receive, and how its client would like
to, is stated as a whole set and reconciled by one task: many changes at once become one command, and
after the death of an engine the same statements build the next one up. Limits of a room reach the
engine before anybody of that room does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
import trio

from node.client_peer import publisher_of, session_of, subscriber_of
from sfu import EngineLostError, EngineRefused, WantedTrack
from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from session import RoomMedia
    from sfu import Engine, PreferredTrack
    from signalling.client.messages import ClientPeer
    from signalling.ids import ParticipantId, PeerId, RoomId, SessionId, TrackId

_REFUSALS: Final = {
    "sdp_invalid": ErrorCode.SDP_INVALID,
    "codec_unsupported": ErrorCode.CODEC_UNSUPPORTED,
    "offer_stale": ErrorCode.OFFER_STALE,
}
"""The engine's codes that a client can do something about; any other is ours to mend."""

_LOG = structlog.get_logger("conductor.peers")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """Where and who a client is, and what it is to receive."""

    room: RoomId
    participant: ParticipantId
    tracks: tuple[WantedTrack, ...]


class ClientPeers:
    """What the engine is to do for the clients of this node.

    Args:
        engine: The engine.
        limits: What is forwarded in a room; asked when the first of it needs the engine.
    """

    def __init__(self, engine: Engine, limits: Callable[[RoomId], RoomMedia]) -> None:
        self._engine = engine
        self._limits = limits
        self._wanted: dict[SessionId, _Wanted] = {}
        self._preferred: dict[SessionId, tuple[PreferredTrack, ...]] = {}
        self._unsaid: dict[SessionId, None] = {}
        self._unsaid_preferences: dict[SessionId, None] = {}
        self._closing: dict[PeerId, None] = {}
        # Peers that the engine has, or is about to have; what ended before that is no news.
        self._opened: set[PeerId] = set()
        # Rooms whose limits the engine knows, and those whose limits it may forget.
        self._limited: dict[RoomId, tuple[int, int, int]] = {}
        self._empty: dict[RoomId, None] = {}
        self._work = trio.Event()

    def receive(
        self, session: SessionId, room: RoomId, participant: ParticipantId, tracks: tuple[WantedTrack, ...]
    ) -> None:
        """State where and who this session's client is and all tracks that it is to receive, from now on."""
        wanted = _Wanted(room=room, participant=participant, tracks=tracks)
        if self._wanted.get(session) == wanted:
            return
        self._wanted[session] = wanted
        self._unsaid[session] = None
        self._work.set()

    def prefer(self, session: SessionId, tracks: tuple[PreferredTrack, ...]) -> None:
        """State how this session's client would like to be sent its tracks, from now on."""
        if self._preferred.get(session, ()) == tracks:
            return
        self._preferred[session] = tracks
        self._unsaid_preferences[session] = None
        self._work.set()

    def forget(self, session: SessionId) -> None:
        """State that this session has no peer connections any more."""
        self._unsaid.pop(session, None)
        self._unsaid_preferences.pop(session, None)
        self._preferred.pop(session, None)
        wanted = self._wanted.pop(session, None)
        if wanted is not None:
            self._release_limits(wanted.room)
        self._close_both(session)

    def restate_limits(self, room: RoomId) -> None:
        """The room's limits may be others now: say everything about it again."""
        self._unsaid.update(dict.fromkeys(session for session, wanted in self._wanted.items() if wanted.room == room))
        self._work.set()

    def _release_limits(self, room: RoomId) -> None:
        """Have the engine forget the limits of a room that nobody here is in any more."""
        if room in self._limited and all(other.room != room for other in self._wanted.values()):
            del self._limited[room]
            self._empty[room] = None

    def restate_all(self) -> None:
        """Say everything again: the engine is a new one and knows nothing."""
        self._closing.clear()
        self._empty.clear()
        self._opened.clear()
        self._limited.clear()
        self._unsaid = dict.fromkeys(self._wanted)
        self._unsaid_preferences = dict.fromkeys(self._preferred)
        self._work.set()

    def rebuild(self, peer: PeerId) -> bool:
        """State that a peer ended by itself, so that both of its session are to be built anew.

        The one that still stands goes as well: its client is about to close it, and an offer for a
        new connection must not reach the old one.

        Returns:
            Whether that is news: not of a session that is gone, nor of the second of two peers that
            ended together, as when the thread that had them died.
        """
        session = session_of(peer)
        if session is None or peer not in self._opened:
            return False
        self._close_both(session)
        if session in self._wanted:
            self._unsaid[session] = None
        if session in self._preferred:
            self._unsaid_preferences[session] = None
        return True

    def _close_both(self, session: SessionId) -> None:
        for peer in (publisher_of(session), subscriber_of(session)):
            self._opened.discard(peer)
            self._closing[peer] = None
        self._work.set()

    async def reconcile(self) -> None:
        """Bring the engine to what is stated; runs until cancelled.

        A command that the engine did not answer is not repeated here: such an engine is replaced,
        and :meth:`restate_all` follows.
        """
        while True:
            await self._work.wait()
            self._work = trio.Event()
            while await self._say_next():
                pass

    async def _say_next(self) -> bool:
        """Say one thing that the engine does not know yet; false when it knows all that can be said."""
        if self._closing:
            peer, _ = self._closing.popitem()
            await self._attempt_close(peer)
        elif self._unsaid:
            session = next(iter(self._unsaid))
            del self._unsaid[session]
            await self._attempt_subscribe(session)
        elif wishful := next((session for session in self._unsaid_preferences if session in self._wanted), None):
            del self._unsaid_preferences[wishful]
            await self._attempt("prefer", self._engine.prefer(subscriber_of(wishful), self._preferred[wishful]))
        elif self._empty:
            room, _ = self._empty.popitem()
            await self._attempt("close_room", self._engine.close_room(room))
        else:
            return False
        return True

    async def publish(
        self, session: SessionId, sdp: str, tracks: Mapping[str, TrackId], *, room: RoomId, sender: ParticipantId
    ) -> str:
        """Hand over the client's offer; returns the answer.

        Raises:
            Refused: The engine cannot use the offer, or there is no engine at the moment.
        """
        peer = publisher_of(session)
        await self._state_limits(room)
        if peer in self._closing:
            del self._closing[peer]
            await self._attempt_close(peer)
        self._opened.add(peer)
        try:
            return await self._engine.publish(peer, sdp, tracks, room=room, sender=sender)
        except EngineRefused as refused:
            raise _as_refusal(refused) from refused
        except EngineLostError as lost:
            raise _no_engine() from lost

    async def answer(self, session: SessionId, generation: int, sdp: str) -> None:
        """Hand over the client's answer.

        Raises:
            Refused: It answers an older offer, it is no SDP, or there is no engine at the moment.
        """
        try:
            await self._engine.answered(subscriber_of(session), generation, sdp)
        except EngineRefused as refused:
            raise _as_refusal(refused) from refused
        except EngineLostError as lost:
            raise _no_engine() from lost

    async def add_candidate(self, session: SessionId, peer: ClientPeer, candidate: str) -> None:
        """Hand over a candidate; one that is of no use, or too late, harms nobody."""
        name = publisher_of(session) if peer == "publisher" else subscriber_of(session)
        try:
            await self._engine.add_candidate(name, candidate)
        except EngineRefused as refused:
            _LOG.debug("candidate_refused", session=session, peer=peer, code=refused.code)
        except EngineLostError:
            _LOG.debug("candidate_lost", session=session, peer=peer)

    async def _attempt_subscribe(self, session: SessionId) -> None:
        await self._state_limits(self._wanted[session].room)
        if session not in self._wanted:
            return  # forgotten meanwhile
        wanted = self._wanted[session]
        peer = subscriber_of(session)
        self._opened.add(peer)
        stated = self._engine.subscribe(peer, wanted.tracks, room=wanted.room, participant=wanted.participant)
        await self._attempt("subscribe", stated)

    async def _attempt_close(self, peer: PeerId) -> None:
        await self._attempt("close", self._engine.close_peer(peer))

    async def _state_limits(self, room: RoomId) -> None:
        """Have the engine know a room's limits before anybody of it, if there are any."""
        media = self._limits(room)
        known = self._limited.get(room)
        limits = (media.loudest, media.max_height, media.max_bitrate_bps)
        if (known or (0, 0, 0)) == limits:
            return
        self._limited[room] = limits
        self._empty.pop(room, None)
        stated = self._engine.set_room(
            room, loudest=media.loudest, max_height=media.max_height, max_bitrate_bps=media.max_bitrate_bps
        )
        await self._attempt("set_room", stated)

    @staticmethod
    async def _attempt(what: str, command: Awaitable[None]) -> None:
        try:
            await command
        except EngineRefused as refused:
            _LOG.error(f"{what}_refused", code=refused.code, message=refused.message)
        except EngineLostError as lost:
            _LOG.warning(f"{what}_lost", reason=str(lost))


def _as_refusal(refused: EngineRefused) -> Refused:
    return Refused(_REFUSALS.get(refused.code, ErrorCode.INTERNAL_ERROR), refused.message)


def _no_engine() -> Refused:
    return Refused(
        ErrorCode.ENGINE_UNAVAILABLE,
        "The media engine of this node is being replaced; wait for `restart` and try again.",
    )
