"""The directory: from a question to candidates, to the better node, and to the whole story."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from membership import LoadClass, NodeState, Position
from node.conductor.directory import Directory
from node.http.candidates import CandidateQuery, LeftOut, SessionPlace
from signalling.ids import NodeId, RoomId, SessionId
from tests.unit.membership.places import member, on_a_line, view

if TYPE_CHECKING:
    from membership import ClusterView
    from node.conductor.stage import Stage
    from node.geoip import GeoDatabase

ME, LONDON, TOKYO = NodeId("me"), NodeId("london"), NodeId("tokyo")
CLUSTER = view(member("me", latitude=52.4, longitude=4.9), member("london"), member("tokyo"))
DEN = RoomId("den")
SOMEBODY = SessionId("somebody")


class FakeStage:
    """A room on these nodes, and here or not, with somebody so far away."""

    def __init__(self, *nodes: str, here: bool = False, people_ms: float | None = None) -> None:
        self._nodes, self._here, self._people_ms = frozenset(map(NodeId, nodes)), here, people_ms
        self.rooms = self.people = self

    def farthest_ms(self, room: RoomId, *, leaving: SessionId | None = None) -> float | None:
        return self._people_ms if room == DEN and leaving is None else None

    def nodes_of(self, room: RoomId) -> frozenset[NodeId]:
        return self._nodes if room == DEN else frozenset()

    def sessions_in(self, room: RoomId) -> tuple[SessionId, ...]:
        return (SOMEBODY,) if self._here and room == DEN else ()


class OneAddress:
    """A map with one address on it, in Tokyo."""

    def position_of(self, address: str) -> Position | None:
        return Position(latitude=35.7, longitude=139.7) if address == "198.51.100.7" else None


def stage(*nodes: str, here: bool = False, people_ms: float | None = None) -> Stage:
    return cast("Stage", FakeStage(*nodes, here=here, people_ms=people_ms))


def directory(cluster: ClusterView = CLUSTER, **at_ms: float) -> Directory:
    return Directory(
        view=lambda: cluster,
        rtts=(lambda: on_a_line(cluster, at_ms)) if at_ms else None,
        map_of_addresses=cast("GeoDatabase", OneAddress()),
    )


def test_an_address_on_the_map_places_a_client_that_says_nothing_else() -> None:
    found = directory().candidates(CandidateQuery(address="198.51.100.7"), stage())
    assert found[0].node == TOKYO
    assert (found[0].rtt_source, found[0].why) == ("positions", ("about 0 ms away, by the map",))
    said = directory().explain(CandidateQuery(address="198.51.100.7"), stage()).position
    assert said is not None
    assert said.source == "geoip"


def test_what_the_client_says_of_itself_counts_more_than_its_address() -> None:
    query = CandidateQuery(address="198.51.100.7", latitude=51.5, longitude=0.0)
    explained = directory().explain(query, stage())
    assert explained.nodes[0].node == LONDON
    assert explained.position is not None
    assert explained.position.source == "client"


def test_a_room_that_lives_here_and_there_is_placed_between() -> None:
    query = CandidateQuery(room=DEN, rtts_ms={ME: 60.0, LONDON: 40.0, TOKYO: 20.0})
    explained = directory(me=0, london=50, tokyo=250).explain(query, stage("london", here=True))
    assert explained.room_nodes == (LONDON, ME)
    assert [one.node for one in explained.nodes] == [LONDON, ME, TOKYO]
    assert {(way.a, way.b): way.source for way in explained.ways}[TOKYO, ME] == "coordinates"
    assert explained.nodes[0].cost_ms == sum(reason.cost_ms or 0.0 for reason in explained.nodes[0].reasons)
    assert explained.verdict.startswith("london, because 40 ms away")


def test_the_way_to_the_people_of_a_room_ends_at_them_and_not_at_their_node() -> None:
    """Here they are on a slow line: then it is better to be near to them than halfway."""
    query = CandidateQuery(room=DEN, rtts_ms={ME: 60.0, LONDON: 20.0, TOKYO: 200.0})
    asked = directory(me=0, london=60, tokyo=250)
    near = asked.explain(query, stage("london", here=True)).nodes
    assert [one.node for one in near][:2] == [LONDON, ME]
    far = asked.explain(query, stage("london", here=True, people_ms=150.0)).nodes
    assert [one.node for one in far][:2] == [ME, LONDON]
    assert {one.node: one.cost_ms for one in far}[ME] == 60.0 + 150.0


def test_a_node_that_nobody_measured_costs_nothing_known_and_comes_last() -> None:
    cluster = view(member("me", load=LoadClass.HIGH), member("nowhere"), member("tokyo"))
    explained = directory(cluster).explain(CandidateQuery(rtts_ms={ME: 60.0, TOKYO: 200.0}), stage())
    assert [(one.node, one.cost_ms) for one in explained.nodes] == [(ME, 120.0), (TOKYO, 200.0), ("nowhere", None)]
    (reason,) = explained.nodes[-1].reasons
    assert (reason.code, reason.cost_ms) == ("distance_unknown", None)
    assert reason.text.startswith("not measured")
    one_known = directory(cluster).explain(CandidateQuery(rtts_ms={ME: 60.0}), stage())
    assert one_known.verdict.endswith("from the client is unknown.")


def test_by_the_map_a_node_that_nobody_measured_has_a_cost() -> None:
    query = CandidateQuery(rtts_ms={TOKYO: 200.0}, latitude=51.5, longitude=0.0)
    explained = directory().explain(query, stage())
    assert [one.node for one in explained.nodes] == [LONDON, ME, TOKYO]
    assert all(one.cost_ms is not None for one in explained.nodes)


def test_where_no_distance_is_known_nothing_is_said_of_costs() -> None:
    explained = directory().explain(CandidateQuery(), stage())
    assert {one.cost_ms for one in explained.nodes} == {None}
    assert "How far any node is from the client is unknown" in explained.verdict


def test_who_is_left_out_and_that_nobody_is_left_is_said() -> None:
    explained = directory().explain(CandidateQuery(residency="eu"), stage())
    assert (explained.nodes, {one.code for one in explained.left_out}) == ((), {"residency"})
    assert "left_out" in explained.verdict


def test_another_node_is_better_only_when_it_is_clearly_so_and_known_to_be() -> None:
    def better(query: CandidateQuery, cluster: ClusterView = CLUSTER) -> NodeId | None:
        found = directory(cluster).better(query, stage())
        return None if found is None else found.node

    assert better(CandidateQuery()) is None
    assert better(CandidateQuery(address="198.51.100.7")) == TOKYO
    assert better(CandidateQuery(latitude=51.5, longitude=0.0)) is None, "London and Amsterdam are neighbours"
    assert better(CandidateQuery(rtts_ms={ME: 200.0, LONDON: 20.0})) == LONDON
    assert better(CandidateQuery(rtts_ms={ME: 40.0, LONDON: 20.0})) is None
    assert better(CandidateQuery(rtts_ms={LONDON: 1.0})) is None, "how far this node is, nobody knows"
    full = view(member("me", load=LoadClass.FULL), member("tokyo", load=LoadClass.FULL))
    assert better(CandidateQuery(rtts_ms={ME: 200.0, TOKYO: 20.0}), full) is None


def test_a_node_alone_is_never_worse() -> None:
    alone = view(member("me"))
    assert directory(alone).better(CandidateQuery(rtts_ms={ME: 900.0}), stage()) is None


def test_whoever_sits_alone_is_not_held_by_the_room_that_they_would_take_along() -> None:
    query = CandidateQuery(room=DEN, rtts_ms={ME: 200.0, TOKYO: 20.0})
    lives_here = directory(me=0, london=50, tokyo=250), stage(here=True)
    assert lives_here[0].better(query, lives_here[1]) is None, "what was won on the first hop is lost on the second"
    found = lives_here[0].better(query, lives_here[1], leaving=SOMEBODY)
    assert found is not None
    assert found.node == TOKYO


# --- where a session is to be ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "query", "code"),
    [
        ({"residency": "us"}, CandidateQuery(residency="eu"), "residency"),
        ({"region": "us"}, CandidateQuery(room=DEN, allowed=("eu",)), "residency"),
    ],
)
def test_who_may_not_come_here_is_sent_on_though_nobody_knows_how_far_anything_is(
    tags: dict[str, Any], query: CandidateQuery, code: str
) -> None:
    cluster = view(member("me", **tags), member("london", region="eu", residency="eu"))
    place = directory(cluster).session_place(query, stage())
    assert place.better is not None
    assert place.left_out is not None
    assert (place.better.node, place.left_out.node, place.left_out.code) == (LONDON, ME, code)
    assert [one.node for one in place.nodes] == [LONDON]
    again = directory(cluster).session_place(query, stage(), is_known_here=lambda: True)
    assert again == SessionPlace(), "who has a seat here comes back to it"


@pytest.mark.parametrize("tags", [{"state": NodeState.DRAINING}, {"eligible": False}])
def test_whether_a_node_is_emptied_or_takes_people_is_known_there_and_not_by_its_tag(tags: dict[str, Any]) -> None:
    """The tag follows a moment later, both ways: after an undo nobody is sent away for it."""
    me = member("me")
    cluster = view(replace(me, tags=replace(me.tags, **tags)), member("london"))
    place = directory(cluster).session_place(CandidateQuery(), stage(), closed=("draining", "because"))
    assert place.left_out is not None
    assert (place.left_out.code, [one.node for one in place.nodes]) == ("draining", [LONDON])
    assert directory(cluster).session_place(CandidateQuery(), stage()) == SessionPlace()


def test_what_the_node_knows_of_itself_counts_before_its_tag_says_so() -> None:
    place = directory().session_place(CandidateQuery(), stage(), closed=("draining", "because"))
    assert place.left_out == LeftOut(node=ME, code="draining", text="because")
    assert ME not in {one.node for one in place.nodes}
    assert len(place.nodes) == 2


def test_nobody_is_sent_to_a_full_node_but_may_be_told_of_it() -> None:
    cluster = view(member("me"), member("tokyo", load=LoadClass.FULL))
    place = directory(cluster).session_place(CandidateQuery(), stage(), closed=("ineligible", "because"))
    assert (place.better, [one.node for one in place.nodes]) == (None, [TOKYO])


def test_a_node_that_takes_people_keeps_them_unless_another_is_clearly_better() -> None:
    assert directory().session_place(CandidateQuery(), stage()) == SessionPlace()
    far = directory().session_place(CandidateQuery(address="198.51.100.7"), stage())
    assert far.better is not None
    assert (far.better.node, far.left_out) == (TOKYO, None)
