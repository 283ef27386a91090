from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.paths.cost import HOP_MS
from relay.paths.states import LinkStates
from relay.paths.tree import Traits, may_pass, tree, ways
from signalling.ids import NodeId
from signalling.mesh.link import LinkFigures, LinkReport

NODES = tuple(map(NodeId, "abcdef"))
A, B, C, D, E, F = NODES

Costs = dict[tuple[NodeId, NodeId], int]
"""Round trips by link, milliseconds."""


def states(links: Costs) -> LinkStates:
    both = links | {(other, one): rtt_ms for (one, other), rtt_ms in links.items()}
    made = LinkStates(A)
    for node in NODES:
        figures = tuple(LinkFigures(far, rtt_ms, 0, 0) for (at, far), rtt_ms in sorted(both.items()) if at == node)
        report = LinkReport(node, 1, 1, figures)
        if node == A:
            made.state_own(report)
        else:
            assert made.take(node, report, 0.0)
    return made


def cost(*rtts_ms: int) -> float:
    return sum(rtt_ms / 2 + HOP_MS for rtt_ms in rtts_ms)


def test_the_cheapest_branch_is_taken_direct_or_not() -> None:
    made = tree(A, states({(A, B): 300, (A, C): 80, (C, B): 60, (A, D): 40, (C, D): 300}))
    assert (made[B].path, made[B].cost_ms) == ((A, C, B), cost(80, 60))
    assert made[D].path == (A, D)
    assert made[A].hops == 0
    assert E not in made


def test_a_branch_has_so_many_links_at_most() -> None:
    chain: Costs = {(A, B): 2, (B, C): 2, (C, D): 2, (D, E): 2, (A, D): 400}
    assert E not in tree(A, states({key: rtt for key, rtt in chain.items() if key != (A, D)}))
    made = tree(A, states(chain))
    assert made[D].path == (A, B, C, D)
    assert made[E].path == (A, D, E), "not by the cheapest branch to D, which has no link to spare"
    assert tree(A, states(chain), max_hops=1).keys() == {A, B, D}


def test_who_does_not_pass_on_is_an_end_and_who_is_left_out_is_nowhere() -> None:
    links = states({(A, B): 10, (B, C): 10, (A, C): 400})
    assert tree(A, links, passes=lambda node: node != B)[C].path == (A, C)
    assert tree(A, links, passes=lambda node: node != B)[B].path == (A, B)
    assert tree(A, links, without=B).keys() == {A, C}


def test_ways_are_all_neighbours_that_can_be_asked_the_cheapest_first() -> None:
    links = states({(A, B): 10, (B, C): 10, (A, C): 400, (C, D): 10, (A, D): 90})
    found = ways(A, C, links)
    assert [(way.via, way.hops, way.is_direct) for way in found] == [(B, 2, False), (D, 2, False), (A, 1, True)]
    assert [way.path for way in ways(A, C, links, max_hops=1)] == [(A, C)]
    assert [way.via for way in ways(A, C, links, passes=lambda node: node != B)] == [D, A]


@given(
    st.dictionaries(
        st.sampled_from(list(itertools.combinations(NODES, 2))), st.integers(min_value=1, max_value=300), max_size=15
    )
)
def test_no_path_of_three_links_is_cheaper(links: Costs) -> None:
    both = links | {(other, one): rtt_ms for (one, other), rtt_ms in links.items()}
    made = tree(A, states(links))
    best: dict[NodeId, float] = {}
    for count in range(4):
        for middle in itertools.permutations(NODES[1:], count):
            path = (A, *middle)
            if all(pair in both for pair in itertools.pairwise(path)):
                total = cost(*(both[pair] for pair in itertools.pairwise(path)))
                best[path[-1]] = min(total, best.get(path[-1], total))
    assert {node: branch.cost_ms for node, branch in made.items()} == pytest.approx(best)


def test_who_may_pass_on() -> None:
    fine = Traits(places=frozenset({"eu"}), protocol=(2, 3))
    assert may_pass(fine, fine, fine)
    assert not may_pass(fine, Traits(places=frozenset({"eu"}), protocol=(2, 3), is_draining=True), fine)
    assert not may_pass(fine, Traits(places=frozenset({"eu"}), protocol=(1, 1)), fine), "it speaks with neither"
    assert may_pass(Traits(protocol=(1, 2)), Traits(protocol=(2, 4)), Traits(protocol=(4, 4)))
    assert not may_pass(Traits(protocol=(1, 1)), Traits(protocol=(2, 4)), Traits(protocol=(4, 4)))
    assert may_pass(fine, fine, fine, frozenset({"eu"}))
    assert not may_pass(fine, fine, fine, frozenset({"us"}))


def test_what_a_node_wants_for_passing_on_counts_where_it_is_in_the_middle() -> None:
    links = states({(A, B): 10, (B, C): 10, (A, C): 60})
    dear = {B: 9.0}
    made = tree(A, links, price_ms=lambda node: dear.get(node, 0.0))
    assert (made[C].path, made[C].cost_ms) == ((A, B, C), cost(10, 10) + 9)
    assert made[B].cost_ms == cost(10), "it gets its own for nothing"
    dear[B] = 100.0
    assert tree(A, links, price_ms=lambda node: dear.get(node, 0.0))[C].path == (A, C)
    (direct, via) = ways(C, A, links, price_ms=lambda node: dear.get(node, 0.0))
    assert (direct.path, via.path, via.cost_ms) == ((C, A), (C, B, A), cost(10, 10) + 100)


def test_only_who_is_of_a_place_passes_on_what_must_stay_there() -> None:
    anywhere = Traits()
    assert may_pass(anywhere, Traits(places=frozenset({"frankfurt", "eu"})), anywhere, frozenset({"eu", "ch"}))
    assert not may_pass(anywhere, Traits(places=frozenset({"singapore"})), anywhere, frozenset({"eu"}))
    assert not may_pass(anywhere, anywhere, anywhere, frozenset({"eu"})), "of which nothing is known"
