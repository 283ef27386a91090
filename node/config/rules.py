"""What must hold for settings beyond the type of each: addresses, files and pairs of keys."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from node.config.errors import ConfigError
from node.config.records import Config, MeshConfig
from node.config.sources import Key, dotted

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PORT = 65_535

_OF_OWN_AGENTS = ("gossip_key_file", "address", "port", "advertise", "serf", "start_deadline_s")
"""Settings of ``[mesh]`` that an external agent has for itself."""


def check_rules(config: Config, origins: Mapping[Key, str]) -> None:
    """Check all rules; ``origins`` says where each key that was set came from.

    Raises:
        ConfigError: The first rule that is broken.
    """
    _Rules(config, origins).check()


class _Rules:
    def __init__(self, config: Config, origins: Mapping[Key, str]) -> None:
        self._config = config
        self._origins = origins

    def check(self) -> None:
        self._check_node()
        self._check_http()
        self._check_media()
        self._check_mesh()
        self._check_store()

    def _check_node(self) -> None:
        node = self._config.node
        if (node.latitude is None) != (node.longitude is None):
            given = "latitude" if node.longitude is None else "longitude"
            self._refuse(("node", given), "latitude and longitude come together: set the other one too")
        if node.public_url:
            self._check_url(("node", "public_url"), node.public_url)
            if urlsplit(node.public_url).path.strip("/"):
                self._refuse(("node", "public_url"), f"{node.public_url!r} must end after the host and port")

    def _check_http(self) -> None:
        http = self._config.http
        self._check_ip(("http", "address"), http.address)
        if bool(http.tls_cert) != bool(http.tls_key):
            given, missing = ("tls_cert", "tls_key") if http.tls_cert else ("tls_key", "tls_cert")
            self._refuse(("http", given), f"a certificate needs its key: set http.{missing} too")
        for network in http.trusted_proxies:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                self._refuse(("http", "trusted_proxies"), f"{network!r} is not an IP address or network (10.0.0.0/8)")
        for origin in http.allowed_origins:
            self._check_url(("http", "allowed_origins"), origin)
            if urlsplit(origin).path:
                self._refuse(("http", "allowed_origins"), f"{origin!r} must end after the host and port")

    def _check_media(self) -> None:
        media = self._config.media
        self._check_ip(("media", "address"), media.address)
        if media.port + max(media.workers, 1) - 1 > MAX_PORT:
            why = f"{media.workers} workers take as many ports from {media.port} on: choose a lower port, or 0"
            self._refuse(("media", "port"), why)
        for address in media.advertised:
            self._check_ip(("media", "advertised"), address)
        for server in media.stun_servers:
            self._check_host_port(("media", "stun_servers"), server, "stun.example.org:3478")

    def _check_mesh(self) -> None:
        mesh = self._config.mesh
        self._check_ip(("mesh", "address"), mesh.address)
        if mesh.advertise:
            self._check_host_port(("mesh", "advertise"), mesh.advertise)
        for seed in mesh.seeds:
            self._check_host_port(("mesh", "seeds"), seed)
        if mesh.rpc:
            self._check_external_agent(mesh)
        if mesh.is_on:
            if not self._config.tokens.cluster_keys_file:
                self._refuse(
                    ("mesh", "rpc" if mesh.rpc else "gossip_key_file"),
                    "nodes of a mesh know each other's tokens by shared keys: set "
                    "tokens.cluster_keys_file to the same keys on every node (`starling keygen` makes them)",
                )
            return
        if mesh.seeds:
            self._refuse(
                ("mesh", "seeds"),
                "gossip without a key lets anybody in: set mesh.gossip_key_file to the same key on "
                "every node (`starling keygen` makes one)",
            )
        for key in MeshConfig.__struct_fields__:
            if ("mesh", key) in self._origins and key not in ("gossip_key_file", "rpc"):
                self._refuse(
                    ("mesh", key),
                    "the mesh is off, because mesh.gossip_key_file is not set (`starling keygen` makes a key)",
                )

    def _check_external_agent(self, mesh: MeshConfig) -> None:
        self._check_host_port(("mesh", "rpc"), mesh.rpc)
        try:
            is_near = ipaddress.ip_address(mesh.rpc.rpartition(":")[0].strip("[]")).is_loopback
        except ValueError:
            is_near = False
        if not is_near:
            self._refuse(
                ("mesh", "rpc"),
                "the RPC tells the gossip keys and goes unencrypted: give a loopback address, such as 127.0.0.1:7373",
            )
        if not mesh.rpc_token_file:
            self._refuse(
                ("mesh", "rpc"),
                "the RPC tells the gossip keys: give the agent a token (rpc_auth), and set mesh.rpc_token_file to its "
                "file",
            )
        for key in _OF_OWN_AGENTS:
            if ("mesh", key) in self._origins:
                self._refuse(("mesh", key), "this is the external agent's to say: leave it out, or leave out mesh.rpc")

    def _check_store(self) -> None:
        store = self._config.store
        mesh = self._config.mesh
        if mesh.is_on and store.kind == "memory":
            # The first node of a mesh has no seeds; those that come to it would look elsewhere for its seats.
            of_mesh = ("mesh", "seeds" if mesh.seeds else "rpc" if mesh.rpc else "gossip_key_file")
            self._refuse(
                ("store", "kind") if ("store", "kind") in self._origins else of_mesh,
                'several nodes need a store that they share: set store.kind = "redis" and store.url',
            )
        if urlsplit(store.url).scheme not in ("redis", "rediss", "unix"):
            # The value is not repeated: it may hold a password.
            self._refuse(("store", "url"), "it must start with redis://, rediss:// or unix://")

    def _check_ip(self, key: Key, text: str) -> None:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            self._refuse(key, f"{text!r} is not an IP address (127.0.0.1, 0.0.0.0, ::)")

    def _check_host_port(self, key: Key, text: str, example: str = "192.0.2.1:7946") -> None:
        host, separator, port = text.rpartition(":")
        if not separator or not host or not port.isdecimal() or not 0 < int(port) <= MAX_PORT:
            self._refuse(key, f"{text!r} is not host:port ({example})")

    def _check_url(self, key: Key, text: str) -> None:
        try:
            url = urlsplit(text)
            good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        except ValueError:
            good = False
        if not good:
            self._refuse(key, f"{text!r} is not a URL (https://eu.example.org)")

    def _refuse(self, key: Key, why: str) -> None:
        raise ConfigError(f"{dotted(key)} from {self._origins.get(key, 'its default')}: {why}")
