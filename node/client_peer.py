"""How the engine's ends of clients are named: by the session, and which of its two peer connections."""

from __future__ import annotations

from typing import Final

from signalling.ids import PeerId, SessionId

PUBLISHER: Final = "pub:"
SUBSCRIBER: Final = "sub:"


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
