"""The largest packet that this machine's kernel knows to fit on the way to an address."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

_MTU_OF: Final = {4: (socket.IPPROTO_IP, 14), 6: (socket.IPPROTO_IPV6, 24)}
"""IP_MTU and IPV6_MTU of Linux (ip(7), ipv6(7)), which Python does not name."""


def path_mtu(address: str) -> int | None:
    """Ask for the MTU of the route, in bytes with the IP header, or less where a router has said so before.

    Nothing is sent, so a router that drops what is too large without a word is not found out.

    Args:
        address: An IP address.

    Returns:
        None where there is no route, or this is no Linux.
    """
    try:
        version = ipaddress.ip_address(address).version
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return probe.getsockopt(*_MTU_OF[version])
    except (OSError, ValueError):
        return None
