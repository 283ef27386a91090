"""A writer of small MaxMind DB files, after the MaxMind DB file format specification, version 2.0.

It writes what the tests need: IPv4 networks or IPv6 ones, records of 24 bits, maps, texts, doubles and unsigned
integers; no pointers, no sharing.
"""

from __future__ import annotations

import ipaddress
import struct

MARKER = b"\xab\xcd\xefMaxMind.com"
SEPARATOR_BYTES = 16


def mmdb(networks: dict[str, object], *, version: int = 4) -> bytes:
    """A database that has these records for these networks."""
    bits = 32 if version == 4 else 128
    nodes: list[list[int | bytes | None]] = [[None, None]]
    for text, record in networks.items():
        network = ipaddress.ip_network(text)
        assert network.version == version
        number, at = int(network.network_address), 0
        for depth in range(network.prefixlen):
            side = number >> (bits - 1 - depth) & 1
            if depth == network.prefixlen - 1:
                nodes[at][side] = _encoded(record)
                break
            following = nodes[at][side]
            if following is None:
                nodes.append([None, None])
                following = nodes[at][side] = len(nodes) - 1
            assert isinstance(following, int), "networks do not overlap"
            at = following
    data = b""
    tree = b""
    for sides in nodes:
        for side_value in sides:
            if side_value is None:
                pointer = len(nodes)
            elif isinstance(side_value, int):
                pointer = side_value
            else:
                pointer = len(nodes) + SEPARATOR_BYTES + len(data)
                data += side_value
            tree += pointer.to_bytes(3, "big")
    metadata = {
        "node_count": len(nodes),
        "record_size": 24,
        "ip_version": version,
        "database_type": "Test-City",
        "languages": [],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1,
        "description": {},
    }
    return tree + bytes(SEPARATOR_BYTES) + data + MARKER + _encoded(metadata)


def _encoded(value: object) -> bytes:
    if isinstance(value, dict):
        return bytes([7 << 5 | len(value)]) + b"".join(_encoded(each) for pair in value.items() for each in pair)
    if isinstance(value, list):
        return bytes([len(value), 11 - 7]) + b"".join(map(_encoded, value))
    if isinstance(value, str):
        raw = value.encode()
        head = bytes([2 << 5 | len(raw)]) if len(raw) < 29 else bytes([2 << 5 | 29, len(raw) - 29])
        return head + raw
    if isinstance(value, float):
        return bytes([3 << 5 | 8]) + struct.pack(">d", value)
    assert isinstance(value, int)
    return bytes([6 << 5 | 4]) + value.to_bytes(4, "big")
