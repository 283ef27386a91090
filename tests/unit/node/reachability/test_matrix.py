"""All pairs from what each node told: whole or not, and a sentence with the next step for what is wrong."""

from __future__ import annotations

import pytest

from node.reachability.matrix import judge, rows_of
from signalling.ids import NodeId
from signalling.mesh.link import ReachRow

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")
SPOKEN = {A: (1, 2), B: (1, 1), C: (2, 3)}
GOOD = {"state": "up", "rtt_ms": 20.0, "mtu": 1500, "loss": 0.0, "clock_ms": 3.0, "clock_error_ms": 10.0}


def row(node: NodeId, **told: object) -> ReachRow:
    return ReachRow(**{"node": node, **GOOD, **told})  # type: ignore[arg-type]


def test_a_cluster_is_whole_when_both_ends_of_every_pair_say_so() -> None:
    told = {A: (row(B),), B: (row(A),)}
    spoken = {A: (1, 1), B: (1, 1)}
    found = judge(A, spoken, told)
    assert found.is_whole
    assert [(way.sender, way.receiver) for way in found.ways] == [(A, B), (B, A)]
    assert all(way.problems == () for way in found.ways)
    assert not judge(A, spoken, {A: (row(B),)}).is_whole, "the way back was not looked at"
    assert judge(A, spoken, {A: (row(B),)}).silent == (B,)
    assert judge(A, {A: (1, 1)}, {A: ()}).is_whole, "who is alone reaches everybody"


def test_with_a_failed_member_a_cluster_is_not_whole_however_well_the_others_reach_each_other() -> None:
    found = judge(A, {A: (1, 1), B: (1, 1)}, {A: (row(B),), B: (row(A),)}, [C])
    assert (found.is_whole, found.failed) == (False, (C,))


def test_nobody_is_believed_about_nodes_that_do_not_live_or_about_itself() -> None:
    spoken = {A: (1, 1), B: (1, 1)}
    found = judge(A, spoken, {A: (row(B), row(C), row(A)), B: (row(A),), C: (row(A),)})
    assert {(way.sender, way.receiver) for way in found.ways} == {(A, B), (B, A)}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"state": "connecting", "reason": "ice_failed"}, "let UDP through"),
        ({"mtu": 1200}, "raise the path's MTU"),
        ({"loss": 0.05}, "5.0% of the keepalives"),
        ({"clock_ms": -5000.0}, "-5.0 s against that of a"),
    ],
)
def test_each_problem_has_a_sentence_with_the_next_step(told: dict[str, object], words: str) -> None:
    (way,) = judge(A, {A: (1, 1), B: (1, 1)}, {A: (row(B, **told),)}).ways
    (problem,) = way.problems
    assert words in problem


def test_a_clock_within_its_error_and_what_is_not_known_are_no_problem() -> None:
    unsure = row(B, clock_ms=2500.0, clock_error_ms=1000.0)
    unknown = ReachRow(B, "up")
    for one in (unsure, unknown):
        (way,) = judge(A, {A: (1, 1), B: (1, 1)}, {A: (one,)}).ways
        assert way.problems == ()


def test_nodes_without_a_common_protocol_are_told_which_to_update() -> None:
    ways = judge(A, SPOKEN, {B: (row(C),)}).ways
    assert ways[0].problems == ("they have no mesh protocol in common (1-1, 2-3): update the older one",)


def test_what_goes_over_a_link_comes_out_the_same() -> None:
    told = {A: (row(B, reason="x", setup_ms=900.0, jitter_ms=1.0, bandwidth_bps=5_000_000),)}
    ways = judge(A, {A: (1, 1), B: (1, 1)}, told).ways
    assert rows_of(ways) == told[A]
