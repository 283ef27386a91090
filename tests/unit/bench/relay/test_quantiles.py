"""Quantiles of lists and of what histograms counted."""

from __future__ import annotations

import pytest

from tests.bench.relay.quantiles import between, quantile


def test_the_nearest_rank_is_taken_in_any_order() -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert quantile(list(map(float, range(1, 101))), 0.99) == 99.0
    assert quantile([7.0], 0.0) == 7.0
    assert quantile([7.0, 8.0], 1.0) == 8.0


def test_nothing_has_no_quantile() -> None:
    with pytest.raises(ValueError, match="nothing"):
        quantile([], 0.5)


def test_only_what_came_between_two_readings_counts() -> None:
    before = ((10, 2), (20, 5))
    after = ((10, 2), (20, 7), (30, 1))
    assert between(before, after) == [20.0, 20.0, 30.0]
    assert between((), before) == [10.0] * 2 + [20.0] * 5
    assert between(after, after) == []
