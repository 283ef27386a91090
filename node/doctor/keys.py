"""Keys and certificates: there, readable by the node alone, good for a while yet."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509

from membership.keys.keyring import read_keyring
from node.doctor.findings import fail, ok, warn
from node.errors import NodeStartError
from node.http.tls import CertificateError, load_tls
from node.identity import load_gossip_key, load_rpc_token
from session import ClusterKeys, SessionSetupError

if TYPE_CHECKING:
    from node.config import Config
    from node.doctor.findings import Check

RENEW_WITHIN: Final = timedelta(days=14)
"""Certificates of 90 days are renewed 30 days before their end: whoever is below half of that missed several tries."""

KEY_SIZES: Final = (16, 24, 32)
"""Bytes of an AES key."""


def check_certificate(config: Config, *, now: datetime | None = None) -> Check:
    """Whether the certificate for clients can be used, and for how long."""
    name = "certificate"
    if not config.http.tls_cert:
        return ok(name, "none: HTTP in the clear, for this machine or behind a proxy that has one")
    path = Path(config.http.tls_cert)
    cure = f"renew {path}, then send the node SIGHUP: it reads it again without dropping anybody"
    try:
        load_tls(path, Path(config.http.tls_key))
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except CertificateError as error:
        return fail(name, error.message, cure)
    except (ValueError, OSError) as error:
        return fail(name, f"{path} cannot be read: {error}", cure)
    left = certificate.not_valid_after_utc - (now or datetime.now(UTC))
    until = f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    if left <= timedelta():
        return fail(name, f"{path} ended {until}", cure)
    if left < RENEW_WITHIN:
        return warn(name, f"{path} ends in {left.days} days, {until}", cure)
    return ok(name, f"{path} is good until {until}, {left.days} days")


def check_gossip_key(config: Config) -> Check:
    """Whether the gossip key is one."""
    name = "keys.gossip"
    if not config.mesh.is_on:
        return ok(name, "none: the node is on its own")
    if config.mesh.rpc:
        return _check_rpc_token(name, config)
    try:
        size = len(base64.b64decode(load_gossip_key(config), validate=True))
    except NodeStartError as error:
        return fail(name, error.message, "starling keygen DIR")
    except ValueError:  # no base64, or no ASCII
        size = 0
    if size not in KEY_SIZES:
        where = config.mesh.gossip_key_file
        return fail(name, f"{where} is no AES key in base64", "copy it from another node, or: starling keygen DIR")
    return ok(name, f"{config.mesh.gossip_key_file}, {8 * size} bits")


def _check_rpc_token(name: str, config: Config) -> Check:
    try:
        load_rpc_token(config)
    except NodeStartError as error:
        return fail(name, error.message, "set mesh.rpc_token_file to a file with the agent's rpc_auth, mode 0600")
    return ok(name, f"the agent at {config.mesh.rpc} has it")


def gossip_key_in_use(config: Config, data_dir: Path) -> str | None:
    """What gossip is sealed with now: after a rotation, the keyring has it and the settings' file is behind.

    Returns:
        The key in base64; None where an external agent has it.

    Raises:
        NodeStartError: There is no keyring yet, and the file cannot be used.
    """
    if config.mesh.rpc:
        return None
    keyring = read_keyring(data_dir / "gossip" / "keyring.json")
    return keyring[0] if keyring else load_gossip_key(config)


def check_cluster_keys(config: Config) -> Check:
    """Whether the keys that sign tokens and certify nodes can be used."""
    name, path = "keys.cluster", Path(config.tokens.cluster_keys_file)
    if not config.mesh.is_on and not path.exists():
        return ok(name, f"{path} is made at the first start")
    try:
        keys = ClusterKeys.load(path)
    except SessionSetupError as error:
        return fail(name, error.message, "copy it from another node, or: starling keygen DIR")
    return ok(name, f"{path}, {len(keys.public_keys)} of them")
