"""What the figures say, in words that a reader may repeat: no more than the intervals allow.

"relay is 34 ms (31-37) faster than single-far" is said where the interval of the paired differences does not hold
zero; where it does, "no difference that these runs can show", which is not the same as "equal".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

from lab.report.measures import METRICS, Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.report.statistics import Comparison, Interval, Summary

__all__ = ["Headline", "answer", "best", "figure", "headline", "joined", "method_note"]

DECISIVE: Final = METRICS[:5]
"""What the headline goes by: picture, delay, jitter, loss and freezes."""

FAULTS: Final = frozenset({"node-kill", "partition"})
"""Scenarios in which something is broken on purpose: nobody chooses between them and a call."""

SLIGHT: Final = 0.01
"""Share of a figure below which a difference does not decide the headline: many repeats prove the smallest things."""

NO_DIFFERENCE: Final = "no difference that these runs can show"


class Headline(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to the question that the experiment puts.

    Attributes:
        question: as a person would ask it.
        verdict: a word or two.
        sentences: one for each scenario that the first is held against.
    """

    question: str
    verdict: str
    sentences: tuple[str, ...]


def joined(words: Sequence[str]) -> str:
    """Join as prose does: a, b and c."""
    return " and ".join([*([", ".join(words[:-1])] if words[:-1] else []), *words[-1:]])


def figure(metric: Metric, value: Interval, *, unit: bool = False) -> str:
    """A mean with its interval, as precise as the interval is: ``142.3 (141.1-143.5)``; a dash when there is none."""
    if value.mean is None:
        return "—"
    decimals = _decimals(metric, value)
    text = f"{value.mean * metric.scale:.{decimals}f}"
    if unit:
        text = f"{text} {metric.unit}"
    if value.low is None or value.high is None:
        return text
    return f"{text} ({_range(value.low * metric.scale, value.high * metric.scale, decimals)})"


def best(metric: Metric, summaries: Sequence[Summary], comparisons: Sequence[Comparison]) -> frozenset[str]:
    """Scenarios that are best or cannot be told from the best; none where none is shown to be worse."""
    measured = [each for each in summaries if each.metrics[metric.key].mean is not None]
    if not measured:
        return frozenset()
    leader = _leader(metric, measured)
    beaten = {_loser(each) for each in comparisons if each.metric == metric.key and each.better == leader}
    return frozenset(each.scenario for each in measured if each.scenario not in beaten) if beaten else frozenset()


def answer(metric: Metric, summaries: Sequence[Summary], comparisons: Sequence[Comparison]) -> str:
    """One sentence: which scenario does best in this metric, by how much, and what cannot be told."""
    measured = [each for each in summaries if each.metrics[metric.key].mean is not None]
    if not measured:
        return "not measured"
    if len(measured) == 1:
        return f"{measured[0].scenario}: {figure(metric, measured[0].metrics[metric.key], unit=True)}"
    leader = _leader(metric, measured)
    against = [each for each in comparisons if each.metric == metric.key and leader in (each.a, each.b)]
    won = [each for each in against if each.better == leader]
    untold = [_loser(each, leader) for each in against if each.better is None and each.difference.low is not None]
    alone = [_loser(each, leader) for each in against if each.difference.low is None and each.difference.n > 0]
    if not won:
        return NO_DIFFERENCE if untold else "takes two repeats to be compared"
    parts = [f"{_amount(metric, each.difference)} {metric.advantage} {_loser(each)}" for each in won]
    sentence = f"{leader} {metric.verb} {joined(parts)}"
    if untold:
        sentence += f"; against {joined(untold)}, {NO_DIFFERENCE}"
    return sentence + (f"; too few repeats to compare with {joined(alone)}" if alone else "")


def headline(summaries: Sequence[Summary], comparisons: Sequence[Comparison]) -> Headline:
    """Is the relay (or whatever ran first, if it did not run) better than each of the others?"""
    names = [each.scenario for each in summaries]
    subject = "relay" if "relay" in names else names[0]
    others = [name for name in names if name != subject]
    others = [name for name in others if name not in FAULTS] or others
    if not others:
        return Headline(question=f"How good is a call by {subject}?", verdict="Measured", sentences=())
    sentences: list[str] = []
    wins, losses = set[str](), set[str]()
    for other in others:
        by_key = {each.metric: each for each in comparisons if {each.a, each.b} == {subject, other}}
        slight = {metric.key for metric in DECISIVE if _slight(by_key[metric.key], metric, summaries)}
        better = [metric for metric in DECISIVE if by_key[metric.key].better == subject]
        worse = [metric for metric in DECISIVE if by_key[metric.key].better == other]
        wins |= {other} if any(metric.key not in slight for metric in better) else set()
        losses |= {other} if any(metric.key not in slight for metric in worse) else set()
        sentences.append(_against(subject, other, better, worse, by_key, slight))
    return Headline(
        question=f"Is a call better by {subject} than by {joined(others).replace(' and ', ' or ')}?",
        verdict=_verdict(set(others), wins, losses),
        sentences=tuple(sentences),
    )


