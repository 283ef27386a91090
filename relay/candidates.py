"""The ICE candidates in an offer: short text on the wire, `aioice.Candidate` in the mind.

The wire keeps what a link cannot derive: kind, address and port. Foundation and priority follow
from these (RFC 8445, 5.1.2), the component is always 1 and the transport always UDP.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from aioice.candidate import Candidate, candidate_foundation, candidate_priority

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_CANDIDATES: Final = 8
"""Two address families on four interfaces; more would not fit an event beside its signature."""

_KINDS: Final = ("host", "srflx")


def unpack(text: str) -> Candidate | None:
    """Read `<kind> <address> <port>`; None when it is not that, or an address no packet can be sent to."""
    parts = text.split(" ")
    if len(parts) != 3 or parts[0] not in _KINDS:
        return None
    kind, host, port_text = parts
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if not (port_text.isascii() and port_text.isdigit()) or not 1 <= int(port_text[:6]) <= 65535:
        return None
    if address.is_unspecified or address.is_multicast:
        return None
    return Candidate(
        foundation=candidate_foundation(kind, "udp", str(address)),
        component=1,
        transport="udp",
        priority=candidate_priority(1, kind),
        host=str(address),
        port=int(port_text),
        type=kind,
    )


def pack(candidate: Candidate) -> str:
    """Write a candidate as the wire has it."""
    return f"{candidate.type} {candidate.host} {candidate.port}"


def usable(texts: Iterable[str]) -> tuple[str, ...]:
    """The candidates among the texts that can be used, each once, in their order, no more than the limit."""
    candidates = (unpack(text) for text in texts)
    packed = (pack(candidate) for candidate in candidates if candidate is not None)
    return tuple(dict.fromkeys(packed))[:MAX_CANDIDATES]


def can_meet(ours: Iterable[str], theirs: Iterable[str]) -> bool:
    """Whether any pair of candidates shares an address family, without which no check can succeed."""
    far = [candidate for text in theirs if (candidate := unpack(text)) is not None]
    near = [candidate for text in ours if (candidate := unpack(text)) is not None]
    return any(one.can_pair_with(other) for one in near for other in far)
