"""A node's home in the demo: its keys and its settings, as an operator would write them."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.demo.ports import LOOPBACK
from node.private_files import write_private
from session import ClusterKeys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from node.demo.cast import Stage

CLUSTER: Final = "starling-demo"

GOSSIP_KEY_BYTES: Final = 32
"""AES-256, the strongest that Serf takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedSecrets:
    """What all nodes of a cluster hold: the gossip key in base64, and the keys that sign tokens."""

    gossip_key: str
    cluster_keys: ClusterKeys

    @classmethod
    def generate(cls) -> SharedSecrets:
        """Draw new ones."""
        gossip_key = base64.b64encode(secrets.token_bytes(GOSSIP_KEY_BYTES)).decode()
        return cls(gossip_key=gossip_key, cluster_keys=ClusterKeys.generate())


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """Where a node listens on loopback."""

    http: int
    gossip: int

    @property
    def url(self) -> str:
        """Where clients reach the node."""
        return f"http://{LOOPBACK}:{self.http}"


def write_home(
    home: Path,
    stage: Stage,
    *,
    ports: Ports,
    seeds: Sequence[Ports],
    shared: SharedSecrets,
    redis_socket: Path,
    settings: Mapping[str, Mapping[str, object]],
) -> Path:
    """Make a node's home and write its keys and its configuration.

    Args:
        home: The folder to make, for its owner alone.
        stage: The node and its place.
        ports: Where it listens.
        seeds: Where the nodes of the cluster listen.
        shared: The cluster's secrets.
        redis_socket: Where Redis listens.
        settings: More settings, by section and key, over the demo's own.

    Returns:
        The path of the configuration file.
    """
    home.mkdir(mode=0o700)
    gossip_key_file, cluster_keys_file = home / "gossip.key", home / "cluster-keys.json"
    write_private(gossip_key_file, f"{shared.gossip_key}\n".encode())
    shared.cluster_keys.save(cluster_keys_file)
    config: dict[str, dict[str, object]] = {
        "node": {
            "id": stage.node,
            "region": stage.region,
            "latitude": stage.latitude,
            "longitude": stage.longitude,
            "cluster": CLUSTER,
            "public_url": ports.url,
            "data_dir": str(home / "data"),
            # They are stopped together: nobody is left to send people to.
            "drain_deadline_s": 1.0,
        },
        "http": {"address": LOOPBACK, "port": ports.http},
        "media": {"address": LOOPBACK},
        "mesh": {
            "gossip_key_file": str(gossip_key_file),
            "port": ports.gossip,
            "seeds": [f"{LOOPBACK}:{seed.gossip}" for seed in seeds],
            # The demo shows what a first shared room costs, so no link is there before it.
            "warm_links": 0,
        },
        "store": {"kind": "redis", "url": f"unix://{redis_socket}"},
        "tokens": {"cluster_keys_file": str(cluster_keys_file)},
    }
    for section, keys in settings.items():
        config.setdefault(section, {}).update(keys)
    path = home / "node.toml"
    path.write_text(_toml(config))
    return path


def _toml(config: Mapping[str, Mapping[str, object]]) -> str:
    """Write sections of plain values; JSON's strings, numbers, booleans and lists are TOML's too."""
    lines: list[str] = []
    for section, keys in config.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        lines.append("")
    return "\n".join(lines)
