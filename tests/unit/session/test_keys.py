"""Cluster keys on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from session.errors import SessionSetupError
from session.keys import MAX_KEY_FILE_BYTES, ClusterKeys, RotationStage

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


def pem(key: Ed25519PrivateKey | Ed448PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def code_of(path: Path) -> str:
    with pytest.raises(SessionSetupError) as refused:
        ClusterKeys.load(path)
    assert str(path) in refused.value.message
    return refused.value.code


def test_saved_keys_load_in_order_and_only_for_their_owner(tmp_path: Path) -> None:
    keys = ClusterKeys.generate().rotated()
    keys.save(tmp_path / "keys.json")
    keys.save(tmp_path / "keys.json")
    assert ClusterKeys.load(tmp_path / "keys.json").public_keys == keys.public_keys
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["keys.json"]


def test_pem_blocks_load_in_order(tmp_path: Path) -> None:
    first, second = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    loaded = ClusterKeys.load(write(tmp_path / "keys.pem", b"# the cluster\n" + pem(first) + pem(second)))
    assert loaded.public_keys == tuple(key.public_key().public_bytes_raw() for key in (first, second))
    assert loaded.rotated().public_keys[1] == loaded.public_keys[0]


def test_a_file_says_how_far_the_rotation_is_and_nobody_else_hears_it(tmp_path: Path) -> None:
    first = ClusterKeys.generate()
    added = first.with_next()
    switched = added.switched()
    for keys, stage in ((first, "settled"), (added, "added"), (switched, "switched"), (first.rotated(), "switched")):
        keys.save(tmp_path / "keys.json")
        assert ClusterKeys.load(tmp_path / "keys.json").stage == stage
        assert all(set(key) == {"kty", "crv", "x", "kid", "use", "alg"} for key in keys.jwks()["keys"])
    both = pem(first.signing_key) + pem(switched.signing_key)
    assert ClusterKeys.load(write(tmp_path / "keys.pem", both)).stage is RotationStage.UNTOLD


def test_no_step_loses_a_key_by_being_early_or_late() -> None:
    added = ClusterKeys.generate().with_next()
    with pytest.raises(ValueError, match="added"):
        added.without_second()
    with pytest.raises(ValueError, match="switched"):
        added.switched().switched()
    assert added.switched().without_second().public_keys == added.public_keys[1:]


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    for mode in (0o640, 0o604, 0o660, 0o601):
        assert code_of(write(tmp_path / "keys", pem(Ed25519PrivateKey.generate()), mode)) == "keys_readable_by_others"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert code_of(tmp_path / "nowhere") == "keys_missing"
    assert code_of(tmp_path) == "keys_missing"


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    one, two, three = (pem(Ed25519PrivateKey.generate()) for _ in range(3))
    ClusterKeys.generate().save(tmp_path / "good")
    public_only = (tmp_path / "good").read_bytes().replace(b'"d"', b'"e"')
    for data in (
        b"",
        b"nope",
        b"{}",
        b"{",
        b'{"keys": []}',
        b'{"keys": [{}]}',
        b'{"keys": [{"kty": "oct", "k": "AAAA"}]}',
        b'{"keys": 1}',
        b"\xff\xfe",
        public_only,
        one + two + three,
        one + one,
        pem(Ed448PrivateKey.generate()),
        b"-----BEGIN PRIVATE KEY-----\nnope\n-----END PRIVATE KEY-----",
        one + b"#" * MAX_KEY_FILE_BYTES,
    ):
        assert code_of(write(tmp_path / "keys", data)) == "keys_invalid"
