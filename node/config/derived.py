"""Settings that follow from the machine or from other settings where nothing is set."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.config.records import Config

MAX_ID_LENGTH: Final = 32

EVERY_ADDRESS: Final = ("0.0.0.0", "::")

FALLBACK_ID: Final = "node"
"""For a host name without a single letter or digit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What derived settings are made of.

    Attributes:
        host_name: As the machine calls itself.
        state_dir: Where programs keep what outlives them.
    """

    host_name: str
    state_dir: Path


def read_machine(environment: Mapping[str, str]) -> Machine:
    """Ask this machine. Systemd's ``STATE_DIRECTORY`` comes first, then the XDG base directories."""
    systemd = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    xdg = environment.get("XDG_STATE_HOME", "")
    if systemd:
        state_dir = Path(systemd)
    elif xdg.startswith("/"):
        # A relative path is to be ignored (XDG Base Directory Specification).
        state_dir = Path(xdg) / "starling"
    else:
        state_dir = Path(environment.get("HOME", "/var/lib")) / ".local" / "state" / "starling"
    return Machine(host_name=socket.gethostname(), state_dir=state_dir)


def derive(config: Config, machine: Machine) -> Config:
    """Fill in ``node.id``, ``node.data_dir`` and ``tokens.cluster_keys_file`` where they are empty.

    ``node.public_url`` waits for the bound port, see :func:`public_url`.
    """
    node_id = config.node.id or node_id_from(machine.host_name)
    data_dir = config.node.data_dir or str(machine.state_dir / node_id)
    keys_file = config.tokens.cluster_keys_file or str(Path(data_dir) / "cluster-keys.json")
    return msgspec.structs.replace(
        config,
        node=msgspec.structs.replace(config.node, id=node_id, data_dir=data_dir),
        tokens=msgspec.structs.replace(config.tokens, cluster_keys_file=keys_file),
    )


def node_id_from(host_name: str) -> str:
    """Make a host name fit for a node id: its first label, lower case, hyphens for all else."""
    label = host_name.lower().partition(".")[0]
    fit = re.sub(r"[^a-z0-9]+", "-", label).strip("-")[:MAX_ID_LENGTH].strip("-")
    return fit or FALLBACK_ID


def public_url(config: Config, port: int) -> str:
    """Give the URL under which clients reach a node that listens on ``port``, without a final slash.

    Where the listener is bound to every address, the URL says ``localhost``: right for a try-out,
    and a reason to set ``node.public_url`` for anything else.
    """
    if config.node.public_url:
        return config.node.public_url.rstrip("/")
    scheme = "https" if config.http.tls_cert else "http"
    address = config.http.address
    if address in EVERY_ADDRESS:
        host = "localhost"
    elif ":" in address:
        host = f"[{address}]"
    else:
        host = address
    return f"{scheme}://{host}:{port}"
