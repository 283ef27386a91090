"""Tokens: user token -> session token -> room token."""
from __future__ import annotations
import time
from collections.abc import Callable
from dataclasses import dataclass
from session.keys import ClusterKeys
from signalling.ids import DeviceId, RoomId, SessionId, UserId

@dataclass(frozen=True, kw_only=True, slots=True)
class UserClaims:
    user: UserId
    name: str
    token_id: str
    expires_at: float
@dataclass(frozen=True, kw_only=True, slots=True)
class SessionClaims:
    user: UserId
    device: DeviceId
    name: str
    session: SessionId | None
    token_id: str
    expires_at: float
@dataclass(frozen=True, kw_only=True, slots=True)
class RoomClaims:
    room: RoomId
    user: UserId
    device: DeviceId
    name: str
    session: SessionId
    attempt: int
    token_id: str
    expires_at: float
@dataclass(frozen=True, kw_only=True, slots=True)
class TokenLifetimes:
    user_s: float = 86_400
    session_s: float = 3_600
    room_s: float = 60

class Tokens:
    """Issues and verifies; every verify raises Refused (token_invalid, token_expired, token_foreign)."""
    def __init__(self, keys: ClusterKeys, *, cluster: str, lifetimes: TokenLifetimes = TokenLifetimes(), clock: Callable[[], float] = time.time) -> None:
        raise NotImplementedError
    def issue_user(self, *, user: UserId, name: str) -> str:
        raise NotImplementedError
    def issue_session(self, *, user: UserId, device: DeviceId, name: str, session: SessionId | None = None) -> str:
        raise NotImplementedError
    def issue_room(self, *, room: RoomId, user: UserId, device: DeviceId, name: str, session: SessionId, attempt: int) -> str:
        raise NotImplementedError
    def verify_user(self, token: str) -> UserClaims:
        raise NotImplementedError
    def verify_session(self, token: str) -> SessionClaims:
        raise NotImplementedError
    def verify_room(self, token: str, *, session: SessionId) -> RoomClaims:
        """`session`: the session that redeems it; another one's token is refused."""
        raise NotImplementedError
