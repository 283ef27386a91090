"""How far nodes are: each pair once, the best that is known, rounded, and said where it comes from."""

from __future__ import annotations

from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from membership import ClusterView, ViewMember, rtt_matrix
from membership.members.standing import Rules, judge
from node.admin import RttPair
from node.admin.rtts import read_rtts
from relay import LinkState
from signalling.ids import NodeId
from tests.unit.membership.samples import a_member

if TYPE_CHECKING:
    from collections.abc import Mapping

    from membership import Membership, RttMatrix
    from membership.distance.rtt_matrix import ReportedRtt


def _view(**places: Mapping[str, Any]) -> ClusterView:
    members: dict[NodeId, ViewMember] = {}
    for name, place in places.items():
        member = judge(a_member(name, **place), Rules(cluster="test"))
        assert isinstance(member, ViewMember)
        members[NodeId(name)] = member
    return ClusterView(own_id=NodeId("ams"), members=MappingProxyType(members))


AMSTERDAM = {"latitude": 52.4, "longitude": 4.9}
NOWHERE: dict[str, float | None] = {"latitude": None, "longitude": None}
SINGAPORE = {"latitude": 1.35, "longitude": 103.8}


def test_a_node_alone_knows_itself() -> None:
    told = read_rtts(_view(ams=AMSTERDAM), None, None)
    assert (told.me, told.nodes, told.pairs) == ("ams", ("ams",), ())


def test_places_on_the_map_give_a_guess_and_nothing_gives_none() -> None:
    told = read_rtts(_view(ams=AMSTERDAM, sin=SINGAPORE, xxx=NOWHERE), None, None)
    assert told.nodes == ("ams", "sin", "xxx")
    assert [(pair.a, pair.b, pair.source) for pair in told.pairs] == [
        ("ams", "sin", "positions"),
        ("ams", "xxx", "unknown"),
        ("sin", "xxx", "unknown"),
    ]
    known, unknown, _ = told.pairs
    assert known.rtt_ms is not None
    assert 100 < known.rtt_ms < 300
    assert 0 < known.confidence < 1
    assert unknown == RttPair(a="ams", b="xxx")


def test_what_a_link_measures_wins() -> None:
    view = _view(ams=AMSTERDAM, sin=SINGAPORE)

    def rtts(links_ms: dict[NodeId, float], reported_ms: ReportedRtt) -> RttMatrix:
        return rtt_matrix(view, links_ms=links_ms, reported_ms=reported_ms)

    relay = SimpleNamespace(
        snapshot=lambda: (SimpleNamespace(node=NodeId("sin"), rtt_ms=161.23456, state=LinkState.UP),),
        reported_rtt_ms=lambda *_: None,
    )
    membership = cast("Membership", SimpleNamespace(rtts=rtts))
    (pair,) = read_rtts(view, membership, relay).pairs  # type: ignore[arg-type]
    assert (pair.source, pair.rtt_ms) == ("link", 161.235)


def test_a_screen_that_shows_the_own_pairs_has_no_others_made() -> None:
    view = _view(ams=AMSTERDAM, sin=SINGAPORE, tyo=AMSTERDAM, xxx=NOWHERE)
    asked: list[tuple[NodeId, NodeId]] = []

    def reported(a: NodeId, b: NodeId) -> float | None:
        asked.append((a, b))
        return None

    def rtts(_links_ms: dict[NodeId, float], _reported_ms: object) -> RttMatrix:
        return rtt_matrix(view, reported_ms=reported)

    membership = cast("Membership", SimpleNamespace(rtts=rtts))
    told = read_rtts(view, membership, None, own_alone=True)
    assert [(pair.a, pair.b) for pair in told.pairs] == [("ams", "sin"), ("ams", "tyo"), ("ams", "xxx")]
    assert told.nodes == ("ams", "sin", "tyo", "xxx")
    assert asked == []
