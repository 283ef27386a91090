"""Cluster keys."""
from __future__ import annotations
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
class ClusterKeys:
    """One or two live Ed25519 keys, the first signs."""
    @classmethod
    def generate(cls) -> ClusterKeys:
        raise NotImplementedError
    @classmethod
    def load(cls, path: Path) -> ClusterKeys:
        """Raises SessionSetupError: keys_missing, keys_readable_by_others, keys_invalid."""
        raise NotImplementedError
    def save(self, path: Path) -> None:
        """Write a JWK set, mode 0600, atomically."""
        raise NotImplementedError
    def rotated(self) -> ClusterKeys:
        raise NotImplementedError
    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Public keys only, for /.well-known/jwks.json."""
        raise NotImplementedError
    @property
    def signing_key(self) -> Ed25519PrivateKey:
        """For membership.certify_node."""
        raise NotImplementedError
    @property
    def public_keys(self) -> tuple[bytes, ...]:
        """32 raw bytes each, for MembershipConfig.cluster_keys."""
        raise NotImplementedError
