"""What stands inside of each kind of token, and how it is signed."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

import msgspec
from joserfc import jws

from session.claims import AccountMark
from session.grants import ALL_BUT_ADMIN, Grants
from session.jwt_form import ALGORITHM, ALGORITHM_OF_OTHERS

if TYPE_CHECKING:
    from joserfc.jwk import OKPKey

__all__ = [
    "INVITATION_AUDIENCE",
    "REGISTRY",
    "ROOM_AUDIENCE",
    "SESSION_AUDIENCE",
    "USER_AUDIENCE",
    "RegisteredPayload",
    "RoomPayload",
    "SessionPayload",
    "UserPayload",
    "account_claims",
    "account_mark",
    "granted",
    "grants_claim",
    "new_jti",
    "sign",
]

USER_AUDIENCE: Final = "starling/user"
SESSION_AUDIENCE: Final = "starling/session"
ROOM_AUDIENCE: Final = "starling/room"
INVITATION_AUDIENCE: Final = "starling/invitation"

REGISTRY: Final = jws.JWSRegistry(algorithms=[ALGORITHM, ALGORITHM_OF_OTHERS])
# Both names mean the one algorithm: joserfc's own EdDSA would also take Ed448 keys, and warns.
REGISTRY.algorithms = dict.fromkeys((ALGORITHM, ALGORITHM_OF_OTHERS), jws.JWSRegistry.algorithms[ALGORITHM])


class RegisteredPayload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The registered claims, of which all but `nbf` must be there, and the grants."""

    iss: str
    aud: str | tuple[str, ...]
    sub: str
    exp: int | float
    iat: int | float
    nbf: int | float | None = None
    jti: str
    # Absent means all but admin; null is refused, for whoever writes it meant something else.
    grants: Grants | msgspec.UnsetType = msgspec.UNSET


class UserPayload(RegisteredPayload, frozen=True, kw_only=True):
    """Who somebody is; with `login` and `gen`, of which built-in account."""

    name: str = ""
    login: str | None = None
    gen: int | None = None


class SessionPayload(RegisteredPayload, frozen=True, kw_only=True):
    """Who somebody is on which device, and later in which session."""

    name: str
    device: str
    session: str | None = None
    # When the first token of the line was issued that this one renews; absent in those of older nodes: by itself.
    born: int | float | None = None
    login: str | None = None
    gen: int | None = None


class RoomPayload(RegisteredPayload, frozen=True, kw_only=True):
    """The right of one session to take one seat with one attempt."""

    name: str
    device: str
    session: str
    room: str
    attempt: int
    invitation: str | None = None
    # The revision of the room by which its bearer was checked, 0 for none; absent of who was inside, and in tokens of
    # older nodes.
    checked: int | None = None


def sign(payload: RegisteredPayload, kid: str, key: OKPKey) -> str:
    """The token of that payload, signed by a private key."""
    header = {"alg": ALGORITHM, "typ": "JWT", "kid": kid}
    return jws.serialize_compact(header, msgspec.json.encode(payload), key, registry=REGISTRY)


def new_jti() -> str:
    """A token's own id: 96 random bits."""
    return secrets.token_urlsafe(12)


def grants_claim(grants: Grants) -> Grants | msgspec.UnsetType:
    """How grants are written: not at all, when they are what everybody has."""
    return msgspec.UNSET if grants == ALL_BUT_ADMIN else grants


def granted(payload: RegisteredPayload) -> Grants:
    """How grants are read."""
    return ALL_BUT_ADMIN if payload.grants is msgspec.UNSET else payload.grants


def account_claims(account: AccountMark | None) -> dict[str, Any]:
    """How the mark of an account is written."""
    return {} if account is None else {"login": account.login, "gen": account.generation}


def account_mark(payload: UserPayload | SessionPayload) -> AccountMark | None:
    """How the mark of an account is read."""
    if payload.login is None or payload.gen is None:
        return None
    return AccountMark(login=payload.login, generation=payload.gen)
