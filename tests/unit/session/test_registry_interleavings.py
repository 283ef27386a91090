"""Every order of everything that can happen to two sessions of one person, and what must hold in all of them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from session import joins_on_way, seat_table
from session.store import SeatAnswer, Verdict
from tests.unit.session.cluster_model import RENEW_S, ClusterModel, rejoin

Act = Callable[[ClusterModel], None]


ACTS: dict[str, Act] = {
    "s1 joins": lambda model: model.join("s1"),
    "s2 joins": lambda model: model.join("s2"),
    "late leave": lambda model: model.leave("s1"),
    "s1 socket closes": lambda model: model.close("s1"),
    "s1 peer closes": lambda model: model.peer_closed("s1"),
    "time passes": lambda model: model.pass_time(RENEW_S),
    "grace passes": lambda model: model.pass_time(6.0),
    "n1 killed": lambda model: model.kill("n1"),
    "store emptied": lambda model: model.empty_store(),
    "leases forgotten": lambda model: model.forget_leases(),
}
MAX_TIMEOUTS = 1
"""Questions that time out in one schedule."""


@dataclass
class Schedules:
    """Walks every schedule of a few acts, each at most once; states met before are not walked again."""

    acts: frozenset[str]
    timeouts: int = 0
    seen: set[bytes] = field(default_factory=set)
    ends: int = 0

    def walk(self, start: ClusterModel) -> None:
        stack = [(start, self.acts, self.timeouts)]
        while stack:
            model, left, timeouts = stack.pop()
            key = pickle.dumps((model, sorted(left), timeouts))
            if key in self.seen:
                continue
            self.seen.add(key)
            before = len(stack)
            for act in sorted(left):
                if self._possible(act, left):
                    after = model.copy()
                    ACTS[act](after)
                    gone = left - {act}
                    if act == "n1 killed":
                        gone -= {"s1 joins", "late leave", "s1 socket closes", "s1 peer closes"}
                    stack.append((after, gone, timeouts))
            for index in range(len(model.messages)):
                after = model.copy()
                after.move(index)
                stack.append((after, left, timeouts))
                if timeouts and not model.messages[index].asker_gave_up:
                    after = model.copy()
                    after.time_out(index)
                    stack.append((after, left, timeouts - 1))
            if len(stack) == before:
                self.ends += 1
            if not model.messages:
                # With messages on their way, every order of their arrival leads to such a moment.
                model.copy().settle()

    def _possible(self, act: str, left: frozenset[str]) -> bool:
        # The page is refreshed only after it tried to join; nothing ends before it began.
        return act == "s1 joins" or "s1 joins" not in left


BASE = frozenset({"s1 joins", "s2 joins"})
SCENARIOS: dict[str, tuple[frozenset[str], int]] = {
    "late leave": (BASE | {"late leave", "s1 socket closes", "s1 peer closes"}, 0),
    "grace": (BASE | {"s1 socket closes", "grace passes"}, 0),
    "renewal": (BASE | {"late leave", "time passes"}, 0),
    "timeouts": (BASE | {"late leave"}, MAX_TIMEOUTS),
    "kill": (BASE | {"n1 killed", "time passes"}, 0),
    "emptied": (BASE | {"store emptied", "time passes"}, 0),
    "lapsed": (BASE | {"leases forgotten", "time passes"}, 0),
}


def walk(scenario: str, *, same_node: bool, same_device: bool) -> Schedules:
    acts, timeouts = SCENARIOS[scenario]
    schedules = Schedules(acts, timeouts)
    schedules.walk(rejoin(same_node=same_node, same_device=same_device))
    return schedules


CASES = [
    (scenario, same_node, same_device)
    for scenario in SCENARIOS
    for same_node in (True, False)
    for same_device in (True, False)
    if not (scenario == "kill" and same_node)  # Both sessions would die with their node.
]


@pytest.mark.parametrize(("scenario", "same_node", "same_device"), CASES)
def test_every_interleaving(scenario: str, same_node: bool, same_device: bool) -> None:
    schedules = walk(scenario, same_node=same_node, same_device=same_device)
    assert len(schedules.seen) > 50
    assert schedules.ends > 0


def _release_by_user(change: seat_table._Change) -> SeatAnswer:
    """Remove whoever sits there."""
    change._slot.holder = None
    return change._answer(Verdict.OK)


def _release_without_tombstone(change: seat_table._Change) -> SeatAnswer:
    if change._is_mine():
        change._slot.holder = None
    return change._answer(Verdict.OK)


def _touch_that_inserts(change: seat_table._Change) -> SeatAnswer:
    return change._take(change._seat.epoch)


def _unknown_taken_for_superseded(change: seat_table._Change) -> SeatAnswer:
    if change._is_mine():
        return change._renew(change._slot.mark)
    return change._answer(Verdict.SUPERSEDED)


def _claim_without_order(change: seat_table._Change, *_: object) -> SeatAnswer:
    return change._take(change._slot.mark + 1)


def _assert_as_claim(change: seat_table._Change) -> SeatAnswer:
    return change._take(change._slot.mark + 1)


def _overlooked(core: joins_on_way.Claims, *_: object) -> bool:
    return False


MUTANTS: dict[str, tuple[object, str, object, str]] = {
    "release removes whoever sits": (seat_table._Change, "release", _release_by_user, "late leave"),
    "release leaves no tombstone": (seat_table._Change, "release", _release_without_tombstone, "timeouts"),
    "touch inserts": (seat_table._Change, "touch", _touch_that_inserts, "renewal"),
    "unknown taken for superseded": (seat_table._Change, "touch", _unknown_taken_for_superseded, "emptied"),
    "claim without order": (seat_table._Change, "claim", _claim_without_order, "late leave"),
    "assert as strong as claim": (seat_table._Change, "state", _assert_as_claim, "emptied"),
    "heir on its way overlooked": (joins_on_way.Claims, "heir_of", _overlooked, "renewal"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_every_mutant_is_killed(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, broken, scenario = MUTANTS[mutant]
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises(AssertionError):
        _walk_all(scenario)


def _walk_all(scenario: str) -> None:
    for same_node in (False, True):
        for same_device in (True, False):
            walk(scenario, same_node=same_node, same_device=same_device)
