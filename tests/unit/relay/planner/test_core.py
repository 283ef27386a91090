"""A plan follows the advice slowly, ends what must not be at once, and does not flap."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.planner import Person, Plan, PlanReason, RoomFacts, RoomPlanner, Site, core
from relay.planner.core import BARRED_S, BEGIN_S, END_S, REST_S, SETTLE_S
from tests.unit.relay.planner.rooms import A, B, C, facts, measured_rooms, person, visage

if TYPE_CHECKING:
    from collections.abc import Callable

    from signalling.client.rooms import PlacementPolicy
    from signalling.ids import NodeId


def _run(
    planner: RoomPlanner,
    room: RoomFacts | Callable[[float], RoomFacts],
    *,
    policy: PlacementPolicy = "auto",
    begin: float,
    end: float,
) -> list[tuple[float, NodeId | None, str]]:
    """Look each second; gives what was decided anew, and when."""
    changes = []
    now = begin
    while now < end:
        if planner.decide(room(now) if callable(room) else room, policy, now):
            changes.append((now, planner.plan.node, str(planner.plan.reason)))
        now += 1.0
    return changes


def _far() -> RoomFacts:
    """The one in between has moved: Amsterdam is far now."""
    people = dict(visage().people)
    cyd = sorted(people)[-1]
    return replace(visage(), people={**people, cyd: person(A, home=B, ams=300.0, bru=20.0)})


def test_auto_gathers_when_the_advice_has_stood_and_ends_when_it_was_wrong_for_long() -> None:
    planner = RoomPlanner(now=0.0)
    assert _run(planner, visage(), begin=0.0, end=100.0) == [(BEGIN_S, A, "better_for_everyone")]
    assert planner.advice is not None
    assert planner.advice.node == A
    assert _run(planner, _far(), begin=100.0, end=300.0) == [(100.0 + END_S, None, "no_better_any_more")]


def test_an_advice_of_a_moment_is_not_followed() -> None:
    planner = RoomPlanner(now=0.0)
    assert _run(planner, lambda now: visage() if now % BEGIN_S else _far(), begin=0.0, end=300.0) == []
    assert planner.plan.reason is PlanReason.NOT_YET


def test_after_a_change_it_rests() -> None:
    planner = RoomPlanner(now=0.0)
    _run(planner, visage(), begin=0.0, end=BEGIN_S + 1)
    assert _run(planner, _far(), begin=BEGIN_S + 1, end=200.0) == [(BEGIN_S + REST_S, None, "no_better_any_more")]


def test_relay_never_gathers_and_ends_what_was_gathered_at_once() -> None:
    planner = RoomPlanner(Plan(node=A, reason=PlanReason.BETTER), now=0.0)
    assert _run(planner, visage(), policy="relay", begin=0.0, end=100.0) == [(0.0, None, "policy")]


def test_gather_gathers_where_most_are_though_nobody_measured() -> None:
    room = facts({"ada": person(B), "bob": person(B), "cyd": person(A)}, {(A, B): 40.0, (A, C): 80.0, (B, C): 80.0})
    planner = RoomPlanner(now=0.0)
    assert _run(planner, room, policy="gather", begin=0.0, end=100.0) == [(SETTLE_S, B, "policy")]


def test_gather_leaves_a_single_person_where_they_are() -> None:
    planner = RoomPlanner(now=0.0)
    room = facts({"ada": person(B, ams=20.0, bru=22.0)}, {(A, B): 40.0})
    assert _run(planner, room, policy="gather", begin=0.0, end=100.0) == [(SETTLE_S, B, "policy")]


@pytest.mark.parametrize("code", ["draining", "ineligible", "full", "residency", "not_alive"])
@pytest.mark.parametrize("policy", ["auto", "gather"])
def test_a_node_that_may_not_hold_it_loses_it_at_once(policy: PlacementPolicy, code: str) -> None:
    planner = RoomPlanner(Plan(node=A), now=0.0)
    shut = visage(ams=Site(never=code), cdg=Site(never=code))
    assert planner.decide(shut, policy, 1.0)
    assert (planner.plan.node, planner.plan.reason, planner.plan.code) == (None, PlanReason.LEFT, code)
    later = _run(planner, visage(cdg=Site(never=code)), policy=policy, begin=2.0, end=BARRED_S)
    assert [node for _, node, _ in later] == ([B] if policy == "gather" else [])
    assert planner.decide(visage(), "relay", BARRED_S) is (policy == "gather")


def test_a_node_that_nobody_knows_any_more_holds_nothing() -> None:
    planner = RoomPlanner(Plan(node=A), now=0.0)
    gone = replace(visage(), sites={B: Site()})
    assert planner.decide(gone, "auto", 1.0)
    assert planner.plan.code == "not_alive"


def test_who_decides_from_now_on_goes_on_with_what_was_decided() -> None:
    planner = RoomPlanner(Plan(node=A, reason=PlanReason.BETTER, since=3.0), now=9.0)
    assert _run(planner, visage(), begin=10.0, end=200.0) == []
    assert planner.plan == Plan(node=A, reason=PlanReason.BETTER, since=3.0)


@settings(max_examples=30, deadline=None)
@given(measured_rooms(), st.sampled_from(("relay", "gather", "auto")))
def test_never_on_a_node_that_may_not_hold_it(room: RoomFacts, policy: PlacementPolicy) -> None:
    planner = RoomPlanner(now=0.0)
    for _, node, _ in _run(planner, room, policy=policy, begin=0.0, end=BEGIN_S + 5):
        assert node is None or (not room.sites[node].never and not room.sites[node].not_now)
        assert policy != "relay"


@settings(max_examples=30, deadline=None)
@given(measured_rooms(), st.sampled_from(("gather", "auto")), st.integers(0, 2**16))
def test_noise_does_not_make_it_flap(room: RoomFacts, policy: PlacementPolicy, seed: int) -> None:
    """What is measured shakes by a few milliseconds; on the very edge one more decision may come of it."""
    draw = Random(seed).uniform

    def shaken(_now: float) -> RoomFacts:
        people = {who: _shaken(one, draw) for who, one in sorted(room.people.items())}
        paths = {pair: max(ms + draw(-2.0, 2.0), 0.0) for pair, ms in sorted(room.paths_ms.items())}
        return replace(room, people=people, paths_ms=paths)

    assert len(_run(RoomPlanner(now=0.0), shaken, policy=policy, begin=0.0, end=4 * REST_S)) <= 2


def test_without_hysteresis_it_would_flap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one in between goes to and fro, as far as their Wi-Fi says."""

    def moody(now: float) -> RoomFacts:
        return visage() if now % 4 < 2 else _far()

    assert _run(RoomPlanner(now=0.0), moody, begin=0.0, end=100.0) == []
    for name in ("BEGIN_S", "END_S", "REST_S"):
        monkeypatch.setattr(core, name, 0.0)
    assert len(_run(RoomPlanner(now=0.0), moody, begin=0.0, end=100.0)) > 10


def _shaken(one: Person, draw: Callable[[float, float], float]) -> Person:
    return replace(one, rtts_ms={node: max(0.0, ms + draw(-3.0, 3.0)) for node, ms in sorted(one.rtts_ms.items())})
