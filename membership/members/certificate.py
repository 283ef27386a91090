"""The certificate of a node: the cluster key's signature over everything that the node says of itself.

A node makes its Ed25519 key at its first start, signs mesh messages with it, and names it in its tags. Whoever holds
the gossip key can put anything into tags, also what another node said with one word changed; only who holds the
cluster's key can certify it. So the certificate covers every tag but itself, boots and names to come included, and is
made anew whenever a tag changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["CERTIFICATE_TAG", "certificate_holds", "holds", "statement"]

CERTIFICATE_TAG: Final = "x"

_PURPOSE = b"starling/node-certificate/2"
"""Keeps a signature made for another purpose with the same key from passing as a certificate."""


def statement(wire: Mapping[str, str]) -> bytes:
    """What is signed for these tags, in the form that gossip carries them."""
    pairs = sorted((name, value) for name, value in wire.items() if name != CERTIFICATE_TAG)
    fields = (_PURPOSE, *(text.encode() for pair in pairs for text in pair))
    # Every field behind its length: no two sets of tags share a statement.
    return b"".join(len(field).to_bytes(2, "big") + field for field in fields)


def certificate_holds(cluster_keys: Iterable[bytes], *, wire: Mapping[str, str], certificate: bytes) -> bool:
    """Whether one of the cluster's public keys (32 raw bytes each) has signed these tags.

    Two cluster keys may be live at a time, so that they can be rotated.
    """
    return holds(cluster_keys, signed=statement(wire), signature=certificate)


def holds(cluster_keys: Iterable[bytes], *, signed: bytes, signature: bytes) -> bool:
    """Whether one of the cluster's public keys (32 raw bytes each) has signed this."""
    for cluster_key in cluster_keys:
        try:
            Ed25519PublicKey.from_public_bytes(cluster_key).verify(signature, signed)
        except InvalidSignature:
            continue
        return True
    return False
