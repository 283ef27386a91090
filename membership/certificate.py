"""The certificate of a node key: the cluster key's signature over (cluster, node id, node public key).

A node makes its Ed25519 key at its first start and signs mesh messages with it.  Whoever holds the gossip
key can put any key into a tag; only who holds the cluster key can certify it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["certificate_holds", "certify_node"]

_PURPOSE = b"starling/node-certificate/1"
"""Keeps a signature made for another purpose with the same key from passing as a certificate."""


def certify_node(cluster_key: Ed25519PrivateKey, *, cluster: str, node_id: str, public_key: bytes) -> bytes:
    """Sign a node's public key (32 raw bytes) with the cluster key; 64 bytes."""
    return cluster_key.sign(_statement(cluster, node_id, public_key))


def certificate_holds(
    cluster_keys: Iterable[bytes], *, cluster: str, node_id: str, public_key: bytes, certificate: bytes
) -> bool:
    """Whether one of the cluster's public keys (32 raw bytes each) has signed this node key.

    Two cluster keys may be live at a time, so that they can be rotated.
    """
    statement = _statement(cluster, node_id, public_key)
    for cluster_key in cluster_keys:
        try:
            Ed25519PublicKey.from_public_bytes(cluster_key).verify(certificate, statement)
        except InvalidSignature:
            continue
        return True
    return False


def _statement(cluster: str, node_id: str, public_key: bytes) -> bytes:
    # Every field behind its length: no two triples share a statement.
    fields = (_PURPOSE, cluster.encode(), node_id.encode(), public_key)
    return b"".join(len(field).to_bytes(2, "big") + field for field in fields)
