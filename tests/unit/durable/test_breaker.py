"""The breaker: two failures open it, one probe at a time, one success closes it."""

from __future__ import annotations

from durable.breaker import FAILURES_TO_OPEN, PROBE_INTERVAL_S, Breaker


def opened(now: float) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        assert breaker.may_pass(now)
        breaker.failed(now)
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker()
    for _ in range(10):
        breaker.failed(0)
        breaker.succeeded()
    assert not breaker.is_open
    assert opened(0).is_open


def test_a_call_that_nobody_waited_for_says_nothing() -> None:
    breaker = Breaker()
    for _ in range(10):
        assert breaker.may_pass(0)
        breaker.abandoned()
    assert not breaker.is_open
    breaker = opened(100)
    assert breaker.may_pass(100 + PROBE_INTERVAL_S)
    breaker.abandoned()
    assert breaker.is_open
    assert breaker.may_pass(100 + PROBE_INTERVAL_S), "the next one probes in its place"


def test_open_it_lets_one_probe_out_at_a_time() -> None:
    breaker = opened(100)
    assert not breaker.may_pass(100 + PROBE_INTERVAL_S - 0.01)
    assert breaker.may_pass(100 + PROBE_INTERVAL_S)
    assert not breaker.may_pass(200)
    breaker.failed(200)
    assert not breaker.may_pass(200)
    assert breaker.may_pass(200 + PROBE_INTERVAL_S)
    breaker.succeeded()
    assert breaker.may_pass(200)
    assert breaker.may_pass(200)
