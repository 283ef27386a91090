"""The report for a terminal: metrics down, scenarios across, one sentence under each other."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from lab.report.caveats import caveats
from lab.report.measures import METRICS
from lab.report.sentences import answer, best, figure, headline, method_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.report.statistics import Comparison, Summary

__all__ = ["render_table"]

WIDTH: Final = 100
"""Of the sentences below; a table with many scenarios may be wider."""

MARK: Final = "*"


def render_table(summaries: Sequence[Summary], comparisons: Sequence[Comparison], title: str) -> str:
    """Text without colours, so that it reads the same in a log.

    Args:
        summaries: Of every scenario, in order.
        comparisons: Between them.
        title: A line above.
    """
    rows = [["", "", *(each.scenario for each in summaries)]]
    for metric in METRICS:
        leaders = best(metric, summaries, comparisons)
        cells = [
            f"{figure(metric, each.metrics[metric.key])} {MARK if each.scenario in leaders else ' '}"
            for each in summaries
        ]
        rows.append([metric.title, metric.unit, *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "  ".join("─" * width for width in widths))
    said = headline(summaries, comparisons)
    parts = [
        title,
        "",
        *lines,
        "",
        *_wrapped(f"{MARK} best, or not to be told from the best. {method_note(summaries)}"),
    ]
    parts += ["", f"{said.question} {said.verdict}.", *(line for each in said.sentences for line in _wrapped(each))]
    for caveat in caveats(summaries):
        parts += _wrapped(f"But {caveat}.")
    if len(summaries) > 1:
        parts.append("")
        for metric in METRICS:
            parts += _wrapped(f"{metric.title}: {answer(metric, summaries, comparisons)}.")
    return "\n".join(parts) + "\n"


def _line(row: list[str], widths: list[int]) -> str:
    names = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
    # The mark stands in a column of its own, so figures stay aligned; the head gets its width, too.
    cells = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
    return "  ".join([*names, *cells]).rstrip()


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
