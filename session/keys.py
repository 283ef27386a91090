"""Cluster keys: what signs tokens and certifies nodes.

A cluster has one or two live Ed25519 keys in a file that every node holds, like the gossip key.
The first signs, all verify; rotation puts a new key first and keeps the old one until the tokens
it signed have run out. They are never learnt from gossip, so any node verifies the tokens of any
other, also of a dead one it never met.

A key that waits to sign and one that no longer does stand in the same place, behind the one that signs, and what is
right for the one destroys the other. So a JWK set says in a private member which of them it holds (RFC 7517, section 4:
who does not know a member ignores it); PEM cannot.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from session.errors import SessionSetupError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ClusterKeys", "RotationStage"]

MAX_LIVE_KEYS: Final = 2
"""The signing key, and the one before it while its tokens still live."""

MAX_KEY_FILE_BYTES: Final = 16_384
"""Two keys take under 1 kB in either form; anything longer is another file."""

STAGE_MEMBER: Final = "starling_stage"
"""Stands in the second key of a file."""

OWNER_MEMBER: Final = "starling_owner"
"""Stands in the first key of a file that is a service's own."""
SERVICE: Final = "service"

_PEM_BLOCK: Final = re.compile(rb"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----", re.DOTALL)


class RotationStage(StrEnum):
    """How far the rotation of a cluster's keys is."""

    SETTLED = "settled"
    """There is one key."""
    ADDED = "added"
    """The second key has never signed; it is the next."""
    SWITCHED = "switched"
    """The second key signed before; its tokens are about."""
    UNTOLD = "untold"
    """There are two keys, and nothing says which of the two the second is."""