def method_note(summaries: Sequence[Summary]) -> str:
    """What the intervals of these scenarios are over, in a sentence."""
    alone = [each.scenario for each in summaries if len(each.runs) == 1]
    repeats = {each.scenario: len(each.runs) for each in summaries if len(each.runs) > 1}
    parts: list[str] = []
    if repeats and not alone and len(set(repeats.values())) == 1:
        parts.append(f"95 % intervals (Student's t) over {max(repeats.values())} repeats of each scenario")
    elif repeats:
        counted = joined([f"{count} repeats of {name}" for name, count in repeats.items()])
        parts.append(f"95 % intervals (Student's t) over {counted}")
    if alone:
        parts.append(
            f"{joined(alone)} ran once: 95 % intervals over ten blocks of time within the run, which tell how "
            "steady it was, not how another run would fall"
        )
    return "; ".join(parts) + "."


def _against(
    subject: str,
    other: str,
    better: list[Metric],
    worse: list[Metric],
    by_key: dict[str, Comparison],
    slight: set[str],
) -> str:
    said: list[str] = []
    for how, some in (("better", better), ("worse", worse)):
        for small in (False, True):
            chosen = [each for each in some if (each.key in slight) is small]
            words = [f"{each.title.lower()} by {_amount(each, by_key[each.key].difference)}" for each in chosen]
            if words:
                said.append(f"{f'{how} by less than 1 %' if small else how} in {joined(words)}")
    rest = [each.title.lower() for each in DECISIVE if each not in better and each not in worse]
    if not said:
        return f"Against {other}, {NO_DIFFERENCE}."
    if rest:
        said.append(f"in {joined(rest)} {NO_DIFFERENCE}")
    return f"Against {other}, {subject} is {'; '.join(said)}."


def _slight(comparison: Comparison, metric: Metric, summaries: Sequence[Summary]) -> bool:
    """Whether a difference is below `SLIGHT` of what is compared: proven, perhaps, but nothing to move for."""
    means = [
        each.metrics[metric.key].mean or 0.0 for each in summaries if each.scenario in (comparison.a, comparison.b)
    ]
    return abs(comparison.difference.mean or 0.0) < SLIGHT * max(map(abs, means))


def _verdict(others: set[str], wins: set[str], losses: set[str]) -> str:
    if not wins and not losses:
        return "These runs cannot tell"
    if not losses:
        return "Yes" if wins == others else "In part"
    if not wins:
        return "No"
    return "It depends"


def _leader(metric: Metric, measured: Sequence[Summary]) -> str:
    sign = -1 if metric.more_is_better else 1
    return min(measured, key=lambda each: sign * (each.metrics[metric.key].mean or 0.0)).scenario


def _loser(comparison: Comparison, winner: str | None = None) -> str:
    return comparison.b if comparison.a == (winner or comparison.better) else comparison.a


def _amount(metric: Metric, difference: Interval) -> str:
    """A difference without its sign: ``34 ms (31-37)``."""
    assert difference.mean is not None, "who is better has a difference"
    assert difference.low is not None, "and an interval"
    assert difference.high is not None, "and an interval"
    low, high = sorted((abs(difference.low * metric.scale), abs(difference.high * metric.scale)))
    decimals = _decimals(metric, difference)
    unit = metric.step or metric.unit
    return f"{abs(difference.mean * metric.scale):.{decimals}f} {unit} ({_range(low, high, decimals)})"


def _decimals(metric: Metric, value: Interval) -> int:
    """So many that the reach of the interval has two digits that count."""
    if value.low is None or value.high is None or value.high <= value.low:
        return metric.decimals
    reach = (value.high - value.low) * metric.scale / 2
    return min(max(1 - math.floor(math.log10(reach)), 0), metric.decimals + 1)


def _range(low: float, high: float, decimals: int) -> str:
    between = "\u2013" if low >= 0 else " to "
    return f"{low:.{decimals}f}{between}{high:.{decimals}f}"
