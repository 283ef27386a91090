"""The token chain: user token -> session token -> room token, as Ed25519 JWTs (RFC 7519, RFC 9864).

| token | says | audience | redeemed by |
|---|---|---|---|
| user | who you are | `starling/user` | `POST /v1/sessions` on any node |
| session | who you are on which device, later in which session | `starling/session` | a WebSocket's `hello` |
| room | room, user, device, session and attempt | `starling/room` | the node that holds that session |

Whatever comes in is hostile until its signature holds: its size is bounded before anything is
decoded, its header may hold `alg`, `typ` and `kid` and nothing else, and `alg` must be the one
algorithm of our keys. Every way to fail ends in a :class:`Refused` with one of three codes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from session.api_keys import ApiKeys
from session.claims import (
    MAX_NAME_LENGTH,
    MAX_USER_ID_LENGTH,
    RoomClaims,
    SessionClaims,
    UserClaims,
    is_attempt,
    is_name,
    is_session_id,
    is_user_id,
)
from session.grants import ALL_BUT_ADMIN, Grants, is_room_pattern
from session.jwt_form import MAX_TOKEN_BYTES, read_header
from session.payloads import (
    REGISTRY,
    ROOM_AUDIENCE,
    SESSION_AUDIENCE,
    USER_AUDIENCE,
    RegisteredPayload,
    RoomPayload,
    SessionPayload,
    UserPayload,
    account_claims,
    account_mark,
    granted,
    grants_claim,
    new_jti,
    sign,
)
from session.token_kinds import check_kind, name_of, refuse_contents, refuse_unread, source_of
from session.token_lifetimes import TokenLifetimes
from signalling.errors import ErrorCode, Refused
from signalling.ids import (
    DeviceId,
    RoomId,
    SessionId,
    UserId,
    is_device_id,
    is_room_id,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from joserfc.jwk import OKPKey

    from session.api_keys import ApiKey
    from session.claims import AccountMark
    from session.jwt_form import Header
    from session.keys import ClusterKeys

__all__ = [
    "MAX_NAME_LENGTH",
    "MAX_TOKEN_BYTES",
    "MAX_USER_ID_LENGTH",
    "RoomClaims",
    "SessionClaims",
    "TokenLifetimes",
    "Tokens",
    "UserClaims",
]

LEEWAY_S: Final = 60.0
"""How far the clocks of two machines may stand apart before a token of one fails on the other."""

MAX_TIME_S: Final = 2.0**40
"""The year 36812; keeps infinities and not-a-numbers out of the comparisons."""


_Payload = TypeVar("_Payload", bound=RegisteredPayload)

_user_decoder: Final = msgspec.json.Decoder(UserPayload)
_session_decoder: Final = msgspec.json.Decoder(SessionPayload)
_room_decoder: Final = msgspec.json.Decoder(RoomPayload)


class Tokens:
    """Issues and verifies the tokens of a cluster.

    Args:
        keys: the live cluster keys.
        cluster: the cluster's name, issuer of every token.
        lifetimes: how long issued tokens live.
        clock: seconds since 1970.
        api_keys: who else may sign for users.
    """

    def __init__(
        self,
        keys: ClusterKeys,
        *,
        cluster: str,
        lifetimes: TokenLifetimes | None = None,
        clock: Callable[[], float] = time.time,
        api_keys: ApiKeys | None = None,
    ) -> None:
        self._keys = keys
        self._api_keys = api_keys or ApiKeys()
        self._cluster = cluster
        self._clock = clock
        self.lifetimes = lifetimes or TokenLifetimes()

    def issue_user(
        self, *, user: UserId, name: str, account: AccountMark | None = None, grants: Grants = ALL_BUT_ADMIN
    ) -> str:
        """A user token, for a guest or whoever proved to be that user; with `account`, of a built-in one.

        Raises:
            ValueError: the id or the name is not one that :meth:`verify_user` would take.
        """
        _require(is_user_id(user) and is_name(name), "user id or name out of bounds")
        issued, expires = self._times(self.lifetimes.user_s)
        return self._sign(
            UserPayload(
                iss=self._cluster,
                aud=USER_AUDIENCE,
                sub=user,
                exp=expires,
                iat=issued,
                jti=new_jti(),
                name=name,
                grants=grants_claim(grants),
                **account_claims(account),
            )
        )

    def issue_session(
        self,
        *,
        user: UserId,
        device: DeviceId,
        name: str,
        session: SessionId | None = None,
        account: AccountMark | None = None,
        grants: Grants = ALL_BUT_ADMIN,
        born: float | None = None,
    ) -> str:
        """A session token; with `session` it also names the session it was pushed to.

        With `born` it is a fresh one in a line that began then, seconds since 1970, and no better than that line.

        Raises:
            ValueError: a field is not one that :meth:`verify_session` would take.
        """
        _require(is_user_id(user) and is_name(name) and is_device_id(device), "user, name or device out of bounds")
        issued = int(self._clock())
        since = issued if born is None else int(born)
        expires = self.lifetimes.session_ends(issued, since)
        return self._sign(
            SessionPayload(
                iss=self._cluster,
                aud=SESSION_AUDIENCE,
                sub=user,
                exp=expires,
                iat=issued,
                jti=new_jti(),
                name=name,
                device=device,
                session=session,
                born=since,
                grants=grants_claim(grants),
                **account_claims(account),
            )
        )

    def issue_room(
        self,
        *,
        room: RoomId,
        user: UserId,
        device: DeviceId,
        name: str,
        session: SessionId,
        attempt: int,
        grants: Grants = ALL_BUT_ADMIN,
        invitation: str | None = None,
        checked: int | None = None,
    ) -> str:
        """A room token; single use needs no store, for only the node of that session redeems it.

        Raises:
            ValueError: a field is not one that :meth:`verify_room` would take.
        """
        _require(is_user_id(user) and is_name(name) and is_device_id(device), "user, name or device out of bounds")
        _require(is_room_id(room) and is_attempt(attempt) and is_session_id(session), "room or attempt out of bounds")
        issued, expires = self._times(self.lifetimes.room_s)
        return self._sign(
            RoomPayload(
                iss=self._cluster,
                aud=ROOM_AUDIENCE,
                sub=user,
                exp=expires,
                iat=issued,
                jti=new_jti(),
                name=name,
                device=device,
                session=session,
                room=room,
                attempt=attempt,
                grants=grants_claim(grants.for_room(room)),
                invitation=invitation,
                checked=checked,
            )
        )

    def verify_user(self, token: str) -> UserClaims:
        """Who signed in.

        Raises:
            Refused: `token_invalid`, `token_expired` or `token_foreign`.
        """
        payload, is_ours = self._verify(token, _user_decoder, USER_AUDIENCE, others=True)
        name = payload.name or payload.sub[:MAX_NAME_LENGTH]
        if not is_name(name):
            refuse_contents(USER_AUDIENCE)
        return UserClaims(
            user=UserId(payload.sub),
            name=name,
            token_id=payload.jti,
            expires_at=float(payload.exp),
            # Whoever else signs for users has no say about the accounts of this mesh.
            account=account_mark(payload) if is_ours else None,
            grants=granted(payload),
        )

    def verify_session(self, token: str) -> SessionClaims:
        """Who speaks on a socket, and from which device.

        Raises:
            Refused: `token_invalid`, `token_expired` or `token_foreign`.
        """
        payload, _ = self._verify(token, _session_decoder, SESSION_AUDIENCE)
        born = payload.iat if payload.born is None else payload.born
        if not (
            is_name(payload.name)
            and 0 <= born <= MAX_TIME_S
            and is_device_id(payload.device)
            and (payload.session is None or is_session_id(payload.session))
        ):
            refuse_contents(SESSION_AUDIENCE)
        if not self.is_renewed(born + LEEWAY_S):
            raise Refused(ErrorCode.TOKEN_EXPIRED, "This session is too old to be renewed once more; sign in again.")
        return SessionClaims(
            user=UserId(payload.sub),
            device=DeviceId(payload.device),
            name=payload.name,
            session=None if payload.session is None else SessionId(payload.session),
            token_id=payload.jti,
            expires_at=float(payload.exp),
            born=float(born),
            account=account_mark(payload),
            grants=granted(payload),
        )

    def is_renewed(self, born: float) -> bool:
        """Whether a session whose first token was issued then is still given fresh ones; seconds since 1970."""
        return self.lifetimes.is_renewed(self._clock(), born)

    def verify_room(self, token: str, *, session: SessionId) -> RoomClaims:
        """What `session` may join.

        Raises:
            Refused: `token_invalid` (also for the token of another session), `token_expired` or `token_foreign`.
        """
        payload, _ = self._verify(token, _room_decoder, ROOM_AUDIENCE)
        if not (
            is_name(payload.name)
            and is_device_id(payload.device)
            and is_room_id(payload.room)
            and is_attempt(payload.attempt)
            and (payload.invitation is None or 1 <= len(payload.invitation) <= MAX_USER_ID_LENGTH)
        ):
            refuse_contents(ROOM_AUDIENCE)
        if payload.session != session:
            raise Refused(
                ErrorCode.TOKEN_INVALID, "This room token belongs to another session; ask for one with your own."
            )
        return RoomClaims(
            room=RoomId(payload.room),
            user=UserId(payload.sub),
            device=DeviceId(payload.device),
            name=payload.name,
            session=session,
            attempt=payload.attempt,
            token_id=payload.jti,
            expires_at=float(payload.exp),
            grants=granted(payload),
            invitation=payload.invitation,
            checked=payload.checked,
        )

    def sign(self, payload: Callable[[str], RegisteredPayload]) -> str:
        """Sign what another part of the package says in a token of its own; the issuer is handed in."""
        return self._sign(payload(self._cluster))

    def verify(self, token: str, decoder: msgspec.json.Decoder[_Payload], audience: str) -> _Payload:
        """What such a token says.

        Raises:
            Refused: `token_invalid`, `token_expired` or `token_foreign`.
        """
        return self._verify(token, decoder, audience)[0]

    def _times(self, lifetime_s: float) -> tuple[int, int]:
        now = int(self._clock())
        return now, now + int(lifetime_s)

    def _sign(self, payload: RegisteredPayload) -> str:
        kid, key = next(iter(self._keys.verifying.items()))
        return sign(payload, kid, key)

    def _verify(
        self, token: str, decoder: msgspec.json.Decoder[_Payload], audience: str, *, others: bool = False
    ) -> tuple[_Payload, bool]:
        """What a token says, and whether the cluster said it itself; only `others` takes keys of others."""
        header = read_header(token, others=others, advice=source_of(audience))
        data, api_key = self._signed_bytes(token, header, audience, others=others)
        try:
            payload = decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            refuse_unread(data, audience, issuer=self._cluster)
        if payload.iss != self._cluster and (api_key is None or payload.iss != api_key.issuer):
            raise Refused(ErrorCode.TOKEN_FOREIGN, f"This token is for another cluster: {source_of(audience)}.")
        self._check_registered(payload, audience)
        return payload, api_key is None

    def _signed_bytes(self, token: str, header: Header, audience: str, *, others: bool) -> tuple[bytes, ApiKey | None]:
        """The payload, once a live key has signed it, and which key that was; None for one of the cluster."""
        candidates: list[tuple[OKPKey, ApiKey | None]]
        ours = self._keys.verifying
        theirs = self._api_keys.by_id if others else {}
        if header.kid is None:
            candidates = [(key, None) for key in ours.values()]
            if len(theirs) == 1:
                candidates += [(key.key, key) for key in theirs.values()]
        elif header.kid in ours:
            candidates = [(ours[header.kid], None)]
        elif header.kid in theirs:
            candidates = [(theirs[header.kid].key, theirs[header.kid])]
        elif header.kid in self._api_keys.by_id:
            raise Refused(
                ErrorCode.TOKEN_FOREIGN,
                f"This token is signed by a service's key, which makes user tokens alone, and a {name_of(audience)} is "
                f"wanted: {source_of(audience)}.",
            )
        else:
            raise Refused(
                ErrorCode.TOKEN_FOREIGN,
                f"This token is signed by a key that this cluster does not know: {source_of(audience)}.",
            )
        for key, api_key in candidates:
            payload = _payload_if_signed(token, key)
            if payload is not None:
                return payload, api_key
        if header.kid is None:
            raise Refused(
                ErrorCode.TOKEN_FOREIGN,
                "This token is signed by none of our keys; where there are several API keys, name yours in `kid`.",
            )
        raise Refused(ErrorCode.TOKEN_INVALID, f"The signature of this token is wrong: {source_of(audience)}.")

    def _check_registered(self, payload: RegisteredPayload, audience: str) -> None:
        check_kind(payload, audience)
        times = (payload.exp, payload.iat, payload.iat if payload.nbf is None else payload.nbf)
        if not all(0 <= moment <= MAX_TIME_S for moment in times):
            refuse_contents(audience)
        if not is_room_pattern(granted(payload).rooms):
            refuse_contents(audience)
        if not is_user_id(payload.sub) or not 1 <= len(payload.jti) <= MAX_USER_ID_LENGTH:
            refuse_contents(audience)
        now = self._clock()
        if now >= payload.exp + LEEWAY_S:
            raise Refused(ErrorCode.TOKEN_EXPIRED, f"This {name_of(audience)} has expired: {source_of(audience)}.")
        if now < max(times[1:]) - LEEWAY_S:
            raise Refused(
                ErrorCode.TOKEN_INVALID, "This token is not valid yet; check the clock of the machine that issued it."
            )


def _payload_if_signed(token: str, key: OKPKey) -> bytes | None:
    try:
        return jws.deserialize_compact(token, key, registry=REGISTRY).payload
    except (JoseError, ValueError):
        return None


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)
