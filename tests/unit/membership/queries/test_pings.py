"""Pings: who misses two rounds in a row is silent, and a round that says nothing changes nothing."""

from hypothesis import given
from hypothesis import strategies as st

from membership.queries.pings import MAX_MISSES, PingBoard

names = st.sampled_from(["ada", "bob", "eve"])
rounds = st.lists(st.tuples(st.frozensets(names), st.frozensets(names)), max_size=12)


def test_one_miss_is_none_and_an_answer_ends_silence() -> None:
    board = PingBoard()
    board.tell(asked={"ada", "bob"}, answered={"ada"})
    assert board.silent == frozenset()
    board.keep({"ada", "bob"})
    board.tell(asked={"ada", "bob"}, answered={"ada"})
    assert board.silent == {"bob"}
    board.tell(asked={"ada", "bob"}, answered={"bob"})
    assert board.silent == frozenset()
    board.tell(asked={"ada"}, answered=())
    assert board.silent == {"ada"}


def test_who_is_asked_no_more_is_forgotten() -> None:
    board = PingBoard()
    for _ in range(MAX_MISSES):
        board.tell(asked={"ada", "bob"}, answered=())
    board.keep({"bob"})
    assert board.silent == {"bob"}


@given(rounds)
def test_silent_is_who_missed_the_last_rounds_and_nobody_else(
    told: list[tuple[frozenset[str], frozenset[str]]],
) -> None:
    board = PingBoard()
    for asked, answered in told:
        board.tell(asked=asked, answered=answered)
    last = told[-MAX_MISSES:]
    expected = (
        {name for name in ("ada", "bob", "eve") if all(name in asked and name not in got for asked, got in last)}
        if len(last) == MAX_MISSES
        else set()
    )
    assert board.silent == expected
