"""Keys of others that may sign for users: the operator's own backends.

A file holds the public halves as a JWK set (RFC 7517); a backend keeps the private one. What is signed
with such a key is believed as a user token and as nothing else: sessions and rooms are signed by the
cluster alone. Each key is for the one algorithm Ed25519, so a token cannot choose how it is checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from session.errors import SessionSetupError
from session.jwt_form import ALGORITHM, ALGORITHM_OF_OTHERS
from session.weak_points import is_weak

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["ApiKey", "ApiKeys"]

MAX_API_KEYS: Final = 64
"""A backend has one or, while it changes, two; this is room for thirty backends."""

MAX_API_KEYS_FILE_BYTES: Final = 65_536
"""64 keys take below 20 kB."""

MAX_TEXT_LENGTH: Final = 128
"""Of a key's id and of an issuer's name; a token's header has to hold the id."""


class _Jwk(msgspec.Struct, frozen=True, kw_only=True):
    """One entry; members that are not named here are ignored, as RFC 7517 says."""

    kty: str
    crv: str
    x: str
    kid: str
    d: Any = None
    alg: str = ALGORITHM
    use: str = "sig"
    issuer: str | None = None


class _JwkSet(msgspec.Struct, frozen=True, kw_only=True):
    keys: tuple[_Jwk, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """A public key that signs for users.

    Attributes:
        kid: its id, as tokens name it.
        issuer: how tokens signed with it may name their issuer, beside the cluster's name; None for only that.
        key: the key.
    """

    kid: str
    issuer: str | None
    key: OKPKey


class ApiKeys:
    """The keys of a file, read again when the operator says so.

    Args:
        path: the file; None for no keys at all.

    Raises:
        SessionSetupError: `api_keys_invalid`.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._keys: Mapping[str, ApiKey] = MappingProxyType({})
        self.reload()

    def reload(self) -> None:
        """Read the file again; on an error the keys stay as they were.

        Raises:
            SessionSetupError: `api_keys_invalid`.
        """
        if self._path is not None:
            self._keys = MappingProxyType(_read(self._path))

    @property
    def by_id(self) -> Mapping[str, ApiKey]:
        """All keys by their ids."""
        return self._keys


def _read(path: Path) -> dict[str, ApiKey]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_API_KEYS_FILE_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise _invalid(path, f"cannot be read: {reason}; make a key with `starling token keygen`") from error
    if len(data) > MAX_API_KEYS_FILE_BYTES:
        raise _invalid(path, f"is longer than {MAX_API_KEYS_FILE_BYTES} bytes: not a file of keys")
    try:
        entries = msgspec.json.decode(data, type=_JwkSet).keys
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _invalid(path, f"is no JWK set of public Ed25519 keys, each with a `kid` ({error})") from error
    if len(entries) > MAX_API_KEYS:
        raise _invalid(path, f"has more than {MAX_API_KEYS} keys")
    keys: dict[str, ApiKey] = {}
    seen: set[str] = set()
    for number, entry in enumerate(entries, 1):
        key = _take(path, number, entry)
        if key.kid in keys or entry.x in seen:
            raise _invalid(path, f"has key {number} twice: give each its own `kid`, and list it once")
        keys[key.kid] = key
        seen.add(entry.x)
    return keys


def _take(path: Path, number: int, entry: _Jwk) -> ApiKey:
    for what, text in (("kid", entry.kid), ("issuer", entry.issuer)):
        if text is not None and not (1 <= len(text) <= MAX_TEXT_LENGTH and text.isprintable()):
            raise _invalid(path, f"key {number}: `{what}` has 1 to {MAX_TEXT_LENGTH} printable characters")
    if entry.d is not None:
        raise _invalid(
            path, f"key {number} is a private one: put its public half here, without `d`, and keep the rest secret"
        )
    if (entry.kty, entry.crv) != ("OKP", "Ed25519") or entry.alg not in (ALGORITHM, ALGORITHM_OF_OTHERS):
        raise _invalid(path, f"key {number} is not for Ed25519 (kty OKP, crv Ed25519); no other algorithm is taken")
    if entry.use != "sig":
        raise _invalid(path, f"key {number} is not for signatures (its `use` is not sig)")
    try:
        key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": entry.x})
    except (JoseError, ValueError, TypeError) as error:
        raise _invalid(path, f"key {number}: `x` is no public key of 32 bytes in base64url") from error
    public = key.public_key
    if not isinstance(public, Ed25519PublicKey) or is_weak(public.public_bytes_raw()):
        raise _invalid(path, f"key {number} is one under which anybody can sign; make one by `starling token keygen`")
    return ApiKey(kid=entry.kid, issuer=entry.issuer, key=key)


def _invalid(path: Path, what: str) -> SessionSetupError:
    return SessionSetupError("api_keys_invalid", f"the file of API keys {path} {what}")
