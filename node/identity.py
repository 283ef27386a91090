"""Who this node is, kept in its data folder: the folder itself, the node's key, the cluster's keys.

A node makes its Ed25519 key at its first start. It signs mesh messages with it and nothing else;
the cluster's key certifies it with all else that the node says of itself (membership/members/certificate.py).
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from node.errors import EXIT_CONFIG, NodeStartError
from node.private_files import read_private, write_private
from session import ClusterKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.config import Config

NODE_KEY_FILE: Final = "node-key.pem"
LOCK_FILE: Final = "lock"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a node proves itself with.

    Attributes:
        key: Signs this node's mesh messages.
        cluster_keys: Sign tokens and certify nodes, the same on every node.
    """

    key: Ed25519PrivateKey
    cluster_keys: ClusterKeys

    @property
    def public_key(self) -> bytes:
        """The raw public half of ``key``."""
        return self.key.public_key().public_bytes_raw()


@contextmanager
def hold_data_dir(config: Config) -> Iterator[Path]:
    """Make the data folder and keep every other node out of it for the length of the block.

    Raises:
        NodeStartError: It cannot be made, or another node runs in it.
    """
    path = Path(config.node.data_dir)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise NodeStartError(
            "data_dir_unusable",
            f"the data folder {path} cannot be used: {reason}; set node.data_dir to a folder of this user",
            exit_code=EXIT_CONFIG,
        ) from None
    try:
        try:
            # Released by the system when the process ends, however it ends.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NodeStartError(
                "data_dir_taken",
                f"another node runs in {path}: stop it, or give this one a node.id or node.data_dir of its own",
            ) from None
        yield path
    finally:
        os.close(descriptor)


def load_identity(config: Config) -> Identity:
    """Read the keys; a node alone makes the ones that are missing.

    Raises:
        NodeStartError: A key file cannot be used.
        SessionSetupError: The cluster's keys cannot be used.
    """
    keys = _load_cluster_keys(config)
    key = _load_node_key(Path(config.node.data_dir) / NODE_KEY_FILE)
    return Identity(key=key, cluster_keys=keys)


def load_gossip_key(config: Config) -> str:
    """Read the gossip key; whether it is one is for the membership to say.

    Raises:
        NodeStartError: The file cannot be used.
    """
    data = read_private(Path(config.mesh.gossip_key_file), what="The gossip key file")
    return data.decode("ascii", "replace").strip()


def load_rpc_token(config: Config) -> str:
    """Read the token of an external agent's RPC.

    Raises:
        NodeStartError: The file cannot be used.
    """
    data = read_private(Path(config.mesh.rpc_token_file), what="The RPC token file")
    return data.decode("utf-8", "replace").strip()


def _load_cluster_keys(config: Config) -> ClusterKeys:
    path = Path(config.tokens.cluster_keys_file)
    # Nodes of a mesh must share their keys, so only a node alone may draw its own.
    if not config.mesh.is_on and not path.exists():
        keys = ClusterKeys.generate()
        try:
            keys.save(path)
        except OSError as error:
            reason = (error.strerror or "unknown error").lower()
            raise NodeStartError(
                "keys_unwritable",
                f"the cluster keys cannot be kept in {path}: {reason}; set tokens.cluster_keys_file",
                exit_code=EXIT_CONFIG,
            ) from None
        return keys
    return ClusterKeys.load(path)


def _load_node_key(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return key
    data = read_private(path, what="The node's key")
    try:
        loaded = load_pem_private_key(data, password=None)
    except (ValueError, TypeError):
        loaded = None
    if not isinstance(loaded, Ed25519PrivateKey):
        raise NodeStartError(
            "node_key_invalid", f"{path} holds no Ed25519 key: remove it, and the node makes a new one"
        )
    return loaded
