from __future__ import annotations

import itertools

import pytest

from relay.paths import Demand, LinkQuality, Paths, Reason, Traits
from relay.paths.core import REPEAT_S, REPORT_EVERY_S, URGENT_EVERY_S
from relay.paths.events import (
    LinkFallen,
    LinkMeasured,
    LinkRisen,
    NodeLost,
    NodeSeen,
    OriginsWanted,
    PathsDeadline,
    PathsEffect,
    ReportsHeard,
    TellReports,
    WayRefused,
    WaysChosen,
)
from relay.paths.states import STALE_S
from signalling.ids import NodeId
from signalling.mesh.link import LinkFigures, LinkReport

ME, O, V, W = map(NodeId, ("me", "origin", "v", "w"))  # noqa: E741 - the origin
ANY = Demand(max_hops=3)


class Told:
    """A core, and what it was last told of others' links."""

    def __init__(self, *nodes: NodeId) -> None:
        self.core = Paths(own=ME, boot=7)
        self.sequence = 0
        for node in nodes:
            self.core.handle(LinkRisen(node=node), 0.0)
            self.measure(node, 100, 0.0)
        self.run(0.4)

    def measure(self, node: NodeId, rtt_ms: float, now: float, loss: float = 0.0) -> tuple[PathsEffect, ...]:
        return self.core.handle(LinkMeasured(node=node, quality=LinkQuality(rtt_ms=rtt_ms, loss=loss)), now)

    def hear(self, node: NodeId, now: float, **rtts_ms: int) -> tuple[PathsEffect, ...]:
        self.sequence += 1
        links = tuple(LinkFigures(NodeId(far), rtt_ms, 0, 0) for far, rtt_ms in rtts_ms.items())
        return self.core.handle(ReportsHeard(node=node, reports=(LinkReport(node, 1, self.sequence, links),)), now)

    def want(self, demand: Demand = ANY) -> tuple[PathsEffect, ...]:
        return self.core.handle(OriginsWanted(demands={O: demand}), 1.0)

    def via(self) -> NodeId | None:
        way = self.core.chosen()[O].way
        return way.via if way is not None else None

    def run(self, until: float) -> list[tuple[float, PathsEffect]]:
        """Keep the core's deadlines."""
        found: list[tuple[float, PathsEffect]] = []
        while (deadline := self.core.next_deadline()) is not None and deadline <= until:
            effects = self.core.handle(PathsDeadline(), deadline)
            after = self.core.next_deadline()
            assert after is None or after > deadline, "a deadline that does nothing"
            found += [(deadline, effect) for effect in effects]
        return found


def triangle() -> Told:
    """The origin, 100 ms from here, and V that is 100 ms from here and 40 from the origin."""
    told = Told(O, V)
    told.hear(O, 0.5, me=100, v=40)
    told.hear(V, 0.5, me=100, origin=40)
    told.want()
    return told


def test_a_link_counts_at_once_where_it_is_ours_even_unmeasured_and_unreported() -> None:
    told = Told()
    told.core.handle(LinkRisen(node=O), 0.0)
    (chosen,) = told.want()
    assert isinstance(chosen, WaysChosen)
    assert (chosen.ways[O].via, chosen.changed) == (O, {O: Reason.FIRST})


def test_a_link_that_falls_is_told_at_once_and_gone_round_at_once() -> None:
    told = triangle()
    assert told.via() == O
    report, chosen = told.core.handle(LinkFallen(node=O), 5.0)
    assert isinstance(report, TellReports)
    assert report == TellReports(
        node=V, reports=(LinkReport(ME, 7, told.core._sequence, (LinkFigures(V, 100, 0, 0),)),)
    )
    assert isinstance(chosen, WaysChosen)
    assert (chosen.ways[O].path, chosen.changed) == ((O, V, ME), {O: Reason.BROKEN})
    assert told.core.handle(LinkFallen(node=O), 5.0) == ()
    assert told.core.kinds() == {"direct": 0, "via": 1, "none": 0}


def test_a_path_whose_far_link_falls_is_left_when_that_is_heard() -> None:
    told = triangle()
    told.core.handle(LinkFallen(node=O), 5.0)
    effects = told.hear(V, 5.1, me=100)
    assert effects == (WaysChosen(ways={}, changed={O: Reason.BROKEN}),)


def test_a_worse_link_is_left_in_time_and_not_for_a_single_lost_keepalive() -> None:
    told = triangle()
    for second in range(2, 8):
        assert told.measure(O, 100, float(second), loss=1 / 64) == (), "chance"
    second = 8
    for second in range(8, 20):
        told.measure(O, 100, float(second), loss=0.1)
        told.run(second + 0.9)
        if told.via() == V:
            break
    assert 3.0 <= second - 8 <= 5.0
    assert told.core.switches == {"first": 1, "better": 1}


def test_reports_of_figures_wait_and_those_without_news_are_repeated() -> None:
    told = Told(V)
    told.run(2.0)
    assert told.measure(V, 104, 2.0) == (), "no news"
    sent = [now for now, effect in told.run(30.0) if isinstance(effect, TellReports)]
    assert [after - before for before, after in itertools.pairwise(sent)] == pytest.approx([REPEAT_S] * (len(sent) - 1))
    last = sent[-1]
    assert told.measure(V, 200, last + 0.1) == ()
    ((at, _),) = told.run(last + REPORT_EVERY_S)
    assert at == pytest.approx(last + REPORT_EVERY_S)


