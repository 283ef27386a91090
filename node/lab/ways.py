"""Over which steps media went from person to person, and what nodes and network know of each."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from lab.experiment.flows import mean_delay_ms
from lab.experiment.records import Hop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lab import Topology
    from lab.emulator import PathStatistics, WanStatistics
    from lab.experiment.records import Flow
    from lab.scenarios import Scenario
    from node.lab.traffic import Traffic

__all__ = ["added_ms", "ways"]


def ways(
    scenario: Scenario,
    topology: Topology,
    traffic: Traffic,
    measured: Mapping[frozenset[str], float],
    before: WanStatistics,
    after: WanStatistics,
) -> dict[str, tuple[Hop, ...]]:
    """The ways of all people to all others.

    Args:
        scenario: Where they are.
        topology: What is emulated.
        traffic: Which way media went between nodes.
        measured: Round trips that nodes have measured, milliseconds, by the hosts of both ends.
        before: What had happened in the network before measuring.
        after: The same after it.
    """
    found: dict[str, tuple[Hop, ...]] = {}
    for sender, receiver in itertools.permutations(scenario.places, 2):
        nodes = traffic.way(scenario.places[sender], scenario.places[receiver])
        way = itertools.pairwise((sender, *nodes, receiver))
        found[f"{sender}>{receiver}"] = tuple(
            Hop(
                from_host=one,
                to_host=other,
                emulated_rtt_ms=topology.conditions[one, other].rtt_ms,
                measured_rtt_ms=measured.get(frozenset((one, other))),
                loss=_loss(one, other, before, after),
                took_ms=_took_ms(one, other, before, after),
            )
            for one, other in way
        )
    return found


def added_ms(ways: Mapping[str, Sequence[Hop]], flows: Sequence[Flow]) -> dict[str, float]:
    """What nodes and resends add to the delay of each way, beyond what its steps took; for what has media."""
    added: dict[str, float] = {}
    for name, way in ways.items():
        mean_ms = mean_delay_ms(flow for flow in flows if f"{flow.sender}>{flow.receiver}" == name)
        if mean_ms is not None:
            took_ms = sum(hop.emulated_rtt_ms / 2 if hop.took_ms is None else hop.took_ms for hop in way)
            added[name] = round(mean_ms - took_ms, 3)
    return added


def _took_ms(one: str, other: str, before: WanStatistics, after: WanStatistics) -> float | None:
    earlier, later = before.path(one, other), after.path(one, other)
    packets = later.admitted - earlier.admitted
    return round((later.took_us - earlier.took_us) / packets / 1000, 3) if packets > 0 else None


def _loss(one: str, other: str, before: WanStatistics, after: WanStatistics) -> float | None:
    earlier, later = before.path(one, other), after.path(one, other)
    sent = later.sent - earlier.sent
    if sent <= 0:
        return None
    arrived = later.delivered - earlier.delivered
    gone = _gone(later) - _gone(earlier)
    return gone / max(sent, arrived + gone)


def _gone(path: PathStatistics) -> int:
    return path.lost + path.cut + path.overflowed + path.refused
