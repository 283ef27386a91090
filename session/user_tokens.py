"""User tokens made outside of a node: what an operator's backend signs, and what any token says of itself."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from session.claims import is_name, is_user_id
from session.grants import ALL_BUT_ADMIN, Grants, is_room_pattern
from session.jwt_form import MAX_TOKEN_BYTES
from session.payloads import REGISTRY, USER_AUDIENCE, UserPayload, grants_claim, new_jti, sign

if TYPE_CHECKING:
    from session.keys import ClusterKeys

__all__ = ["peek", "sign_user_token", "who_signed"]


def sign_user_token(
    keys: ClusterKeys,
    *,
    issuer: str,
    user: str,
    now: float,
    lifetime_s: float,
    name: str = "",
    grants: Grants = ALL_BUT_ADMIN,
    not_before: float | None = None,
) -> str:
    """Sign a user token as an operator's backend does, with the first of its keys.

    Args:
        keys: the backend's own, whose public half stands in the file of API keys.
        issuer: the cluster's name, or the one that stands beside the key there.
        user: a stable id, 1 to 128 printable characters.
        now: seconds since 1970.
        lifetime_s: how long it is good for.
        name: how others are to see them; empty for the id.
        grants: what they may do.
        not_before: when it begins to be good, in seconds since 1970; None for at once.

    Raises:
        ValueError: the user, the name, the rooms or the time are not ones that a node would take.
    """
    if not is_user_id(user):
        raise ValueError("a user id has 1 to 128 printable characters")
    if name and not is_name(name):
        raise ValueError("a name has at most 64 printable characters")
    if not is_room_pattern(grants.rooms):
        raise ValueError("a pattern of rooms has 1 to 128 printable ASCII characters")
    if lifetime_s < 1:
        raise ValueError("a token lives for a second at least")
    start = int(now if not_before is None else not_before)
    payload = UserPayload(
        iss=issuer,
        aud=USER_AUDIENCE,
        sub=user,
        exp=start + int(lifetime_s),
        iat=int(now),
        nbf=None if not_before is None else start,
        jti=new_jti(),
        grants=grants_claim(grants),
        name=name,
    )
    kid, key = next(iter(keys.verifying.items()))
    return sign(payload, kid, key)


def peek(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what a token says, header and claims, without believing any of it.

    Raises:
        ValueError: it is no JWT.
    """
    parts = token.strip().split(".")
    if len(token) > MAX_TOKEN_BYTES or len(parts) != 3:
        raise ValueError("a token has three parts with dots between, and at most 4096 bytes")
    try:
        header, claims = (
            msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=dict[str, Any])
            for part in parts[:2]
        )
    except (ValueError, msgspec.DecodeError) as error:
        raise ValueError("its header and claims are no JSON objects in base64url") from error
    return header, claims


def who_signed(token: str, jwks: bytes) -> str | None:
    """Find the key of a public JWK set that signed this token: its id, or None if none did.

    Raises:
        ValueError: `jwks` is no JWK set.
    """
    try:
        entries = msgspec.json.decode(jwks, type=dict[str, list[dict[str, Any]]])["keys"]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError) as error:
        raise ValueError("that is no JWK set") from error
    header, _ = peek(token)
    for entry in entries:
        if entry.get("crv") != "Ed25519" or header.get("kid", entry.get("kid")) != entry.get("kid"):
            continue
        try:
            public = {name: entry[name] for name in ("kty", "crv", "x")}
            jws.deserialize_compact(token.strip(), OKPKey.import_key(public), registry=REGISTRY)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        return str(entry.get("kid"))
    return None
