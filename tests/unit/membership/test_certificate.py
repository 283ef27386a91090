"""Certificates hold for what they name, under the keys they were made with, and for nothing else."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from membership.certificate import certificate_holds, certify_node

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER_PUBLIC = OTHER.public_key().public_bytes_raw()
NODE = bytes(range(32))
CERTIFICATE = certify_node(KEY, cluster="test", node_id="ada", public_key=NODE)


def holds(
    *keys: bytes,
    cluster: str = "test",
    node_id: str = "ada",
    public_key: bytes = NODE,
    certificate: bytes = CERTIFICATE,
) -> bool:
    return certificate_holds(keys, cluster=cluster, node_id=node_id, public_key=public_key, certificate=certificate)


def test_it_holds_under_either_of_two_live_keys() -> None:
    assert len(CERTIFICATE) == 64
    assert holds(PUBLIC)
    assert holds(OTHER_PUBLIC, PUBLIC)


@pytest.mark.parametrize(
    "change",
    [
        {"cluster": "tes"},
        {"node_id": "bob"},
        {"cluster": "testa", "node_id": "da"},  # the same bytes in a row
        {"public_key": bytes(32)},
        {"certificate": bytes(64)},
        {"certificate": CERTIFICATE[:-1]},
        {"certificate": b""},
    ],
)
def test_it_holds_for_nothing_else(change: dict[str, object]) -> None:
    assert not holds(PUBLIC, **change)  # type: ignore[arg-type]


def test_it_does_not_hold_under_another_key_or_none() -> None:
    assert not holds(OTHER_PUBLIC)
    assert not holds()
