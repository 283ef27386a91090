"""Whose request it is, when proxies stand between.

The address is used to bound how fast one client opens sessions and to spread clients over equal
nodes. It is never logged and never leaves the process.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

PROXY_HEADERS: Final = ("X-Forwarded-For", "Forwarded")
"""Where proxies write down whom they speak for."""

MAX_HOPS: Final = 16
"""Addresses that are looked at; more proxies in a row are a loop."""

_FORWARDED_FOR: Final = re.compile(r'(?:^|;)\s*for\s*=\s*"?(\[[^\]]*\]|[^";,\s]*)', re.IGNORECASE)


class TrustedProxies:
    """Finds the client behind the proxies that are trusted.

    Args:
        networks: Addresses and networks of the proxies, as configured.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in networks)

    def client(self, peer: str, headers: Mapping[str, str]) -> str:
        """Give the client's address: the nearest one that is not a trusted proxy.

        Headers count only when the peer is a trusted proxy. When both ``Forwarded`` (RFC 7239) and
        ``X-Forwarded-For`` are there, one of them may be the client's own invention: then neither
        counts.
        """
        if not self._is_trusted(peer):
            return peer
        listed, standard = (headers.get(name) for name in PROXY_HEADERS)
        if (listed is None) == (standard is None):
            return peer
        hops = _split(listed) if listed is not None else _split_forwarded(standard or "")
        client = peer
        for hop in reversed(hops[-MAX_HOPS:]):
            address = _parse(hop)
            if address is None:
                return client
            client = str(address)
            if not self._is_trusted(client):
                return client
        return client

    def _is_trusted(self, text: str) -> bool:
        address = _parse(text)
        return address is not None and any(address in network for network in self._networks)


def limit_key(address: str) -> str:
    """Give what one client cannot easily vary: an IPv4 address, or the /64 that a subscriber gets."""
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return address


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]


def _split_forwarded(value: str) -> list[str]:
    found = (_FORWARDED_FOR.search(part) for part in value.split(","))
    return [match.group(1) if match else "" for match in found]


def _parse(text: str) -> Address | None:
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
