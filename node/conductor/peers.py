"""The two peer connections of each client, as the engine is to have them.

A session's peers are named after it. What a subscriber is to receive is stated as a whole set and
reconciled by one task: many changes at once become one command, and after the death of an engine
the same statements build the next one up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
import trio

from sfu import EngineLostError, EngineRefused, WantedTrack
from signalling.errors import ErrorCode, Refused
from signalling.ids import PeerId, SessionId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sfu import Engine
    from signalling.client.messages import ClientPeer, TrackPreference
    from signalling.ids import ParticipantId, RoomId, TrackId

PUBLISHER: Final = "pub:"
SUBSCRIBER: Final = "sub:"

_REFUSALS: Final = {
    "sdp_invalid": ErrorCode.SDP_INVALID,
    "codec_unsupported": ErrorCode.CODEC_UNSUPPORTED,
    "offer_stale": ErrorCode.OFFER_STALE,
}
"""The engine's codes that a client can do something about; any other is ours to mend."""

_LOG = structlog.get_logger("conductor.peers")


def publisher_of(session: SessionId) -> PeerId:
    """Name the peer connection on which this session's client sends."""
    return PeerId(f"{PUBLISHER}{session}")


def subscriber_of(session: SessionId) -> PeerId:
    """Name the peer connection on which this session's client receives."""
    return PeerId(f"{SUBSCRIBER}{session}")


def session_of(peer: PeerId) -> SessionId | None:
    """Find whose peer this is; None for one that is no client's."""
    for prefix in (PUBLISHER, SUBSCRIBER):
        if peer.startswith(prefix):
            return SessionId(peer[len(prefix) :])
    return None


class ClientPeers:
    """What the engine is to do for the clients of this node.

    Args:
        engine: The engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._wanted: dict[SessionId, tuple[RoomId, tuple[WantedTrack, ...]]] = {}
        self._preferred: dict[SessionId, tuple[TrackPreference, ...]] = {}
        self._publishing: set[SessionId] = set()
        self._unsaid: dict[SessionId, None] = {}
        self._closing: dict[PeerId, None] = {}
        self._work = trio.Event()

    def receive(self, session: SessionId, room: RoomId, tracks: tuple[WantedTrack, ...]) -> None:
        """State the room that this session's client is in and all tracks that it is to receive, from now on."""
        if self._wanted.get(session) == (room, tracks):
            return
        self._wanted[session] = (room, tracks)
        self._unsaid[session] = None
        self._work.set()

    def prefer(self, session: SessionId, tracks: tuple[TrackPreference, ...]) -> None:
        """State how this session's client would like to be sent its tracks, from now on."""
        self._preferred[session] = tracks

    def forget(self, session: SessionId) -> None:
        """State that this session has no peer connections any more."""
        self._preferred.pop(session, None)
        self._unsaid.pop(session, None)
        self._wanted.pop(session, None)
        self._publishing.discard(session)
        self._closing[publisher_of(session)] = None
        self._closing[subscriber_of(session)] = None
        self._work.set()

    def restate_all(self) -> None:
        """Say everything again: the engine is a new one and knows nothing."""
        self._closing.clear()
        self._unsaid = dict.fromkeys(self._wanted)
        self._work.set()

    def rebuild(self, session: SessionId) -> bool:
        """State that both peer connections of a session are to be built anew; false when it has none.

        The one that still stands goes as well: its client is about to close it, and an offer for a
        new connection must not reach the old one.
        """
        if session not in self._wanted and session not in self._publishing:
            return False
        self._closing[publisher_of(session)] = None
        self._closing[subscriber_of(session)] = None
        if session in self._wanted:
            self._unsaid[session] = None
        self._work.set()
        return True

    async def reconcile(self) -> None:
        """Bring the engine to what is stated; runs until cancelled.

        A command that the engine did not answer is not repeated here: such an engine is replaced,
        and :meth:`restate_all` follows.
        """
        while True:
            await self._work.wait()
            self._work = trio.Event()
            while self._closing or self._unsaid:
                if self._closing:
                    peer, _ = self._closing.popitem()
                    await self._attempt_close(peer)
                else:
                    session = next(iter(self._unsaid))
                    del self._unsaid[session]
                    await self._attempt_subscribe(session)

    async def publish(
        self, session: SessionId, sdp: str, tracks: Mapping[str, TrackId], *, room: RoomId, sender: ParticipantId
    ) -> str:
        """Hand over the client's offer; returns the answer.

        Raises:
            Refused: The engine cannot use the offer, or there is no engine at the moment.
        """
        peer = publisher_of(session)
        self._publishing.add(session)
        if peer in self._closing:
            del self._closing[peer]
            await self._attempt_close(peer)
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
        room, tracks = self._wanted[session]
        try:
            await self._engine.subscribe(subscriber_of(session), tracks, room=room)
        except EngineRefused as refused:
            _LOG.error("subscribe_refused", session=session, code=refused.code, message=refused.message)
        except EngineLostError as lost:
            _LOG.warning("subscribe_lost", session=session, reason=str(lost))

    async def _attempt_close(self, peer: PeerId) -> None:
        try:
            await self._engine.close_peer(peer)
        except EngineRefused as refused:
            _LOG.error("close_refused", peer=peer, code=refused.code, message=refused.message)
        except EngineLostError as lost:
            _LOG.warning("close_lost", peer=peer, reason=str(lost))


def _as_refusal(refused: EngineRefused) -> Refused:
    return Refused(_REFUSALS.get(refused.code, ErrorCode.INTERNAL_ERROR), refused.message)


def _no_engine() -> Refused:
    return Refused(
        ErrorCode.ENGINE_UNAVAILABLE,
        "The media engine of this node is being replaced; wait for `restart` and try again.",
    )
