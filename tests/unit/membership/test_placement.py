"""Placement: nearest first, never a node that cannot take the client, always with reasons."""

from dataclasses import replace
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from membership.distance import Position
from membership.placement import Candidate, rank_candidates
from membership.snapshot import ClusterView, MemberState, ViewMember
from membership.tags import LoadClass, NodeState
from signalling.ids import NodeId
from tests.unit.membership.samples import TAGS

PLACES = {
    "london": (51.5, -0.1),
    "newyork": (40.7, -74.0),
    "sydney": (-33.9, 151.2),
    "tokyo": (35.7, 139.7),
    "saopaulo": (-23.5, -46.6),
    "mumbai": (19.1, 72.9),
}
PARIS = Position(latitude=48.9, longitude=2.4)


def member(name: str, *, state: MemberState = MemberState.ALIVE, **tags: object) -> ViewMember:
    latitude, longitude = PLACES.get(name, (None, None))
    settings: dict[str, object] = {
        "node_id": NodeId(name),
        "latitude": latitude,
        "longitude": longitude,
        "state": NodeState.SERVING,
        "load": LoadClass.LOW,
        "public_url": f"https://{name}.example",
        **tags,
    }
    return ViewMember(
        serf_name=f"{name}-4",
        address="127.0.0.1",
        port=1,
        state=state,
        tags=replace(TAGS, **settings),  # type: ignore[arg-type]
    )


def draining(node: ViewMember) -> ViewMember:
    return replace(node, tags=replace(node.tags, state=NodeState.DRAINING))


def view(*members: ViewMember) -> ClusterView:
    return ClusterView(own_id=NodeId("london"), members=MappingProxyType({m.node_id: m for m in members}))


def names(ranked: tuple[Candidate, ...]) -> list[str]:
    return [candidate.node_id for candidate in ranked]


def test_nearest_first() -> None:
    ranked = rank_candidates(view(*map(member, PLACES)), position=PARIS)
    assert names(ranked) == ["london", "newyork", "mumbai", "saopaulo", "tokyo", "sydney"]
    assert ranked[0].rtt_floor_ms is not None
    assert [reason.code for reason in ranked[0].reasons] == ["distance"]


def test_who_cannot_take_a_client_is_no_candidate() -> None:
    nodes = (
        member("london", state=MemberState.FAILED),
        member("newyork", state=MemberState.LEFT),
        member("tokyo", load=LoadClass.FULL),
        member("sydney", role="relay"),
        draining(member("saopaulo")),
        member("mumbai"),
    )
    assert names(rank_candidates(view(*nodes), position=PARIS)) == ["mumbai"]


def test_load_sends_to_the_next_city_but_not_over_an_ocean() -> None:
    near, busy = member("paris"), member("london", load=LoadClass.HIGH)
    near = replace(near, tags=replace(near.tags, latitude=48.9, longitude=2.4, load=LoadClass.HIGH))
    london = member("london")
    assert names(rank_candidates(view(near, london), position=PARIS)) == ["london", "paris"]
    assert names(rank_candidates(view(busy, member("sydney")), position=PARIS)) == ["london", "sydney"]


def test_the_room_draws_when_the_way_is_about_the_same() -> None:
    ranked = rank_candidates(view(member("a"), member("b"), member("c")), room_nodes={NodeId("c")})
    assert ranked[0].node_id == "c"
    assert {reason.code for reason in ranked[0].reasons} == {"distance_unknown", "room_here"}


def test_nodes_without_a_position_come_last_for_a_client_that_has_one() -> None:
    assert names(rank_candidates(view(member("a"), member("sydney")), position=PARIS)) == ["sydney", "a"]


def test_equal_nodes_are_spread_over_clients_and_stay_for_each() -> None:
    nodes = view(*(member(f"n{n}") for n in range(8)))
    firsts = [rank_candidates(nodes, spread_key=bytes([key]))[0].node_id for key in range(64)]
    assert len(set(firsts)) >= 6
    assert firsts == [rank_candidates(nodes, spread_key=bytes([key]))[0].node_id for key in range(64)]


nodes = st.lists(
    st.tuples(
        st.sampled_from([*PLACES, "a", "b"]),
        st.sampled_from(MemberState),
        st.sampled_from(NodeState),
        st.sampled_from(LoadClass),
    ),
    unique_by=lambda node: node[0],
)


@given(nodes, st.none() | st.just(PARIS), st.sets(st.sampled_from(list(PLACES)).map(NodeId)))
def test_any_cluster_gives_serving_nodes_once_each_in_order_of_cost(
    picked: list[tuple[str, MemberState, NodeState, LoadClass]], position: Position | None, room: set[NodeId]
) -> None:
    members = []
    for name, state, drain, load in picked:
        plain = member(name, load=load)
        members.append(replace(plain, state=state, tags=replace(plain.tags, state=drain)))
    ranked = rank_candidates(view(*members), position=position, room_nodes=room)
    able = [m for m in members if m.is_serving and m.tags.load is not LoadClass.FULL]
    assert sorted(names(ranked)) == sorted(m.node_id for m in able)
    known = [c.cost_ms for c in ranked if position is None or c.rtt_floor_ms is not None]
    assert known == sorted(known)
    assert all(c.reasons and c.cost_ms == sum(r.cost_ms for r in c.reasons) for c in ranked)
