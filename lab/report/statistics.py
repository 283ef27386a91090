"""From runs to what may be said of them: means with intervals, and differences between scenarios.

**The unit is the repeat.** A run gives one value per metric, however many packets are in it: packets of one run share
its network, its machine and its minute, so counting them as independent would make every difference look proven. The
interval is Student's, over repeats: mean ± t(0.975, n - 1) · s / √n (any textbook; Student, "The probable error of a
mean", Biometrika 6, 1908).

**One repeat alone** is cut into ten blocks of time, and the interval is over the means of the blocks (batch means;
B. Schmeiser, "Batch size effects in the analysis of simulation output", Operations Research 30, 1982: ten to thirty
batches lose little against more). It tells how steady the run was, not how another one would fall; the report says so.
Metrics that are not measured by the second have no interval then.

**Differences are paired by repeat**: scenarios are interleaved, so the first repeats of two scenarios met the same
hour of the machine. The difference is taken within each pair, and the interval is over the differences. A scenario is
better when that interval does not hold zero. Each comparison stands alone: of twenty between equal scenarios about one
is expected to look different by chance.

Where a metric has bounds (a share of packets lies between 0 and 1) its interval ends there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from lab.experiment.records import Run
from lab.report.measures import METRICS, Metric, measure_block, measure_run
from lab.report.student import t_quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


__all__ = ["BLOCKS", "CONFIDENCE", "Comparison", "Interval", "Method", "Summary", "compare", "interval", "summarise"]

CONFIDENCE: Final = 0.95
"""Share of such intervals that hold the true mean."""

BLOCKS: Final = 10
"""Of time, in a run that is alone; the least that Schmeiser (1982) advises."""

Method: TypeAlias = Literal["repeats", "blocks", "none"]
"""What the interval is over; "none" when there is but one value."""


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A mean and where the true one lies with a confidence of `CONFIDENCE`.

    Attributes:
        mean: None when nothing was measured.
        low: lower end; None when there are fewer than two values.
        high: upper end; None too.
        n: how many values (repeats or blocks) it is over.
        method: what these are.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    method: Method


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a scenario's runs say together.

    Attributes:
        scenario: its name.
        runs: of it, by repeat.
        metrics: by key, in the order of the table.
        values: of each run, in the order of ``runs``, by key.
    """

    scenario: str
    runs: tuple[Run, ...]
    metrics: dict[str, Interval]
    values: dict[str, tuple[float | None, ...]]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario against another in one metric.

    Attributes:
        a: the one.
        b: the other.
        metric: its key.
        difference: a less b.
        better: the name of the better one; None when these runs show no difference.
    """

    a: str
    b: str
    metric: str
    difference: Interval
    better: str | None


def interval(values: Iterable[float | None], method: Method, metric: Metric | None = None) -> Interval:
    """Mean and interval of values that stand for themselves.

    Args:
        values: None and what is not finite are left out.
        method: What they are, for the reader.
        metric: Whose bounds hold, if any.
    """
    some = [value for value in values if value is not None and math.isfinite(value)]
    if not some:
        return Interval(mean=None, low=None, high=None, n=0, method="none")
    mean = math.fsum(some) / len(some)
    if len(some) == 1:
        return Interval(mean=mean, low=None, high=None, n=1, method="none")
    variance = math.fsum((value - mean) ** 2 for value in some) / (len(some) - 1)
    reach = t_quantile(CONFIDENCE, len(some) - 1) * math.sqrt(variance / len(some))
    low, high = _bounded(mean, reach, metric)
    return Interval(mean=mean, low=low, high=high, n=len(some), method=method)


def summarise(runs: Sequence[Run]) -> tuple[Summary, ...]:
    """Every scenario, in the order in which they first ran; the order of ``runs`` does not matter.

    Metrics are those of `METRICS`, each with its interval over repeats, or over blocks of time in the only one.
    """
    scenarios: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.repeat, run.started, run.scenario)):
        scenarios.setdefault(run.scenario, []).append(run)
    return tuple(_summary(name, some) for name, some in scenarios.items())


def compare(summaries: Sequence[Summary]) -> tuple[Comparison, ...]:
    """Every two scenarios in every metric, paired by repeat, or by block of time where one repeat is all they share."""
    return tuple(
        comparison
        for place, one in enumerate(summaries)
        for other in summaries[place + 1 :]
        for comparison in _pair(one, other)
    )


def _summary(scenario: str, runs: list[Run]) -> Summary:
    measured = [measure_run(run) for run in runs]
    values = {metric.key: tuple(each[metric.key] for each in measured) for metric in METRICS}
    metrics = {metric.key: interval(values[metric.key], "repeats", metric) for metric in METRICS}
    if len(runs) == 1:
        blocks = _blocks(runs[0])
        metrics = {metric.key: _over_blocks(metrics[metric.key], blocks, metric) for metric in METRICS}
    return Summary(scenario=scenario, runs=tuple(runs), metrics=metrics, values=values)


def _blocks(run: Run) -> list[dict[str, float | None]]:
    length_s = run.duration_s / BLOCKS
    return [measure_block(run, place * length_s, (place + 1) * length_s) for place in range(BLOCKS)]


def _over_blocks(whole: Interval, blocks: list[dict[str, float | None]], metric: Metric) -> Interval:
    """The mean of the whole run, with the reach that the means of its blocks have."""
    over = interval((block.get(metric.key) for block in blocks), "blocks")
    if whole.mean is None or over.mean is None or over.high is None:
        return whole
    low, high = _bounded(whole.mean, over.high - over.mean, metric)
    return Interval(mean=whole.mean, low=low, high=high, n=over.n, method="blocks")


def _pair(one: Summary, other: Summary) -> Iterator[Comparison]:
    mine, theirs = ({run.repeat: place for place, run in enumerate(each.runs)} for each in (one, other))
    shared = [repeat for repeat in mine if repeat in theirs]
    blocks: list[tuple[dict[str, float | None], dict[str, float | None]]] = []
    if len(shared) == 1:
        halves = (_blocks(each.runs[places[shared[0]]]) for each, places in ((one, mine), (other, theirs)))
        blocks = list(zip(*halves, strict=True))
    for metric in METRICS:
        key = metric.key
        pairs = ((one.values[key][mine[repeat]], other.values[key][theirs[repeat]]) for repeat in shared)
        difference = interval(_differences(pairs), "repeats")
        over = interval(_differences((a.get(key), b.get(key)) for a, b in blocks), "blocks")
        difference = over if over.n > 1 else difference
        better = _better(one.scenario, other.scenario, difference, metric)
        yield Comparison(a=one.scenario, b=other.scenario, metric=key, difference=difference, better=better)


def _differences(pairs: Iterable[tuple[float | None, float | None]]) -> list[float]:
    return [one - other for one, other in pairs if one is not None and other is not None]


def _better(one: str, other: str, difference: Interval, metric: Metric) -> str | None:
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return None
    return one if (difference.low > 0) is metric.more_is_better else other


def _bounded(mean: float, reach: float, metric: Metric | None) -> tuple[float, float]:
    low, high = mean - reach, mean + reach
    if metric is not None and not metric.may_be_negative:
        low = min(max(low, 0.0), mean)
    if metric is not None and metric.most is not None:
        high = max(min(high, metric.most), mean)
    return low, high
