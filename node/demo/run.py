"""The play: cluster up, people in, a report every second, everything down again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import trio

from node.demo.cast import ATRIUM, PEOPLE, STAGES
from node.demo.cluster import open_cluster
from node.demo.people import open_crowd
from node.demo.report import make_report
from node.demo.survey import survey_links, survey_nodes, survey_rtts
from node.interruption import until_signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.demo.cluster import Cluster
    from node.demo.people import Crowd
    from node.demo.report import DemoReport

REPORT_INTERVAL_S: Final = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """The demo at one moment: what is reported, where to join, how long it still runs (None: open end)."""

    report: DemoReport
    join_url: str
    remaining_s: float | None


async def play(
    *,
    seconds: float | None,
    progress: Callable[[str], None],
    show: Callable[[Scene], None],
) -> DemoReport | None:
    """Run the demo.

    SIGINT and SIGTERM end it early and in good order.

    Args:
        seconds: How long people stay, from the moment all are in; None until a signal.
        progress: Called with a sentence for each step before that.
        show: Called every second.

    Returns:
        The last report; None when a signal came before there was one.

    Raises:
        DemoError: The cluster did not come up.
    """
    last: DemoReport | None = None
    async with until_signal(lambda: progress("stopping what was started")):
        progress("setting the stage")
        async with open_cluster(STAGES, progress=progress) as cluster:
            progress(f"ask a node: starling links --config {cluster.folder / STAGES[0].node / 'node.toml'}")
            progress("bringing the people in")
            async with open_crowd(cluster, PEOPLE) as crowd:
                url = join_url(cluster)
                began = trio.current_time()
                while True:
                    await trio.sleep(REPORT_INTERVAL_S)
                    played_s = trio.current_time() - began
                    last = await _survey(cluster, crowd, played_s)
                    remaining_s = None if seconds is None else max(0.0, seconds - played_s)
                    show(Scene(report=last, join_url=url, remaining_s=remaining_s))
                    if seconds is not None and played_s >= seconds:
                        break
            progress("stopping what was started")
    return last


def join_url(cluster: Cluster) -> str:
    """Say where a browser joins the people of the first room."""
    return f"{cluster.nodes[0].url}/?{urlencode({'room': ATRIUM})}"


async def _survey(cluster: Cluster, crowd: Crowd, played_s: float) -> DemoReport:
    nodes = await survey_nodes(cluster)
    links = await survey_links(cluster)
    rtts = await survey_rtts(cluster)
    people = await crowd.report()
    return make_report(seconds=played_s, nodes=nodes, links=links, rtts=rtts, participants=people)
