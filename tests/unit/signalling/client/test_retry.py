"""When and where a client connects again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signalling.client.closing import close_code
from signalling.client.refusal import ConnectionLostError, NodeUnreachableError, RefusedByNodeError
from signalling.client.retry import FINAL, Comeback, Outcome, RetryPolicy, judge
from signalling.errors import ErrorCode

NODES = ("a", "b", "c")


def comeback(drawn: float = 1.0) -> Comeback:
    return Comeback(NODES, draw=lambda: drawn, policy=RetryPolicy())


def test_pauses_are_drawn_evenly_below_a_bound_that_doubles_up_to_a_limit() -> None:
    whole, quarter = comeback(), comeback(0.25)
    whole.lost(0.0)
    quarter.lost(0.0)
    pauses = [whole.pause_s(1.0) for _ in range(7)]
    assert pauses == pytest.approx([0.3, 0.6, 1.2, 2.4, 4.8, 8.0, 8.0])
    assert [quarter.pause_s(1.0) for _ in range(2)] == pytest.approx([0.075, 0.15])


def test_it_is_over_when_there_was_no_seat_yet_or_none_for_too_long() -> None:
    one = comeback()
    assert one.pause_s(0.0) is None
    one.connected("a")
    one.lost(10.0)
    assert one.pause_s(129.9) is not None
    assert one.pause_s(130.0) is None


def test_what_a_node_asked_for_comes_before_the_pause_and_not_beyond_the_end() -> None:
    one = Comeback(["a"], draw=lambda: 0.5, policy=RetryPolicy(first_s=1.0, deadline_s=100.0))
    one.lost(10.0)
    assert one.pause_s(10.0, at_least_s=7.0) == pytest.approx(7.5)
    assert one.pause_s(60.0, at_least_s=900.0) == pytest.approx(50.0 + 1.0)


def test_a_seat_or_a_hope_begins_the_pauses_anew() -> None:
    one = comeback()
    one.lost(0.0)
    for _ in range(3):
        one.pause_s(0.0)
    one.hope()
    assert one.pause_s(0.0) == pytest.approx(0.3)
    one.connected("a")
    one.lost(0.0)
    assert one.pause_s(0.0) == pytest.approx(0.3)


def test_the_node_we_were_at_comes_first_then_the_nearest_and_last_whoever_failed() -> None:
    one = comeback()
    assert one.nodes() == NODES
    one.connected("b")
    assert one.nodes() == ("b", "a", "c")
    one.failed("b", "elsewhere")
    assert one.nodes() == ("a", "c", "b")
    one.failed("a", "again")
    assert one.nodes() == ("a", "c", "b")
    one.connected("c")
    assert one.nodes() == ("c", "a", "b")


class GivesUpOnNodes(Comeback):
    """A mutant: who failed once is tried no more."""

    def nodes(self) -> tuple[str, ...]:
        return tuple(node for node in super().nodes() if node not in self._unfit)


def each_is_tried_once_a_round(kind: type[Comeback]) -> None:
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # of a busy machine
    @given(
        nodes=st.lists(st.sampled_from("abcdef"), unique=True),
        happened=st.lists(st.tuples(st.booleans(), st.sampled_from("abcdefgh"))),
    )
    def check(nodes: list[str], happened: list[tuple[bool, str]]) -> None:
        one = kind(nodes, draw=lambda: 0.5, policy=RetryPolicy())
        for is_good, node in happened:
            if is_good:
                one.connected(node)
            else:
                one.failed(node, "elsewhere")
            assert sorted(one.nodes()) == sorted(nodes)

    check()


def test_every_node_is_tried_once_a_round_whatever_happened() -> None:
    each_is_tried_once_a_round(Comeback)


def test_the_property_kills_the_mutant() -> None:
    with pytest.raises(AssertionError):
        each_is_tried_once_a_round(GivesUpOnNodes)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NodeUnreachableError("no"), "elsewhere"),
        (trio.TooSlowError(), "elsewhere"),
        (ConnectionLostError(1006, ""), "again"),
        (ConnectionLostError(1000, ""), "again"),
        (RefusedByNodeError("replaced", ""), "replaced"),
        (RefusedByNodeError("token_expired", ""), "new_token"),
        (RefusedByNodeError("node_draining", ""), "elsewhere"),
        (RefusedByNodeError("room_full", ""), "final"),
        (RefusedByNodeError("rate_limited", ""), "again"),
        (RefusedByNodeError("attempt_stale", "", 7), "again"),
        (RefusedByNodeError("a_word_of_tomorrow", ""), "again"),
    ],
)
def test_what_a_failure_means(error: Exception, outcome: Outcome) -> None:
    assert judge(error) == outcome


@pytest.mark.parametrize("code", ErrorCode)
def test_a_close_means_what_its_row_in_the_table_says(code: ErrorCode) -> None:
    number = close_code(code)
    stops = number in {4400, 4403, 4409, 4413, 4426}
    outcome = judge(ConnectionLostError(number, code))
    assert (outcome in {"final", "replaced"}) is stops
    assert (outcome == "new_token") is (number == 4401)
    assert (outcome == "elsewhere") is (number == 4503)


def test_the_browser_stops_at_the_same_refusals() -> None:
    script = (Path(__file__).parents[4] / "web/sdk/errors.js").read_text()
    listed = re.search(r"FINAL = new Set\(\[(.*?)\]\)", script, re.DOTALL)
    assert listed is not None
    assert set(re.findall(r'"(\w+)"', listed[1])) == {*FINAL, "replaced"}


def test_every_refusal_that_is_final_exists() -> None:
    assert set(ErrorCode) >= FINAL
