"""The matrix: any pair, the best source of each cell, nothing of who is gone."""

from dataclasses import replace

from membership.distance.estimate import RttSource
from membership.distance.rtt_matrix import rtt_matrix
from membership.members.snapshot import MemberState
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
