"""Judging again forgives a run that was late once, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests.tries import judge_again, over

if TYPE_CHECKING:
    from collections.abc import Sequence


async def judged(*gaps_ms: float) -> int:
    """Judge runs that take such times, against 10; gives how many there were."""
    runs = 0

    async def judge(number: int) -> Sequence[str]:
        nonlocal runs
        runs = number
        await trio.lowlevel.checkpoint()
        return over(10, gap_ms=gaps_ms[number - 1])

    await judge_again(judge)
    return runs


async def test_a_run_within_its_bounds_is_the_only_one() -> None:
    assert await judged(9.9, 0) == 1


async def test_a_late_run_is_forgiven_where_the_second_is_in_time() -> None:
    assert await judged(10, 9.9) == 2


async def test_what_is_late_each_time_fails_with_the_figures_of_all_runs() -> None:
    with pytest.raises(AssertionError, match=r"gap_ms 11, not below 10.*gap_ms 12, not below 10"):
        await judged(11, 12, 0)


async def test_what_is_wrong_at_any_speed_is_not_tried_again() -> None:
    runs = 0

    async def judge(number: int) -> Sequence[str]:
        nonlocal runs
        runs = number
        await trio.lowlevel.checkpoint()
        raise AssertionError("a ghost")

    with pytest.raises(AssertionError, match=r"^a ghost$"):
        await judge_again(judge)
    assert runs == 1


def test_what_is_no_number_is_over() -> None:
    assert over(1, gap_ms=float("nan"))
