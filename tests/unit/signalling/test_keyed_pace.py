from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from signalling.keyed_pace import KeyedPace

STEPS = st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 3)), max_size=60)


@given(STEPS)
def test_an_address_never_gets_more_than_its_rate(steps: list[tuple[str, float]]) -> None:
    pace = KeyedPace(rate_per_s=1.0, burst=2)
    now, passed = 0.0, dict.fromkeys("abcdef", 0)
    for key, pause in steps:
        now += pause
        passed[key] += pace.take(key, now)
    assert all(count <= 2 + now + 1e-6 for count in passed.values())


@given(STEPS)
def test_the_table_is_bounded(steps: list[tuple[str, float]]) -> None:
    pace = KeyedPace(rate_per_s=1.0, burst=2, max_keys=3)
    for key, at in steps:
        pace.take(key, at)
        assert len(pace) <= 3


def test_addresses_do_not_share() -> None:
    pace = KeyedPace(rate_per_s=1.0, burst=1)
    assert [pace.take("a", 0), pace.take("a", 0), pace.take("b", 0), pace.take("a", 1)] == [True, False, True, True]


def test_the_one_longest_unheard_of_is_forgotten() -> None:
    pace = KeyedPace(rate_per_s=1.0, burst=1, max_keys=2)
    for key in "aba":
        pace.take(key, 0)
    pace.take("c", 0)
    assert not pace.take("a", 0)
    assert pace.take("b", 0)


def test_what_is_given_back_can_be_taken_again_and_fills_nothing_over() -> None:
    pace = KeyedPace(rate_per_s=1.0, burst=1)
    assert pace.take("a", 0)
    pace.give_back("a")
    pace.give_back("a")
    pace.give_back("unheard of")
    assert [pace.take("a", 0), pace.take("a", 0), len(pace)] == [True, False, 1]
