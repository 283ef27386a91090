"""Tests of what only shows in real time, on a machine that other tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["judge_again", "over"]

TRIES: Final = 2
"""Each takes half a minute or more. A machine that does much beside seldom does so twice at the same moment."""


async def judge_again(judge: Callable[[int], Awaitable[Sequence[str]]]) -> None:
    """Judge once, and a second time where the first run took too long.

    Who gets no processor for a while is late without a fault; what is too slow itself is so each time. Only figures are
    judged again: what is wrong at any speed is asserted within a run, and ends the test.

    Args:
        judge: Given the number of the run, from 1, says what was over its bounds.
    """
    said = []
    for number in range(1, TRIES + 1):
        found = await judge(number)
        if not found:
            return
        said.append("; ".join(found))
    raise AssertionError(said)


def over(limit: float, **figures: float) -> list[str]:
    """Those figures that reach their limit, in words."""
    return [f"{name} {figure:g}, not below {limit:g}" for name, figure in figures.items() if not figure < limit]
