"""Whether nodes know who is near them, and whether placement sends people to the region that is nearest."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final

import msgspec

from membership.distance.rtt_matrix import rtt_matrix
from membership.placement import ClientPlace, rank
from signalling.ids import NodeId
from tests.unit.membership.city_latencies import CITIES, REGIONS
from tests.unit.membership.places import member, view

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lab import Topology
    from node.lab.nodes import WanNodes

FAR_MS: Final = 20.0
"""Below it a pair is in one region, where the height of a coordinate outweighs the distance."""


class Neighbourhood(msgspec.Struct, frozen=True, kw_only=True):
    """What one node knows of the others.

    Attributes:
        node: Which.
        nearest: The regions by truth, the own one and the nearest other.
        estimated: The same by the node's estimates.
        placed: The same by where placement sends a client with these round trips, first as things are, then as
            if the node's region took nobody.
        estimates_ms: Round trips to the others as the node estimates them.
        errors: How wrong they are for nodes in other regions, as shares of the truth.
    """

    node: str
    nearest: tuple[str, ...]
    estimated: tuple[str, ...]
    placed: tuple[str, ...]
    estimates_ms: dict[str, float]
    errors: tuple[float, ...]


async def read_neighbourhoods(nodes: WanNodes) -> tuple[Neighbourhood, ...]:
    """Ask each node how far the others are."""
    found = []
    for name in nodes.nodes:
        estimates = {
            one.node: one.rtt_ms
            for one in (await nodes.members(name)).members
            if one.node != name and one.rtt_ms is not None
        }
        found.append(judge(nodes.wan.topology, name, tuple(nodes.nodes), estimates))
    return tuple(found)


def judge(topology: Topology, name: str, hosts: Iterable[str], estimates_ms: Mapping[str, float]) -> Neighbourhood:
    """Hold estimates against the topology."""
    regions = {host.name: host.region for host in topology.hosts}
    truth = {other: topology.conditions[name, other].rtt_ms for other in hosts if other != name}
    own = regions[name]
    away = {other: rtt_ms for other, rtt_ms in estimates_ms.items() if regions[other] != own}
    return Neighbourhood(
        node=name,
        nearest=_two_nearest(truth, regions, own),
        estimated=_two_nearest(estimates_ms, regions, own),
        placed=(*_first_placed(estimates_ms, regions), *_first_placed(away, regions)),
        estimates_ms=dict(estimates_ms),
        errors=tuple(
            abs(estimates_ms[other] - true_ms) / true_ms
            for other, true_ms in truth.items()
            if true_ms >= FAR_MS and other in estimates_ms
        ),
    )


def median_error(found: Iterable[Neighbourhood]) -> float:
    """How wrong estimates between regions are in the median, as a share of the truth."""
    return statistics.median(error for one in found for error in one.errors)


def cities_sent_astray() -> tuple[str, ...]:
    """Cities whose people are not sent to the nearest region by what they measure."""
    world = view(*map(member, REGIONS))
    matrix = rtt_matrix(world)
    astray = []
    for city, (_, rtts_ms) in CITIES.items():
        measured = {NodeId(region): float(rtt_ms) for region, rtt_ms in zip(REGIONS, rtts_ms, strict=True)}
        first = rank(world, matrix, ClientPlace(rtts_ms=measured)).candidates[0].node_id
        if measured[first] > min(measured.values()):
            astray.append(city)
    return tuple(astray)


def _two_nearest(rtts_ms: Mapping[str, float], regions: Mapping[str, str], own: str) -> tuple[str, ...]:
    """The region of the nearest node, and the nearest region that is not the own one."""
    ordered = sorted(rtts_ms, key=lambda other: rtts_ms[other])
    away = [regions[other] for other in ordered if regions[other] != own]
    return (*(regions[other] for other in ordered[:1]), *away[:1])


def _first_placed(rtts_ms: Mapping[str, float], regions: Mapping[str, str]) -> tuple[str, ...]:
    """The region that placement prefers for a client with these round trips; it sees no map."""
    if not rtts_ms:
        return ()
    nodes = view(*(member(name, region=regions[name], latitude=None, longitude=None) for name in rtts_ms))
    client = ClientPlace(rtts_ms={NodeId(name): rtt_ms for name, rtt_ms in rtts_ms.items()})
    return (rank(nodes, rtt_matrix(nodes), client).candidates[0].region,)
