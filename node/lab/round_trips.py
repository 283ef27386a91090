"""The round trips that nodes measure on the steps of media's way, asked as an operator would: `starling explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from node.explain import TrackStep
    from node.lab.nodes import WanNodes

__all__ = ["RoundTrips", "ask_round_trips", "round_trips"]

RoundTrips = dict[frozenset[str], float]
"""Milliseconds, by the hosts of both ends."""


async def ask_round_trips(nodes: WanNodes, host: str, people: Mapping[str, str]) -> RoundTrips:
    """What a node knows of the ways of all tracks to its people.

    Args:
        nodes: The nodes.
        host: Which of them.
        people: The host of each person, by the participant's id.

    Raises:
        OSError: The node does not run.
        trio.TooSlowError: It does not answer.
    """
    found: RoundTrips = {}
    for known in (await nodes.explained(host)).tracks:
        explained = (await nodes.explained(host, known.track)).explained
        if explained is not None:
            found |= round_trips((*explained.steps, *explained.receivers), people)
    return found


def round_trips(steps: Iterable[TrackStep], people: Mapping[str, str]) -> RoundTrips:
    """Those of steps where it is measured; nodes have the names of their hosts."""
    return {
        frozenset((people.get(step.sender, step.sender), people.get(step.receiver, step.receiver))): step.rtt_ms
        for step in steps
        if step.rtt_ms is not None
    }
