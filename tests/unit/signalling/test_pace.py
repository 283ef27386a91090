"""The token bucket."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from signalling.pace import TokenBucket


def test_lets_a_burst_through_and_then_the_rate() -> None:
    bucket = TokenBucket(rate_per_s=2.0, burst=3, now=10.0)
    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(10.4)
    assert bucket.take(10.5)
    assert not bucket.take(10.5)


def test_never_holds_more_than_the_burst() -> None:
    bucket = TokenBucket(rate_per_s=100.0, burst=2, now=0.0)
    assert [bucket.take(1000.0) for _ in range(3)] == [True, True, False]


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    bucket = TokenBucket(rate_per_s=1.0, burst=1, now=100.0)
    assert bucket.take(100.0)
    assert not bucket.take(50.0)
    assert not bucket.take(100.0)


@given(st.lists(st.floats(0.0, 5.0), max_size=200))
def test_never_lets_through_more_than_rate_and_burst_allow(pauses: list[float]) -> None:
    bucket = TokenBucket(rate_per_s=3.0, burst=5, now=0.0)
    now, through = 0.0, 0
    for pause in pauses:
        now += pause
        through += bucket.take(now)
    assert through <= 5 + 3.0 * now + 1e-6


@given(st.floats(0.1, 100.0), st.integers(1, 20), st.floats(0.0, 3.0))
def test_a_token_is_there_when_it_was_said_to_be(rate_per_s: float, burst: int, later: float) -> None:
    bucket = TokenBucket(rate_per_s=rate_per_s, burst=burst, now=0.0)
    while bucket.take(later):
        pass
    wait_s = bucket.wait_s(later)
    assert 0.0 < wait_s <= 1.0 / rate_per_s
    assert not bucket.take(later + wait_s * 0.9)
    assert bucket.take(later + wait_s * 1.001 + 1e-6)
    assert TokenBucket(rate_per_s=rate_per_s, burst=burst, now=0.0).wait_s(later) == 0.0
