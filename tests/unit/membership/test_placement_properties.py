"""Placement for any cluster: draining never, monotone, steady under noise, blind to order, worst way minimal."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from membership.distance.rtt_matrix import RttMatrix, rtt_matrix
from membership.members.snapshot import ClusterView, MemberState
from membership.members.tags import LoadClass, NodeState
from membership.placement import (
    CLIENT_ERROR_MS,
    HOP_MS,
    LOAD_PENALTY_MS,
    MOVE_MARGIN_MS,
    ClientPlace,
    RoomPlace,
    rank,
)
from signalling.ids import NodeId
from tests.unit.membership.places import PARIS, PLACES, member, on_a_line, view

if TYPE_CHECKING:
    import random

NAMES = [*PLACES, "a", "b"]
rtts = st.floats(0, 400)


@st.composite
def clusters(draw: st.DrawFn) -> ClusterView:
    members = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1)):
        plain = member(name, load=draw(st.sampled_from(LoadClass)), state=draw(st.sampled_from(MemberState)))
        tags = replace(
            plain.tags,
            state=draw(st.sampled_from(NodeState)),
            residency=draw(st.sampled_from([None, "eu"])),
            protocol_min=draw(st.integers(1, 2)),
        )
        members.append(replace(plain, tags=tags))
    return view(*members)


healthy = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(LoadClass)), unique_by=lambda one: one[0]).map(
    lambda picked: view(*(member(name, load=load) for name, load in picked))
)
"""Clusters whose nodes all take clients."""
lines = st.fixed_dictionaries(dict.fromkeys(NAMES, rtts))
clients = st.builds(
    ClientPlace,
    rtts_ms=st.dictionaries(st.sampled_from(NAMES).map(NodeId), rtts),
    position=st.sampled_from([None, PARIS]),
    spread_key=st.binary(max_size=2),
)
rooms = st.builds(
    RoomPlace,
    nodes=st.frozensets(st.sampled_from(NAMES).map(NodeId), max_size=4),
    people_ms=st.dictionaries(st.sampled_from(NAMES).map(NodeId), rtts),
    residency=st.sampled_from([None, "eu"]),
)
anywhere = st.none() | st.sampled_from(NAMES).map(NodeId)


def order(cluster: ClusterView, matrix: RttMatrix, client: ClientPlace, room: RoomPlace) -> list[NodeId]:
    return [one.node_id for one in rank(cluster, matrix, client, room).candidates]


@given(clusters(), lines, clients, rooms, anywhere)
def test_each_node_is_named_once_and_one_that_must_not_take_the_client_is_no_candidate(
    cluster: ClusterView, line: dict[str, float], client: ClientPlace, room: RoomPlace, node: NodeId | None
) -> None:
    placed = rank(cluster, on_a_line(cluster, line), replace(client, node=node), room)
    names = [one.node_id for one in placed.candidates]
    assert sorted([*names, *(one.node_id for one in placed.excluded)]) == sorted(cluster.members)
    for one in placed.candidates:
        assert cluster.members[one.node_id].is_serving
        assert room.residency in {None, cluster.members[one.node_id].tags.residency}
        assert one.reasons
        assert one.cost_ms == sum(reason.cost_ms or 0.0 for reason in one.reasons)
    loads = [one.load is LoadClass.FULL for one in placed.candidates]
    assert loads == sorted(loads), "a full node before one that is not"


@given(clusters(), lines, clients, rooms, anywhere, st.randoms(use_true_random=False))
def test_the_order_of_the_input_says_nothing(
    cluster: ClusterView,
    line: dict[str, float],
    client: ClientPlace,
    room: RoomPlace,
    node: NodeId | None,
    chance: random.Random,
) -> None:
    shuffled = chance.sample(sorted(cluster.members.items()), len(cluster.members))
    other = replace(cluster, members=MappingProxyType(dict(shuffled)))
    client = replace(client, node=node)
    measured = chance.sample(sorted(client.rtts_ms.items()), len(client.rtts_ms))
    again = rank(other, on_a_line(other, line), replace(client, rtts_ms=dict(measured)), room)
    assert again == rank(cluster, on_a_line(cluster, line), client, room)


@given(healthy, lines, clients, rooms, st.sampled_from(NAMES).map(NodeId), rtts)
def test_a_longer_way_makes_no_node_better(
    cluster: ClusterView, line: dict[str, float], client: ClientPlace, room: RoomPlace, node: NodeId, more_ms: float
) -> None:
    room = replace(room, residency=None)
    if node not in cluster.members or node not in client.rtts_ms:
        return
    longer = replace(client, rtts_ms={**client.rtts_ms, node: client.rtts_ms[node] + more_ms})
    matrix = on_a_line(cluster, line)
    assert order(cluster, matrix, client, room).index(node) <= order(cluster, matrix, longer, room).index(node)


@given(healthy, lines, rooms, st.data())
def test_noise_within_the_error_bars_turns_nobody_round(
    cluster: ClusterView, line: dict[str, float], room: RoomPlace, data: st.DataObject
) -> None:
    room = replace(room, residency=None)
    true = {node: data.draw(rtts) for node in cluster.members}
    noisy = {node: rtt + data.draw(st.floats(0, CLIENT_ERROR_MS)) for node, rtt in true.items()}
    matrix = on_a_line(cluster, line)
    before = rank(cluster, matrix, ClientPlace(rtts_ms=true), room).candidates
    after = [one.node_id for one in rank(cluster, matrix, ClientPlace(rtts_ms=noisy), room).candidates]
    for a in before:
        for b in before:
            is_clear = a.cost_ms + a.error_ms + 2 * CLIENT_ERROR_MS < b.cost_ms - b.error_ms
            if is_clear and (a.load is LoadClass.FULL) == (b.load is LoadClass.FULL):
                assert after.index(a.node_id) < after.index(b.node_id)


@given(st.lists(st.floats(100, 102), min_size=2, max_size=4), st.binary(max_size=2), st.data())
def test_nodes_that_are_as_good_as_each_other_keep_their_order_under_noise(
    true: list[float], key: bytes, data: st.DataObject
) -> None:
    cluster = view(*(member(name) for name in NAMES[: len(true)]))
    orders = set()
    for _ in range(3):
        noisy = {NodeId(name): rtt + data.draw(st.floats(-2.5, 2.5)) for name, rtt in zip(NAMES, true, strict=False)}
        client = ClientPlace(rtts_ms=noisy, position=PARIS, spread_key=key)
        orders.add(tuple(order(cluster, rtt_matrix(cluster), client, RoomPlace())))
    assert len(orders) == 1


@given(healthy, lines, rooms, st.data())
def test_who_is_on_the_best_node_is_not_moved_by_noise(
    cluster: ClusterView, line: dict[str, float], room: RoomPlace, data: st.DataObject
) -> None:
    room = replace(room, residency=None)
    matrix = on_a_line(cluster, line)
    true = {node: data.draw(st.floats(MOVE_MARGIN_MS, 400)) for node in cluster.members}
    placed = rank(cluster, matrix, ClientPlace(rtts_ms=true), room).candidates
    able = [one for one in placed if one.load is not LoadClass.FULL]
    if not able:
        return
    best = min(able, key=lambda one: one.cost_ms).node_id
    shake = st.floats(-0.49 * MOVE_MARGIN_MS, 0.49 * MOVE_MARGIN_MS)
    noisy = {node: rtt + data.draw(shake) for node, rtt in true.items()}
    assert order(cluster, matrix, ClientPlace(rtts_ms=noisy, node=best), room)[0] == best


noise = st.sampled_from([0.9, 1.0, 1.1]) | st.floats(0.9, 1.1)


@given(
    st.just(400.0) | st.floats(20, 400),
    st.lists(st.floats(0.8, 1.2), min_size=2, max_size=4),
    lines,
    st.just(RoomPlace()) | rooms,
    st.lists(st.lists(noise, min_size=4, max_size=4), min_size=2, max_size=12),
)
def test_whoever_follows_it_under_a_tenth_of_noise_never_comes_back_to_a_node(
    about_ms: float, true: list[float], line: dict[str, float], room: RoomPlace, shakes: list[list[float]]
) -> None:
    """Wherever they begin and whatever they measure from one time to the next: each move is for good.

    Two nodes could take turns if a move had to win less than 1 - 0.9 / 1.1 of the way: a MOVE_RATIO of 1 is found.
    """
    cluster = view(*(member(name) for name in NAMES[: len(true)]))
    matrix, room = on_a_line(cluster, line), replace(room, residency=None)
    here, left = NodeId(NAMES[0]), set[NodeId]()
    for shake in shakes:
        noisy = {NodeId(name): about_ms * share * by for name, share, by in zip(NAMES, true, shake, strict=False)}
        best = order(cluster, matrix, ClientPlace(rtts_ms=noisy, node=here), room)[0]
        if best != here:
            left.add(here)
            here = best
        assert here not in left


@given(healthy, lines, st.data())
def test_the_first_has_the_shortest_worst_way(
    cluster: ClusterView, line: dict[str, float], data: st.DataObject
) -> None:
    if not cluster.members:
        return
    nodes = sorted(cluster.members)
    lives = data.draw(st.frozensets(st.sampled_from(nodes), min_size=1))
    people = {node: data.draw(rtts) for node in lives}
    client = {node: data.draw(rtts) for node in nodes}

    def way_ms(node: NodeId, to: NodeId) -> float:
        link = 0.0 if node == to else max(HOP_MS + abs(line[node] - line[to]), HOP_MS + floor_ms(node, to))
        return client[node] + link + people[to]

    def floor_ms(node: NodeId, to: NodeId) -> float:
        estimate = matrix.between(node, to)
        assert estimate is not None
        return estimate.rtt_ms if estimate.rtt_ms > abs(line[node] - line[to]) + 1e-6 else 0.0

    matrix = on_a_line(cluster, line)
    placed = rank(cluster, matrix, ClientPlace(rtts_ms=client), RoomPlace(nodes=lives, people_ms=people)).candidates
    for one in placed:
        worst_ms = max(way_ms(one.node_id, to) for to in lives)
        assert abs(one.cost_ms - worst_ms - LOAD_PENALTY_MS[one.load]) < 1e-6
    first, *rest = placed
    for one in rest:
        if (one.load is LoadClass.FULL) == (first.load is LoadClass.FULL):
            assert first.cost_ms - first.error_ms <= one.cost_ms + one.error_ms