class ClusterKeys:
    """One or two live Ed25519 key pairs; the first signs.

    Args:
        private_keys: the live keys.
        second: what the second key is, `ADDED` or `SWITCHED`, where that is known; of one key it says nothing.
        of_service: whether they are a service's own, which no node signs with and no rotation of a cluster changes.

    Raises:
        ValueError: there is none, or more than two, or one twice.
    """

    def __init__(
        self,
        private_keys: tuple[Ed25519PrivateKey, ...],
        *,
        second: RotationStage = RotationStage.UNTOLD,
        of_service: bool = False,
    ) -> None:
        if not 1 <= len(private_keys) <= MAX_LIVE_KEYS:
            raise ValueError(f"a cluster has one or {MAX_LIVE_KEYS} live keys, not {len(private_keys)}")
        self._private = private_keys
        jwks = tuple(OKPKey.import_key(_private_pem(key)) for key in private_keys)
        self._by_id = {jwk.thumbprint(): jwk for jwk in jwks}
        if len(self._by_id) != len(private_keys):
            raise ValueError("the same cluster key is listed twice")
        self.stage = second if len(private_keys) > 1 else RotationStage.SETTLED
        self.of_service = of_service

    @classmethod
    def generate(cls, *, of_service: bool = False) -> ClusterKeys:
        """One fresh key."""
        return cls((Ed25519PrivateKey.generate(),), of_service=of_service)

    @classmethod
    def load(cls, path: Path) -> ClusterKeys:
        """Read a file of PEM blocks (PKCS#8, unencrypted) or a JWK set; the first key signs.

        Raises:
            SessionSetupError: `keys_missing`, `keys_readable_by_others` or `keys_invalid`.
        """
        data = _read_private_file(path)
        try:
            if data.lstrip().startswith(b"{"):
                keys, second, of_service = _keys_from_jwks(data)
                return cls(keys, second=second, of_service=of_service)
            return cls(_keys_from_pem(data))
        except (ValueError, TypeError, KeyError, JoseError, msgspec.DecodeError) as error:
            raise SessionSetupError(
                "keys_invalid",
                f"{path} does not hold one or two Ed25519 private keys (PEM or a JWK set); "
                "make such a file with `starling keygen`",
            ) from error

    def save(self, path: Path) -> None:
        """Write a JWK set that only the owner may read; a reader sees the old file or the new one.

        Raises:
            OSError: the folder cannot be written.
        """
        keys = [_as_text(jwk.as_dict(private=True), kid) for kid, jwk in self._by_id.items()]
        if self.stage in (RotationStage.ADDED, RotationStage.SWITCHED):
            keys[1][STAGE_MEMBER] = self.stage
        if self.of_service:
            keys[0][OWNER_MEMBER] = SERVICE
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode({"keys": keys})) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def rotated(self) -> ClusterKeys:
        """A fresh signing key before the present one; the one before that is dropped."""
        return ClusterKeys((Ed25519PrivateKey.generate(), self._private[0]), second=RotationStage.SWITCHED)

    def with_next(self) -> ClusterKeys:
        """The same signing key, and a fresh one that verifies already, so that every node knows it before it signs.

        Raises:
            ValueError: there are two keys already.
        """
        return ClusterKeys((*self._private, Ed25519PrivateKey.generate()), second=RotationStage.ADDED)

    def switched(self, *, force: bool = False) -> ClusterKeys:
        """The other of two keys signs, the one before it still verifies.

        Args:
            force: also where that brings the old key back, or might.

        Raises:
            ValueError: there is only one, or the second is not known to be the next.
        """
        self._require(RotationStage.ADDED, force=force)
        return ClusterKeys(self._private[::-1], second=RotationStage.SWITCHED)

    def without_second(self, *, force: bool = False) -> ClusterKeys:
        """The signing key alone: tokens of the other are foreign from now on.

        Args:
            force: also where that throws away a key that has yet to sign, or might.

        Raises:
            ValueError: there is only one, or the second is not known to be the old one.
        """
        self._require(RotationStage.SWITCHED, force=force)
        return ClusterKeys(self._private[:1])

    def _require(self, stage: RotationStage, *, force: bool) -> None:
        if self.stage is RotationStage.SETTLED or not (force or self.stage is stage):
            raise ValueError(f"the rotation is {self.stage}, not {stage}")

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JWK set (RFC 7517), for anyone to read."""
        return {"keys": [_as_text(jwk.as_dict(private=False), kid) for kid, jwk in self._by_id.items()]}

    @property
    def signing_key(self) -> Ed25519PrivateKey:
        """The key that signs: tokens here, node certificates in `membership`."""
        return self._private[0]

    @property
    def public_keys(self) -> tuple[bytes, ...]:
        """All live public keys, 32 raw bytes each, the signing one first."""
        return tuple(key.public_key().public_bytes_raw() for key in self._private)

    @property
    def verifying(self) -> dict[str, OKPKey]:
        """All live keys by their id, the RFC 7638 thumbprint; the signing one first."""
        return self._by_id


def _read_private_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise SessionSetupError(
            "keys_missing",
            f"the cluster key file {path} cannot be read ({error.strerror}); make one with `starling keygen`",
        ) from error
    if mode & 0o077:
        raise SessionSetupError(
            "keys_readable_by_others",
            f"the cluster key file {path} has mode {mode:04o}, others can read it; run `chmod 600 {path}`",
        )
    if len(data) > MAX_KEY_FILE_BYTES:
        raise SessionSetupError("keys_invalid", f"{path} is longer than {MAX_KEY_FILE_BYTES} bytes: not a key file")
    return data


def _keys_from_pem(data: bytes) -> tuple[Ed25519PrivateKey, ...]:
    keys: list[Ed25519PrivateKey] = []
    for block in _PEM_BLOCK.findall(data):
        key = serialization.load_pem_private_key(block, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("not an Ed25519 key")
        keys.append(key)
    return tuple(keys)


def _keys_from_jwks(data: bytes) -> tuple[tuple[Ed25519PrivateKey, ...], RotationStage, bool]:
    keys: list[Ed25519PrivateKey] = []
    stage = RotationStage.UNTOLD
    of_service = False
    for entry in msgspec.json.decode(data, type=dict[str, list[dict[str, Any]]])["keys"]:
        said = entry.pop(STAGE_MEMBER, None)
        of_service |= entry.pop(OWNER_MEMBER, None) == SERVICE
        if keys and said in (RotationStage.ADDED, RotationStage.SWITCHED):
            stage = RotationStage(said)
        key = OKPKey.import_key(entry).private_key
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("not an Ed25519 private key")
        keys.append(key)
    return tuple(keys), stage, of_service


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _as_text(jwk: dict[str, Any], kid: str) -> dict[str, str]:
    fields: dict[str, str] = {name: jwk[name] for name in ("kty", "crv", "x", "d") if name in jwk}
    return {**fields, "kid": kid, "use": "sig", "alg": "Ed25519"}
