"""When to join again, and by whom: the watchdog that a split of the cluster needs, as a pure core.

Serf's own `retry_join` stops after its first success, and two halves that each live well never look for each other.
So as long as a seed is not seen alive it is joined again: not only when all are missing, for in a split the seeds of
the own half are always there. A seed given by name matches no address and is joined each interval, which costs one
exchange. A region whose nodes all failed is tried by their last addresses too, with or without seeds.
"""

from __future__ import annotations

import math
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from membership.members.snapshot import MemberState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from membership.members.snapshot import ClusterView, ViewMember

__all__ = ["SeedWatch", "have_left", "is_numeric", "missing_seeds"]

FIRST_REJOIN_S: Final = 0.5
"""First pause after a failed join; doubled up to the configured interval."""

TRIED_PER_REGION: Final = 2
"""Addresses of a region without a living node: one may be gone for good."""

MAX_TRIED: Final = 8
"""Addresses in one attempt besides the seeds: each dead one costs it up to 10 s."""


class SeedWatch:
    """Says which addresses to join now.

    Args:
        seeds: `host:port` of others; without the own address.
        interval_s: period of joining while somebody is missing.
    """

    def __init__(self, seeds: Sequence[str], *, interval_s: float) -> None:
        self._seeds = tuple(seeds)
        self._interval_s = interval_s
        self._pause_s = FIRST_REJOIN_S
        self.at = math.inf
        """When to look next; infinity while a join is under way, or there is no agent."""

    def start(self, now: float) -> tuple[str, ...]:
        """An agent that knows nobody is there; returns whom to join at once."""
        self._pause_s = FIRST_REJOIN_S
        self.at = math.inf if self._seeds else now + self._interval_s
        return self._seeds

    def stop(self) -> None:
        """There is no agent."""
        self.at = math.inf

    def tried(self, *, reached: bool, now: float) -> None:
        """A join has ended."""
        self.at = now + (self._interval_s if reached else self._pause_s)
        self._pause_s = FIRST_REJOIN_S if reached else min(self._pause_s * 2, self._interval_s)

    def look(self, view: ClusterView, now: float) -> tuple[str, ...]:
        """Say whom to join; nobody if it is not time, or nobody is missing."""
        if now < self.at:
            return ()
        missing = (*missing_seeds(self._seeds, view), *_dark_regions(view))
        self.at = math.inf if missing else now + self._interval_s
        return tuple(dict.fromkeys(missing))


def missing_seeds(seeds: Sequence[str], view: ClusterView) -> tuple[str, ...]:
    """Those of these addresses at which no other living node is seen; one given by name never matches."""
    there = {address_of(member) for member in view.alive() if member.node_id != view.own_id}
    return tuple(seed for seed in seeds if seed not in there)


def have_left(addresses: Sequence[str], view: ClusterView) -> bool:
    """Whether all of these are addresses of nodes that left in good order: then nobody answers there, as it should be.

    They are joined all the same, for such a node may come back with no seeds of its own. A seed given by name stands
    for any node that left the same port.
    """
    left = [member for member in view.members.values() if member.state is MemberState.LEFT]
    there = {address_of(member) for member in left}
    ports = {member.port for member in left}
    return bool(addresses) and all(
        address in there or (not is_numeric(address) and _port_of(address) in ports) for address in addresses
    )


def is_numeric(address: str) -> bool:
    """Whether the host of a `host:port` is an IP address and no name."""
    try:
        ip_address(address.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    return True


def _port_of(address: str) -> int:
    port = address.rpartition(":")[2]
    return int(port) if port.isascii() and port.isdigit() else 0


def address_of(member: ViewMember) -> str:
    """`host:port` of its gossip, an IPv6 address in brackets."""
    return f"[{member.address}]:{member.port}" if ":" in member.address else f"{member.address}:{member.port}"


def _dark_regions(view: ClusterView) -> tuple[str, ...]:
    lit = {member.tags.region for member in view.alive()}
    found: dict[str, list[str]] = {}
    for member in view.members.values():
        region = member.tags.region
        if member.state is MemberState.FAILED and region not in lit and len(found.get(region, ())) < TRIED_PER_REGION:
            found.setdefault(region, []).append(address_of(member))
    return tuple(address for addresses in found.values() for address in addresses)[:MAX_TRIED]
