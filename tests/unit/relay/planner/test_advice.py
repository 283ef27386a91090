"""Gathering is advised where it is better for everyone, by enough, on a node that may take them all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.paths.choice import BETTER_BY, BETTER_BY_MS
from relay.planner import RoomFacts, Site, Verdict, advise
from relay.planner.advice import TOLERANCE_MS
from tests.unit.relay.planner.rooms import A, B, C, facts, measured_rooms, person, visage

if TYPE_CHECKING:
    from signalling.ids import NodeId


def test_two_at_a_node_and_one_in_between_gather_there() -> None:
    advice = advise(visage())
    assert (advice.node, advice.verdict) == (A, Verdict.BETTER)
    assert [one.node for one in advice.options] == [A, B, C]


def test_people_who_measured_nothing_are_led_nowhere() -> None:
    room = facts({"ada": person(A), "bob": person(A), "cyd": person(B)}, {(A, B): 100.0})
    assert advise(room).verdict is Verdict.NOT_BETTER


def test_what_is_worse_for_somebody_is_not_advised() -> None:
    near = {f"a{number}": person(A, ams=10.0) for number in range(3)}
    between = {f"b{number}": person(B, ams=10.0, bru=10.0) for number in range(3)}
    shut = {name: Site(never="draining") for name in ("bru", "cdg")}
    # Their pictures would reach those in between in 100 ms instead of 25: more than the others win.
    far = {"dan": person(B, ams=190.0, bru=40.0)}
    advice = advise(facts({**near, **between, **far}, {(A, B): 60.0}, **shut))
    assert (advice.node, advice.verdict) == (None, Verdict.WORSE_FOR_SOMEBODY)
    spared = {"dan": person(B, ams=140.0, bru=40.0)}
    assert advise(facts({**near, **between, **spared}, {(A, B): 60.0}, **shut)).node == A


@pytest.mark.parametrize(
    ("people", "verdict"),
    [
        ({}, Verdict.ALONE),
        ({"ada": person(A)}, Verdict.ALONE),
        ({"ada": person(A), "bob": person(A)}, Verdict.TOGETHER),
        ({"ada": person(A, ams=8.0), "bob": person(B, bru=8.0)}, Verdict.NOT_BETTER),
    ],
)
def test_why_not(people: dict[str, object], verdict: Verdict) -> None:
    assert advise(facts(people, {(A, B): 20.0})).verdict is verdict  # type: ignore[arg-type]


def test_where_nobody_may_go_nobody_is_sent() -> None:
    closed = Site(never="residency")
    advice = advise(visage(ams=closed, bru=closed, cdg=Site(not_now="high_load")))
    assert (advice.node, advice.verdict) == (None, Verdict.NO_NODE)
    assert advice.refused == {A: "residency", B: "residency", C: "high_load"}


def test_load_keeps_from_beginning_and_not_from_going_on() -> None:
    room = visage(ams=Site(not_now="high_load"))
    assert advise(room).node is None
    assert advise(room, staying=A).node == A


@given(measured_rooms())
def test_never_to_a_node_that_may_not_take_them(room: RoomFacts) -> None:
    advice = advise(room)
    assert advice.node is None or room.sites[advice.node] == Site()
    assert all(not room.sites[one.node].never for one in advice.options if one.node is not None)


@given(measured_rooms())
def test_what_is_advised_is_better_for_everyone_and_clearly_so(room: RoomFacts) -> None:
    advice = advise(room)
    if advice.node is None:
        return
    gathered = advice.option(advice.node)
    assert gathered is not None
    assert gathered.mean_ms <= advice.relay.mean_ms * (1 - BETTER_BY)
    assert gathered.mean_ms <= advice.relay.mean_ms - BETTER_BY_MS
    for who, ms in gathered.worst_ms.items():
        assert ms <= advice.relay.worst_ms[who] + TOLERANCE_MS


@given(measured_rooms(), st.integers(0, 5), st.floats(0.0, 300.0))
def test_a_shorter_way_to_where_it_gathers_never_ends_it(room: RoomFacts, which: int, shorter_ms: float) -> None:
    before = advise(room)
    who = sorted(room.people)[which % len(room.people)]
    somebody = room.people[who]
    if before.node is None or somebody.home == before.node:
        return
    nearer = {**somebody.rtts_ms, before.node: max(0.0, somebody.rtts_ms[before.node] - shorter_ms)}
    after = advise(replace(room, people={**room.people, who: replace(somebody, rtts_ms=nearer)}))
    assert after.node == before.node or _mean(after.option(after.node)) <= _mean(after.option(before.node))
    assert after.node is not None


@given(measured_rooms(), st.floats(0.0, 300.0))
def test_a_longer_path_between_nodes_never_ends_it(room: RoomFacts, longer_ms: float) -> None:
    before = advise(room)
    after = advise(replace(room, paths_ms={pair: ms + longer_ms for pair, ms in room.paths_ms.items()}))
    if before.node is None:
        return
    # Another node may be named instead: what was worse for somebody than the shorter paths is not worse than these.
    assert after.node is not None
    assert _mean(after.option(after.node)) <= _mean(after.option(before.node))


@given(measured_rooms(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_says_nothing(room: RoomFacts, dice: object) -> None:
    people, sites = list(room.people.items()), list(room.sites.items())
    dice.shuffle(people)  # type: ignore[attr-defined]
    dice.shuffle(sites)  # type: ignore[attr-defined]
    other = advise(replace(room, people=dict(people), sites=dict(sites)))
    assert other == advise(room)


def _mean(weighed: object) -> float:
    """In the whole milliseconds that options are ordered by."""
    assert weighed is not None
    return round(weighed.mean_ms)  # type: ignore[attr-defined, no-any-return]


def test_a_mutant_that_sends_people_to_a_drained_node_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    room = visage(ams=Site(never="draining"))
    assert advise(room).node != A
    monkeypatch.setattr(Site, "never", property(lambda _: ""), raising=False)
    node: NodeId | None = advise(room).node
    assert node == A
