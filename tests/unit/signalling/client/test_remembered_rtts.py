"""What was measured is not measured again while it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from signalling.client.choosing import choose_nodes
from signalling.client.remembered_rtts import HOLDS_S, MAX_FIGURES, SILENCE_HOLDS_S, RememberedRtts
from tests.unit.signalling.client.test_choosing import ROOM, Figures, a_door, named

if TYPE_CHECKING:
    from collections.abc import Sequence


class Clock:
    """Says how late it is."""

    def __init__(self) -> None:
        self.at_s = 1000.0

    def __call__(self) -> float:
        return self.at_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def figures() -> Figures:
    return Figures(a=20.0, b=30.0, dead=None)


@pytest.fixture
def remembered(figures: Figures, clock: Clock) -> RememberedRtts:
    return RememberedRtts(figures.probe, clock)


async def test_a_figure_holds_ten_minutes_and_silence_half_a_minute(
    remembered: RememberedRtts, figures: Figures, clock: Clock
) -> None:
    assert await remembered(["a", "dead"]) == (20.0, None)
    assert await remembered(["dead", "b", "a"]) == (None, 30.0, 20.0)
    assert figures.probed == ["a", "dead", "b"]
    clock.at_s += SILENCE_HOLDS_S
    await remembered(["a", "dead"])
    assert figures.probed == ["a", "dead", "b", "dead"]
    clock.at_s += HOLDS_S - SILENCE_HOLDS_S
    figures.ms["a"] = 25.0
    assert await remembered(["a"]) == (25.0,)


async def test_on_another_network_and_of_a_node_that_lets_nobody_in_it_is_measured_anew(
    remembered: RememberedRtts, figures: Figures
) -> None:
    await remembered(["a", "b"])
    figures.ms |= {"a": 1.0, "b": 2.0}
    remembered.doubt("a")
    assert await remembered(["a", "b"]) == (1.0, 30.0)
    assert await remembered.anew(["a"]) == (1.0,)
    assert await remembered(["b"]) == (2.0,)


async def test_the_memory_is_bounded(clock: Clock) -> None:
    asked: list[str] = []

    async def measure(urls: Sequence[str]) -> Sequence[float | None]:
        await trio.lowlevel.checkpoint()
        asked.extend(urls)
        return [1.0] * len(urls)

    remembered = RememberedRtts(measure, clock)
    names = [f"n{number}" for number in range(MAX_FIGURES + 1)]
    await remembered(names)
    await remembered(names[1:])
    assert asked == names
    await remembered(names[:1])
    assert asked[-1] == "n0"


async def test_who_measures_in_vain_learns_nothing(clock: Clock) -> None:
    async def measure(urls: Sequence[str]) -> Sequence[float | None]:
        await trio.sleep_forever()

    remembered = RememberedRtts(measure, clock)
    with trio.CancelScope() as scope:
        scope.cancel()
        await remembered(["a"])
    assert scope.cancelled_caught
    assert not remembered._figures


async def test_the_second_room_of_a_program_waits_for_no_measurement() -> None:
    figures = Figures(a=90, b=20)
    remembered = RememberedRtts(figures.probe)
    async with a_door(lambda _: (200, named("a", "b"))) as (url, _):
        first = await choose_nodes([url], ROOM, probe=remembered)
        second = await choose_nodes([url], ROOM, probe=remembered)
    assert [one.node for one in first] == ["b", "a"]
    assert second == first
    assert figures.probed == ["a", "b"]
