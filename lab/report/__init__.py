"""The report of an experiment: what its runs measured, side by side, in words, in figures and in pictures.

- student.py: how far a mean of few values may be off.
- measures.py: the metrics, each with its unit, and how one run gives a value for each.
- statistics.py: means with intervals over repeats, differences between scenarios paired by repeat.
- sentences.py: what may be said of these, and no more.
- caveats.py: which runs are not to be trusted, and why.
- table.py, document.py, page.py: the three forms: for a terminal, for programs, for people.
- series.py: many seconds made into lines short enough to draw.
- axes.py, charts.py, worldmap.py, land.py, sections.py, style.py, markup.py: what the page is made of.

Everything but `write_reports` is pure. A report is made of run records alone, so it can be made again at any time, and
of an experiment that is not finished.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lab.report.document import encode_document
from lab.report.page import render_page
from lab.report.statistics import compare, summarise
from lab.report.table import render_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.experiment.records import Run
    from lab.topology import Topology

__all__ = ["Reports", "write_reports"]


class Reports(msgspec.Struct, frozen=True, kw_only=True):
    """What was written.

    Attributes:
        table: text for a terminal; in no file.
        json: where the report for programs is.
        html: where the page is.
    """

    table: str
    json: Path
    html: Path


def write_reports(folder: Path, runs: Sequence[Run], topology: Topology, json_path: Path | None) -> Reports:
    """Write ``report.html`` and ``report.json`` of these runs; what was there before is replaced as a whole.

    Blocks while it works: about a second for each hundred thousand `Second` records, so run it in a thread.

    Args:
        folder: Of the experiment; made if it is not there.
        runs: In any order, of one scenario or several, at least one.
        topology: The network over which they ran.
        json_path: Where the JSON goes instead of into ``folder``.

    Raises:
        ValueError: There are no runs.
        OSError: A file cannot be written.
    """
    if not runs:
        raise ValueError("a report is made of at least one run")
    summaries = summarise(runs)
    comparisons = compare(summaries)
    json = json_path or folder / "report.json"
    html = folder / "report.html"
    _replace(json, encode_document(summaries, comparisons, topology))
    _replace(html, render_page(summaries, comparisons, topology).encode())
    title = f"{topology.name}: {topology.about}" if topology.about else topology.name
    return Reports(table=render_table(summaries, comparisons, title), json=json, html=html)


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that a reader finds the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
