"""What the nodes of the demo say of themselves, asked as an operator would ask."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from node.admin import LinkReport as LinkEnd
from node.admin import Links, MemberReport, Members, RttPair, Rtts, ask_node
from node.demo.report import LinkReport, NodeReport
from node.errors import NodeStartError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from node.demo.cluster import Cluster, RunningNode

GONE = "gone"
"""State of a node that does not answer."""


async def survey_nodes(cluster: Cluster) -> tuple[NodeReport, ...]:
    """Ask every node where and how it is; of one that does not answer the others tell where it stood."""
    views = [await _members_of(running) for running in cluster.nodes]
    return tuple(_node_report(running, view, views) for running, view in zip(cluster.nodes, views, strict=True))


async def _members_of(running: RunningNode) -> tuple[MemberReport, ...]:
    try:
        return (await ask_node(running.data_dir, "members", Members)).members
    except NodeStartError:
        return ()


def _node_report(
    running: RunningNode, view: Sequence[MemberReport], views: Iterable[Sequence[MemberReport]]
) -> NodeReport:
    me = next((member for member in view if member.me), None)
    known = me or next((member for other in views for member in other if member.node == running.node), None)
    return NodeReport(
        node=running.node,
        region=known.region if known else "",
        latitude=known.latitude if known else None,
        longitude=known.longitude if known else None,
        state=me.state if me else GONE,
        url=running.url,
    )


async def survey_rtts(cluster: Cluster) -> tuple[RttPair, ...]:
    """Ask every node how far all are from each other; of each pair the answer counts that is trusted most."""
    answers: list[RttPair] = []
    for running in cluster.nodes:
        with suppress(NodeStartError):
            answers += (await ask_node(running.data_dir, "rtt", Rtts)).pairs
    return best_pairs(answers)


def best_pairs(answers: Iterable[RttPair]) -> tuple[RttPair, ...]:
    """Keep one answer a pair: whose link measures it knows it best."""
    best: dict[tuple[str, str], RttPair] = {}
    for pair in answers:
        first, second = sorted((pair.a, pair.b))
        known = best.get((first, second))
        if known is None or pair.confidence > known.confidence:
            best[first, second] = pair
    return tuple(best[ends] for ends in sorted(best))


async def survey_links(cluster: Cluster) -> tuple[LinkReport, ...]:
    """Ask every node for its links, and put both ends of each together.

    Set-up counts from the end that wanted the link first, so it is the longer one of both.
    """
    ends: dict[tuple[str, str], list[LinkEnd]] = {}
    for running in cluster.nodes:
        try:
            links = (await ask_node(running.data_dir, "links", Links)).links
        except NodeStartError:
            continue
        for link in links:
            first, second = sorted((running.node, link.node))
            ends.setdefault((first, second), []).append(link)
    return tuple(_join_ends(a, b, both) for (a, b), both in sorted(ends.items()))


def _join_ends(a: str, b: str, ends: Sequence[LinkEnd]) -> LinkReport:
    return LinkReport(
        a=a,
        b=b,
        rtt_ms=_greatest(end.rtt_ms for end in ends),
        setup_ms=_greatest(end.setup_ms for end in ends),
        bytes=max(end.bytes_in + end.bytes_out for end in ends),
    )


def _greatest(figures: Iterable[float | None]) -> float | None:
    return max((round(figure, 3) for figure in figures if figure is not None), default=None)
