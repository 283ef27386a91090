"""What the nodes of the demo say of themselves, asked as an operator would ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.admin import LinkReport as LinkEnd
from node.admin import Links, Members, ask_node
from node.demo.report import LinkReport, NodeReport
from node.errors import NodeStartError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from node.demo.cluster import Cluster, RunningNode

GONE = "gone"
"""State of a node that does not answer."""


async def survey_nodes(cluster: Cluster) -> tuple[NodeReport, ...]:
    """Ask every node whether it is alive, by its own view of the cluster."""
    return tuple([await _survey_node(running) for running in cluster.nodes])


async def _survey_node(running: RunningNode) -> NodeReport:
    try:
        members = (await ask_node(running.data_dir, "members", Members)).members
        state = next((member.state for member in members if member.me), GONE)
    except NodeStartError:
        state = GONE
    stage = running.stage
    return NodeReport(
        node=stage.node,
        region=stage.region,
        latitude=stage.latitude,
        longitude=stage.longitude,
        state=state,
        url=running.url,
    )


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
