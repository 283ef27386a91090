"""The matrix: any pair, the best source of each cell, nothing of who is gone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

from membership.distance import rtt_matrix as module
from membership.distance.estimate import RttSource, best_figures
from membership.distance.rtt_matrix import rtt_matrix
from membership.members.snapshot import MemberState
from membership.placement import MAX_ROOM_NODES, ClientPlace, RoomPlace, rank
from signalling.ids import NodeId
from tests.unit.membership.places import member, on_a_line, view

ME, LONDON, TOKYO, SOMEWHERE = (NodeId(name) for name in ("me", "london", "tokyo", "somewhere"))
CLUSTER = view(member("me"), member("london"), member("tokyo"), member("somewhere"))


def test_each_cell_has_the_best_that_is_known_of_its_pair() -> None:
    seen = on_a_line(CLUSTER, {"me": 0, "somewhere": 90}).coordinates
    matrix = rtt_matrix(CLUSTER, coordinates=seen, links_ms={LONDON: 12.0, NodeId("gone"): 1.0})
    sources = {(cell.a, cell.b): cell.estimate and cell.estimate.source for cell in matrix.cells()}
    assert sources == {
        ("london", "me"): RttSource.LINK,
        ("london", "somewhere"): None,
        ("london", "tokyo"): RttSource.POSITIONS,
        ("me", "somewhere"): RttSource.COORDINATES,
        ("me", "tokyo"): None,
        ("somewhere", "tokyo"): None,
    }
    assert matrix.between(ME, LONDON) == matrix.between(LONDON, ME)


def test_what_two_others_measure_of_their_link_counts_and_of_ours_nobody_is_believed() -> None:
    asked: list[tuple[NodeId, NodeId]] = []

    def reported(a: NodeId, b: NodeId) -> float | None:
        asked.append((a, b))
        return 230.0 if {a, b} == {LONDON, TOKYO} else None

    matrix = rtt_matrix(CLUSTER, links_ms={LONDON: 12.0}, reported_ms=reported)
    told = matrix.between(TOKYO, LONDON)
    assert told is not None
    assert (told.rtt_ms, told.source) == (230.0, RttSource.LINK)
    assert {cell.a: cell.estimate for cell in matrix.cells() if cell.b == TOKYO}[ME] is None
    assert all(ME not in pair for pair in asked)


def test_a_node_is_no_way_from_itself() -> None:
    own = rtt_matrix(CLUSTER).between(TOKYO, TOKYO)
    assert own is not None
    assert (own.rtt_ms, own.error_ms, own.source, own.confidence) == (0, 0, RttSource.SELF, 1)


def test_a_former_agents_coordinate_and_nodes_that_are_gone_do_not_count() -> None:
    seen = on_a_line(CLUSTER, {"me": 0, "somewhere": 90}).coordinates
    again = replace(member("somewhere"), serf_name="somewhere-5")
    matrix = rtt_matrix(view(member("me"), again, member("tokyo", state=MemberState.FAILED)), coordinates=seen)
    assert matrix.nodes == ("me", "somewhere")
    assert matrix.between(ME, SOMEWHERE) is None


@contextmanager
def counted() -> Iterator[mock.Mock]:
    """Count the estimates that are made."""
    with mock.patch.object(module, "best_figures", wraps=best_figures) as made:
        yield made


def test_the_next_client_of_a_room_costs_no_estimate() -> None:
    """256 nodes, a room on 16: each way to it is looked up once a snapshot, whoever asks; without a room, none."""
    names = [f"n{number:03}" for number in range(256)]
    cluster = view(*(member(name, latitude=0.0, longitude=0.5 * number) for number, name in enumerate(names)))
    matrix = rtt_matrix(cluster)
    room = RoomPlace(nodes=frozenset(map(NodeId, names[:MAX_ROOM_NODES])))
    with counted() as made:
        rank(cluster, matrix, ClientPlace(rtts_ms={NodeId("n001"): 5.0}))
        assert made.call_count == 0
        first = rank(cluster, matrix, ClientPlace(rtts_ms={NodeId("n001"): 5.0}), room)
        assert made.call_count == len(names) * MAX_ROOM_NODES - MAX_ROOM_NODES
        again = rank(cluster, matrix, ClientPlace(rtts_ms={NodeId("n002"): 5.0}), room)
        assert made.call_count == len(names) * MAX_ROOM_NODES - MAX_ROOM_NODES
    assert first != again


def test_a_snapshot_does_not_remember_without_end() -> None:
    with mock.patch.object(module, "MAX_KEPT_PAIRS", 1), counted() as made:
        matrix = rtt_matrix(CLUSTER)
        for _ in range(2):
            assert matrix.between(ME, LONDON) is None
            assert matrix.between(LONDON, TOKYO) is not None
        assert made.call_count == 3
