"""What the nodes of the demo say of themselves, asked as an operator would ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.admin import Links, Members, ask_node
from node.demo.report import LinkReport, NodeReport
from node.errors import NodeStartError

if TYPE_CHECKING:
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
    """Ask every node for its links; each link is told once, by the node whose id is lower."""
    found: list[LinkReport] = []
    for running in cluster.nodes:
        try:
            links = (await ask_node(running.data_dir, "links", Links)).links
        except NodeStartError:
            continue
        found.extend(
            LinkReport(
                a=running.node,
                b=link.node,
                rtt_ms=link.rtt_ms,
                setup_ms=link.setup_ms,
                bytes=link.bytes_in + link.bytes_out,
            )
            for link in links
            if running.node < link.node
        )
    return tuple(found)
