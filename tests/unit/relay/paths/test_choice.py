from __future__ import annotations

import pytest

from relay.paths.choice import BETTER_FOR_S, REFUSED_LIMIT_S, REFUSED_S, Choice, Reason
from relay.paths.tree import Way
from signalling.ids import NodeId

O, V, W, ME = map(NodeId, ("origin", "v", "w", "me"))  # noqa: E741 - the origin


def way(via: NodeId, cost_ms: float) -> Way:
    return Way(via=via, path=(O, ME) if via == O else (O, via, ME), cost_ms=cost_ms)


def decide(choice: Choice, now: float, **costs_ms: float) -> bool:
    return choice.decide(sorted((way(NodeId(via), at) for via, at in costs_ms.items()), key=lambda w: w.cost_ms), now)


def via(choice: Choice) -> NodeId | None:
    return choice.way.via if choice.way is not None else None


def reason(choice: Choice) -> Reason | None:
    return choice.pick.reason if choice.pick is not None else None


def test_a_clearly_better_way_is_taken_when_it_has_been_so_for_a_while() -> None:
    choice = Choice()
    assert decide(choice, 0.0, origin=200, v=220)
    assert (via(choice), reason(choice)) == (O, Reason.FIRST)
    assert not decide(choice, 1.0, origin=200, v=100)
    assert choice.deadline() == 1.0 + BETTER_FOR_S
    assert not decide(choice, 1.0 + BETTER_FOR_S - 0.1, origin=200, v=100)
    assert decide(choice, 1.0 + BETTER_FOR_S, origin=200, v=100)
    assert (via(choice), reason(choice)) == (V, Reason.BETTER)


def test_a_moment_is_no_while() -> None:
    choice = Choice()
    decide(choice, 0.0, origin=200)
    decide(choice, 1.0, origin=200, v=100)
    decide(choice, 2.0, origin=110, v=100)
    assert choice.deadline() is None
    assert not decide(choice, 5.0, origin=200, v=100)


@pytest.mark.parametrize(("now_ms", "other_ms"), [(20, 11), (200, 165)])
def test_little_is_not_clearly(now_ms: float, other_ms: float) -> None:
    choice = Choice()
    decide(choice, 0.0, origin=now_ms)
    assert not decide(choice, 1.0, origin=now_ms, v=other_ms)
    assert not decide(choice, 100.0, origin=now_ms, v=other_ms)
    assert choice.way == way(O, now_ms), "at what it costs now"


def test_a_broken_way_is_left_at_once_for_the_best_there_is() -> None:
    choice = Choice()
    decide(choice, 0.0, origin=20, v=200, w=300)
    assert decide(choice, 1.0, v=200, w=300)
    assert (via(choice), reason(choice)) == (V, Reason.BROKEN)
    assert decide(choice, 1.1)
    assert via(choice) is None
    assert not decide(choice, 1.2)
    assert decide(choice, 1.3, w=300)
    assert via(choice) == W


def test_a_neighbour_that_refused_is_asked_again_later_and_later() -> None:
    choice = Choice()
    now, waits = 0.0, []
    decide(choice, now, v=50, w=300)
    for _ in range(9):
        choice.refuse(V, now)
        decide(choice, now, v=50, w=300)
        assert (via(choice), reason(choice)) == (W, Reason.REFUSED)
        deadline = choice.deadline()
        assert deadline is not None
        waits.append(deadline - now)
        decide(choice, deadline, v=50)
        now = deadline
        assert via(choice) == V
    assert waits[:3] == [REFUSED_S, 2 * REFUSED_S, 4 * REFUSED_S]
    assert waits[-1] == REFUSED_LIMIT_S


def test_the_origin_itself_is_always_asked() -> None:
    choice = Choice()
    decide(choice, 0.0, origin=50)
    choice.refuse(O, 0.0)
    assert not decide(choice, 0.0, origin=50)
    assert via(choice) == O
