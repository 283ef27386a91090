"""Placement: the shortest worst way first, never a node that cannot take the client, always with reasons."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from membership.distance.rtt_matrix import rtt_matrix
from membership.members.snapshot import ClusterView, MemberState
from membership.members.tags import LoadClass, NodeState
from membership.placement import MAX_ROOM_NODES, Candidate, ClientPlace, Placement, RoomPlace, rank
from signalling.ids import NodeId
from tests.unit.membership.city_latencies import CITIES, REGIONS
from tests.unit.membership.places import PARIS, PLACES, member, on_a_line, view

if TYPE_CHECKING:
    from membership.distance.estimate import Position

IN_PARIS = ClientPlace(position=PARIS)


def place(
    cluster: ClusterView, client: ClientPlace = IN_PARIS, room: RoomPlace | None = None, **at_ms: float
) -> Placement:
    matrix = on_a_line(cluster, at_ms) if at_ms else rtt_matrix(cluster)
    return rank(cluster, matrix, client, room)


def names(placement: Placement) -> list[str]:
    return [one.node_id for one in placement.candidates]


def codes(one: Candidate) -> list[str]:
    return [reason.code for reason in one.reasons]


def measured(**rtts_ms: float) -> ClientPlace:
    return ClientPlace(rtts_ms={NodeId(name): rtt_ms for name, rtt_ms in rtts_ms.items()})


def room(*nodes: str, **people_ms: float) -> RoomPlace:
    return RoomPlace(
        nodes=frozenset(map(NodeId, nodes)), people_ms={NodeId(name): rtt_ms for name, rtt_ms in people_ms.items()}
    )


def test_nearest_first_by_the_map() -> None:
    placed = place(view(*map(member, PLACES)))
    assert names(placed) == ["london", "newyork", "mumbai", "saopaulo", "tokyo", "sydney"]
    assert codes(placed.candidates[0]) == ["position"]


def test_what_the_client_measured_counts_more_than_the_map() -> None:
    client = replace(measured(london=190, newyork=80), position=PARIS)
    assert names(place(view(member("london"), member("newyork")), client)) == ["newyork", "london"]


def test_who_cannot_take_a_client_is_left_out_with_the_reason() -> None:
    emptied = member("saopaulo")
    nodes = (
        member("london", state=MemberState.FAILED),
        member("newyork", state=MemberState.LEFT),
        member("tokyo", protocol_min=7, protocol_max=9),
        member("sydney", role="relay"),
        replace(emptied, tags=replace(emptied.tags, state=NodeState.DRAINING)),
        member("frankfurt", eligible=False),
        member("mumbai", residency="eu"),
        member("me"),
    )
    placed = place(view(*nodes), room=RoomPlace(residency="eu"))
    assert names(placed) == ["mumbai"]
    assert {one.node_id: one.code for one in placed.excluded} == {
        "london": "not_alive",
        "newyork": "not_alive",
        "tokyo": "protocol",
        "sydney": "other_role",
        "saopaulo": "draining",
        "frankfurt": "ineligible",
        "me": "residency",
    }
    assert all(one.text for one in placed.excluded)


def test_a_node_that_cannot_talk_to_the_rooms_nodes_is_none() -> None:
    nodes = view(member("me"), member("a", protocol_min=2, protocol_max=3), member("b", protocol_min=1, protocol_max=1))
    assert set(names(place(nodes))) == {"me", "a", "b"}
    assert names(place(nodes, room=room("a"), me=0, a=5, b=5)) == ["a", "me"]


def test_a_room_stays_in_its_regions_or_on_nodes_with_its_tags() -> None:
    nodes = view(
        member("london", region="uk"), member("tokyo", region="jp", residency="eu"), member("mumbai", region="in")
    )
    placed = place(nodes, ClientPlace(), RoomPlace(allowed=("uk", "eu")))
    assert sorted(names(placed)) == ["london", "tokyo"]
    assert [(one.node_id, one.code) for one in placed.excluded] == [("mumbai", "residency")]
    assert len(names(place(nodes, ClientPlace(), RoomPlace()))) == 3


def test_a_full_node_comes_after_all_others_and_is_not_left_out() -> None:
    placed = place(view(member("london", load=LoadClass.FULL), member("sydney"), member("nowhere")))
    assert names(placed) == ["sydney", "nowhere", "london"]
    assert "full" in codes(placed.candidates[-1])


def test_load_sends_to_the_next_city_but_not_over_an_ocean() -> None:
    near = member("paris", latitude=48.9, longitude=2.4, load=LoadClass.HIGH)
    assert names(place(view(near, member("london")))) == ["london", "paris"]
    assert names(place(view(member("london", load=LoadClass.HIGH), member("sydney")))) == ["london", "sydney"]


def test_the_room_draws_when_the_way_is_about_the_same() -> None:
    placed = place(view(member("a"), member("b"), member("c")), ClientPlace(), room("c"), a=0, b=0, c=0)
    assert placed.candidates[0].node_id == "c"
    assert codes(placed.candidates[0]) == ["distance_unknown", "room_here"]


def test_the_worst_way_counts_and_not_the_first_hop() -> None:
    # People at 0 and at 300 ms; the client is nearest to a node from which one of the two is very far.
    cluster = view(member("left"), member("right"), member("middle"), member("aside"))
    at_ms = {"left": 0, "right": 300, "middle": 150, "aside": -100}
    placed = place(cluster, measured(left=120, right=190, middle=70, aside=30), room("left", "right"), **at_ms)
    assert names(placed)[0] == "middle"
    assert placed.candidates[0].cost_ms == pytest.approx(70 + 150 + 10)
    assert {one.node_id: one.farthest for one in placed.candidates}[NodeId("aside")] == "right"


def test_people_far_behind_their_node_are_part_of_the_way() -> None:
    cluster = view(member("a"), member("b"), member("c"))
    at_ms = {"a": 0, "b": 90, "c": 200}
    plain = place(cluster, measured(a=10, b=50, c=120), room("a", "c"), **at_ms)
    behind = place(cluster, measured(a=10, b=50, c=120), room("a", "c", c=0.0, a=300.0), **at_ms)
    assert plain.candidates[0].farthest == "c"
    assert behind.candidates[0].farthest == "a"
    assert names(behind)[0] == "a"


def test_nodes_of_whom_nothing_is_known_come_last_for_a_client_of_whom_something_is() -> None:
    assert names(place(view(member("a"), member("sydney")))) == ["sydney", "a"]
    assert names(place(view(member("a"), member("b")), measured(b=400))) == ["b", "a"]


def test_an_unknown_way_to_the_room_is_said_and_loses_to_a_known_one() -> None:
    placed = place(view(member("a"), member("b"), member("c")), measured(a=10, b=10, c=400), room("c"), b=0, c=60)
    assert names(placed)[0] == "b"
    assert "room_path_unknown" in codes(next(one for one in placed.candidates if one.node_id == "a"))


def test_a_client_stays_until_another_is_better_by_a_ratio_and_a_margin() -> None:
    cluster = view(member("here"), member("there"))

    def first(here: float, there: float) -> str:
        return names(place(cluster, replace(measured(here=here, there=there), node=NodeId("here"))))[0]

    assert first(50, 30) == "here"  # a fifth better and more, by too few milliseconds
    assert first(300, 260) == "here"  # many milliseconds, too small a part
    assert first(300, 200) == "there"
    stays = place(cluster, replace(measured(here=50, there=30), node=NodeId("here"))).candidates[0]
    assert codes(stays) == ["measured", "stay"]


def test_nobody_stays_on_a_node_that_drains_or_is_full() -> None:
    for tags in ({"state": NodeState.DRAINING}, {"load": LoadClass.FULL}):
        here = member("here")
        here = replace(here, tags=replace(here.tags, **tags))
        placed = place(view(here, member("there")), replace(measured(here=1, there=300), node=NodeId("here")))
        assert names(placed)[0] == "there"


def test_equal_nodes_are_spread_over_clients_and_stay_for_each() -> None:
    nodes = view(*(member(f"n{n}") for n in range(8)))
    firsts = [names(place(nodes, ClientPlace(spread_key=bytes([key]))))[0] for key in range(64)]
    assert len(set(firsts)) >= 6
    assert firsts == [names(place(nodes, ClientPlace(spread_key=bytes([key]))))[0] for key in range(64)]


def test_the_work_for_a_room_on_very_many_nodes_is_bounded() -> None:
    many = [f"n{number:03}" for number in range(100)]
    placed = place(view(*map(member, many)), ClientPlace(), room(*many), **dict.fromkeys(many, 1.0))
    assert {one.farthest for one in placed.candidates} <= set(many[:MAX_ROOM_NODES])


# --- the world ----------------------------------------------------------------------------

WORLD = view(
    *(member(name, latitude=at.latitude, longitude=at.longitude) for name, at in REGIONS.items()),
)
BY_MAP_WRONG = {"Johannesburg", "Dubai", "Doha"}
"""Where the map misleads: the cables from there go north, and round India."""


def nearest(city: str) -> str:
    return list(REGIONS)[CITIES[city][1].index(min(CITIES[city][1]))]


@pytest.mark.parametrize("city", CITIES)
def test_measurements_send_each_city_to_its_true_nearest_region(city: str) -> None:
    position, rtts_ms = CITIES[city]
    client = measured(**dict(zip(REGIONS, rtts_ms, strict=True)))
    assert names(place(WORLD, client))[0] == nearest(city)
    assert names(place(WORLD, replace(client, position=position)))[0] == nearest(city)


def test_the_map_alone_is_right_for_17_of_20_cities() -> None:
    def first(position: Position) -> str:
        return names(place(WORLD, ClientPlace(position=position)))[0]

    assert {city for city, (position, _) in CITIES.items() if first(position) != nearest(city)} == BY_MAP_WRONG