def test_a_link_that_flaps_does_not_fill_the_others() -> None:
    told = Told(V, W)
    told.run(1.0)
    effects = [
        effect
        for turn in range(100)
        for kind in (LinkFallen, LinkRisen)
        for effect in told.core.handle(kind(node=W), 2.0 + turn / 100)
        if isinstance(effect, TellReports) and effect.node == V and effect.reports[0].node == ME
    ]
    assert len(effects) <= 1.0 / URGENT_EVERY_S + 1
    assert told.run(4.0), "the last state is told, too"


def test_news_is_passed_on_but_not_where_its_author_speaks_itself() -> None:
    told = Told(O, V, W)
    effects = told.hear(V, 1.0, me=100, w=30)
    assert [effect.node for effect in effects if isinstance(effect, TellReports)] == [O]
    assert not any(isinstance(effect, TellReports) for effect in told.hear(V, 1.0, me=100, w=30, origin=50))


def test_what_is_passed_on_to_others_stays_short_and_does_not_come_from_them() -> None:
    told = Told(V, W)
    told.hear(V, 0.5, me=100, origin=10)
    told.hear(W, 0.5, me=100, origin=100)
    told.core.handle(
        ReportsHeard(node=V, reports=(LinkReport(O, 1, 1, (LinkFigures(V, 10, 0, 0), LinkFigures(W, 9, 0, 0)), 1),)),
        0.5,
    )
    told.want()
    assert told.via() == V
    told.want(Demand(max_hops=3, askers=frozenset({V})))
    assert told.via() == W
    told.want(Demand(max_hops=1))
    assert told.via() == W, "nothing is short enough, so all is as it was"


def test_a_draining_node_is_no_middle_but_an_end() -> None:
    told = triangle()
    told.core.handle(LinkFallen(node=O), 2.0)
    assert told.via() == V
    (chosen,) = told.core.handle(NodeSeen(node=V, traits=Traits(is_draining=True)), 3.0)
    assert chosen == WaysChosen(ways={}, changed={O: Reason.BROKEN})
    told.core.handle(LinkRisen(node=O), 4.0)
    told.core.handle(NodeSeen(node=O, traits=Traits(is_draining=True)), 4.0)
    assert told.via() == O


def test_a_refusal_is_gone_round() -> None:
    told = triangle()
    told.core.handle(LinkFallen(node=O), 2.0)
    assert told.core.handle(WayRefused(origin=O, via=V), 3.0) == (WaysChosen(ways={}, changed={O: Reason.REFUSED}),)
    assert told.core.handle(WayRefused(origin=W, via=V), 3.0) == ()
    told.run(4.0)
    assert told.via() == V, "asked again"


def test_what_nobody_repeats_and_who_is_gone_is_forgotten() -> None:
    told = triangle()
    assert told.core.way_to(O) is not None
    told.core.handle(LinkFallen(node=O), 2.0)
    told.run(STALE_S + 6.0)
    assert told.via() is None
    told = triangle()
    told.core.handle(LinkFallen(node=O), 2.0)
    assert told.core.handle(NodeLost(node=O), 3.0) == (WaysChosen(ways={}, changed={O: Reason.BROKEN}),)
    assert told.core.handle(NodeLost(node=V), 3.0) == (), "its link says otherwise"


def test_one_link_at_most_means_the_direct_one() -> None:
    core = Paths(own=ME, boot=1, max_hops=1)
    core.handle(LinkRisen(node=V), 0.0)
    core.handle(OriginsWanted(demands={O: ANY}), 0.0)
    figures = (LinkFigures(V, 10, 0, 0),)
    core.handle(ReportsHeard(node=V, reports=(LinkReport(O, 1, 1, figures, 1),)), 0.0)
    assert core.way_to(O) is None


def test_what_must_stay_within_a_place_goes_round_by_nobody_else() -> None:
    told = triangle()
    told.core.handle(NodeSeen(node=V, traits=Traits(places=frozenset({"singapore"}))), 2.0)
    told.measure(O, 400, 2.0)
    told.run(12.0)
    assert told.via() == V
    told.core.handle(OriginsWanted(demands={O: ANY.kept_in(frozenset({"eu"}))}), 12.0)
    assert told.via() == O
    told.core.handle(LinkFallen(node=O), 13.0)
    assert told.via() is None, "rather not at all"
    told.core.handle(NodeSeen(node=V, traits=Traits(places=frozenset({"frankfurt", "eu"}))), 14.0)
    assert told.via() == V


def test_a_node_that_is_dear_is_asked_where_it_saves_more_than_that() -> None:
    told = triangle()
    told.core.handle(NodeSeen(node=V, traits=Traits(price_ms=80)), 2.0)
    told.measure(O, 250, 2.0)
    told.run(12.0)
    assert told.via() == O
    told.measure(O, 500, 12.0)
    told.run(22.0)
    assert told.via() == V


def test_a_node_that_takes_direct_links_alone_takes_none_of_two() -> None:
    core = Paths(own=ME, boot=7, max_hops=1)
    for node in (O, V):
        core.handle(LinkRisen(node=node), 0.0)
    core.handle(ReportsHeard(node=V, reports=(LinkReport(V, 1, 1, (LinkFigures(O, 10, 0, 0),)),)), 0.5)
    core.handle(OriginsWanted(demands={O: ANY}), 1.0)
    core.handle(LinkFallen(node=O), 2.0)
    assert core.chosen()[O].way is None
