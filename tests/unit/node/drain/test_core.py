"""The drain's core: its table line by line, and what holds whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from node.drain.core import MIN_BATCH, ROUTES_S, ROUTES_SHARE, TELL_AGAIN_S, Drain, DrainOverError
from node.drain.events import (
    AdmitNew,
    Announce,
    Came,
    CannotMove,
    DrainAsked,
    DrainEffect,
    DrainEvent,
    DrainProgress,
    DrainState,
    EndRoutes,
    EngineDied,
    Finish,
    Left,
    LegsPass,
    LinkAhead,
    Move,
    Moved,
    NobodyTakes,
    RefuseNew,
    Release,
    ReleaseSome,
    RestoreRoutes,
    RoutesEnded,
    StopAsked,
    Tick,
    UndoAsked,
)
from signalling.ids import SessionId

if TYPE_CHECKING:
    from collections.abc import Callable

PEOPLE: Final = tuple(SessionId(f"{number:032x}") for number in range(30))
OPENING: Final = (RefuseNew(), LinkAhead(drain=1), Announce(draining=True), EndRoutes(drain=1))


def _drain() -> Drain:
    return Drain(draw=lambda: 0.5)


def _asked(count: int = 3, *, deadline_s: float = 60.0, batch: int | None = 1, moves: bool = True) -> DrainAsked:
    return DrainAsked(people=frozenset(PEOPLE[:count]), deadline_s=deadline_s, batch=batch, moves=moves)


def _told(effects: tuple[DrainEffect, ...]) -> tuple[SessionId, ...]:
    return tuple(person for effect in effects if isinstance(effect, Move) for person in effect.people)


# --- the table ------------------------------------------------------------------------------


def test_the_hops_come_first_and_then_the_clients() -> None:
    drain = _drain()
    assert drain.handle(_asked(), 0.0) == OPENING
    assert drain.handle(Tick(), 1.0) == ()
    assert _told(drain.handle(RoutesEnded(drain=1), 2.0)) == PEOPLE[:1]
    assert _told(drain.handle(Tick(), 2.5)) == PEOPLE[1:2]
    assert drain.handle(Moved(person=PEOPLE[0]), 2.6) == ()
    assert drain.handle(Left(person=PEOPLE[1]), 2.6) == ()
    assert _told(drain.handle(Tick(), 3.0)) == PEOPLE[2:3]
    assert drain.progress(3.0) == DrainProgress(
        state=DrainState.DRAINING,
        stopping=False,
        moved=1,
        left=1,
        remaining=1,
        released=0,
        passing=0,
        deadline_in_s=57.0,
    )


def test_routes_that_do_not_end_hold_nobody_up() -> None:
    drain = _drain()
    drain.handle(_asked(), 0.0)
    assert drain.next_deadline() == ROUTES_S
    assert _told(drain.handle(Tick(), ROUTES_S)) == PEOPLE[:1]


def test_a_short_deadline_leaves_people_their_time() -> None:
    drain = _drain()
    drain.handle(_asked(deadline_s=6.0), 0.0)
    assert drain.next_deadline() == 2.0
    assert _told(drain.handle(Tick(), 2.0)) == PEOPLE[:1]


def test_what_passes_is_seen_and_an_empty_process_waits_until_it_has_gone() -> None:
    drain = _drain()
    stop = StopAsked(people=frozenset(PEOPLE[:1]), deadline_s=60.0, passing=2)
    assert drain.handle(stop, 0.0) == OPENING
    assert drain.progress(0.0).passing == 2
    assert drain.handle(Left(person=PEOPLE[0]), 1.0) == ()
    assert drain.handle(LegsPass(legs=1), 2.0) == ()
    assert drain.progress(2.0).passing == 1
    assert drain.handle(LegsPass(legs=0), 3.0) == (Finish(),)


def test_what_has_no_other_way_is_not_waited_for_beyond_the_time_of_routes() -> None:
    drain = _drain()
    assert drain.handle(StopAsked(people=frozenset(), deadline_s=60.0, passing=2), 0.0) == OPENING
    assert drain.next_deadline() == ROUTES_S
    assert drain.handle(Tick(), ROUTES_S) == (Finish(),)


def test_a_way_that_is_taken_anew_while_the_news_spread_is_waited_for() -> None:
    drain = _drain()
    drain.handle(StopAsked(people=frozenset(PEOPLE[:1]), deadline_s=60.0), 0.0)
    drain.handle(RoutesEnded(drain=1), 0.5)
    drain.handle(LegsPass(legs=1), 0.8)
    assert drain.handle(Moved(person=PEOPLE[0]), 1.0) == ()
    assert drain.handle(Tick(), ROUTES_S) == (Finish(),)


def test_answers_to_an_older_drain_count_for_nothing() -> None:
    drain = _drain()
    drain.handle(_asked(2), 0.0)
    drain.handle(UndoAsked(), 0.1)
    again = drain.handle(StopAsked(people=frozenset(PEOPLE[:2]), deadline_s=60.0), 0.2)
    assert again[1:] == (LinkAhead(drain=3), Announce(draining=True), EndRoutes(drain=3))
    assert drain.handle(RoutesEnded(drain=1), 0.3) == ()
    assert drain.handle(CannotMove(drain=1, people=PEOPLE[:2]), 0.4) == ()
    assert drain.handle(NobodyTakes(drain=1, people=PEOPLE[:2]), 0.5) == (), "nobody is released for it"
    assert drain.handle(RoutesEnded(drain=3), 0.6) == (Move(drain=3, people=PEOPLE[:2], within_s=TELL_AGAIN_S),)
    assert drain.number == 3


def test_who_was_told_and_did_not_go_is_told_again() -> None:
    drain = _drain()
    drain.handle(_asked(1), 0.0)
    assert _told(drain.handle(RoutesEnded(drain=1), 1.0)) == PEOPLE[:1]
    assert drain.next_deadline() == 1.0 + TELL_AGAIN_S
    assert _told(drain.handle(Tick(), 1.0 + TELL_AGAIN_S)) == PEOPLE[:1]


def test_at_the_deadline_the_seats_are_released() -> None:
    drain = _drain()
    drain.handle(_asked(2, deadline_s=10.0), 0.0)
    assert drain.handle(Tick(), 10.0) == (Release(),)
    assert drain.progress(10.0).released == 2
    assert drain.state is DrainState.RELEASED
    with pytest.raises(DrainOverError):
        drain.handle(UndoAsked(), 11.0)
    with pytest.raises(DrainOverError):
        drain.handle(_asked(), 11.0)


def test_without_moving_the_seats_are_released_now() -> None:
    drain = _drain()
    assert drain.handle(_asked(2, moves=False), 0.0) == (*OPENING, Release())
    assert drain.progress(0.0).released == 2


def test_an_undone_drain_serves_again() -> None:
    drain = _drain()
    drain.handle(_asked(), 0.0)
    drain.handle(RoutesEnded(drain=1), 0.1)
    assert drain.handle(UndoAsked(), 0.2) == (AdmitNew(), Announce(draining=False), RestoreRoutes())
    assert drain.state is DrainState.SERVING
    assert drain.next_deadline() is None
    assert drain.handle(UndoAsked(), 0.3) == ()


def test_an_empty_node_can_be_put_back_after_its_deadline_too() -> None:
    drain = _drain()
    drain.handle(_asked(1, deadline_s=5.0), 0.0)
    drain.handle(Moved(person=PEOPLE[0]), 1.0)
    assert drain.handle(Tick(), 5.0) == ()
    assert drain.state is DrainState.DRAINING
    assert drain.handle(UndoAsked(), 6.0)


def test_a_process_that_is_to_end_does_so_when_nobody_is_left() -> None:
    drain = _drain()
    assert drain.handle(StopAsked(people=frozenset(PEOPLE[:1]), deadline_s=30.0), 0.0) == OPENING
    with pytest.raises(DrainOverError):
        drain.handle(UndoAsked(), 0.5)
    assert drain.handle(Moved(person=PEOPLE[0]), 1.0) == (Finish(),)
    assert drain.state is DrainState.RELEASED


def test_a_node_without_people_ends_at_once() -> None:
    drain = _drain()
    assert drain.handle(StopAsked(people=frozenset(), deadline_s=30.0), 0.0) == (*OPENING, Finish())


def test_told_twice_to_end_it_waits_for_nobody() -> None:
    drain = _drain()
    stop = StopAsked(people=frozenset(PEOPLE), deadline_s=30.0)
    drain.handle(stop, 0.0)
    assert drain.handle(stop, 0.1) == (Finish(),)
    assert drain.handle(stop, 0.2) == ()


def test_a_stop_during_a_drain_keeps_the_nearer_deadline() -> None:
    drain = _drain()
    drain.handle(_asked(deadline_s=300.0), 0.0)
    assert drain.handle(StopAsked(people=frozenset(PEOPLE[:3]), deadline_s=30.0), 100.0) == ()
    assert drain.progress(100.0).deadline_in_s == 30.0


def test_with_nobody_to_take_them_a_process_that_is_to_end_does() -> None:
    drain = _drain()
    drain.handle(StopAsked(people=frozenset(PEOPLE[:1]), deadline_s=30.0), 0.0)
    drain.handle(RoutesEnded(drain=1), 0.1)
    assert drain.handle(NobodyTakes(drain=1, people=PEOPLE[:1]), 0.2) == (Release(), Finish())


def test_those_whom_nobody_takes_cut_off_nobody_who_can_go() -> None:
    """A room that may live nowhere else, beside others that may."""
    drain = _drain()
    drain.handle(StopAsked(people=frozenset(PEOPLE[:4]), deadline_s=30.0), 0.0)
    assert _told(drain.handle(RoutesEnded(drain=1), 0.1)) == PEOPLE[:4]
    assert drain.handle(NobodyTakes(drain=1, people=PEOPLE[:1]), 0.2) == ()
    assert [drain.handle(Moved(person=one), 1.0) for one in PEOPLE[1:3]] == [(), ()]
    assert drain.handle(NobodyTakes(drain=1, people=PEOPLE[:1]), 1.1) == (), "one is still on the way"
    assert drain.handle(Moved(person=PEOPLE[3]), 1.2) == ()
    assert drain.handle(NobodyTakes(drain=1, people=PEOPLE[:1]), 1.3) == (Release(), Finish())


def test_where_nobody_is_taken_all_ask_at_once_and_nobody_waits_for_a_deadline() -> None:
    drain = _drain()
    everybody = frozenset(SessionId(f"s{number:02}") for number in range(40))
    drain.handle(StopAsked(people=everybody, deadline_s=30.0), 0.0)
    first = _told(drain.handle(RoutesEnded(drain=1), 0.1))
    assert len(first) < len(everybody)
    rest = _told(drain.handle(NobodyTakes(drain=1, people=tuple(first)), 0.2))
    assert {*first, *rest} == everybody
    assert drain.handle(NobodyTakes(drain=1, people=tuple(rest)), 0.3) == (Release(), Finish())


def test_with_nobody_to_take_them_a_drain_tries_again() -> None:
    drain = _drain()
    drain.handle(_asked(1), 0.0)
    drain.handle(RoutesEnded(drain=1), 0.0)
    assert drain.handle(NobodyTakes(drain=1, people=PEOPLE[:1]), 3.0) == ()
    assert drain.handle(Tick(), TELL_AGAIN_S) == ()
    assert _told(drain.handle(Tick(), 3.0 + TELL_AGAIN_S)) == PEOPLE[:1]


def test_without_an_engine_all_go_at_once() -> None:
    drain = _drain()
    drain.handle(_asked(5), 0.0)
    drain.handle(RoutesEnded(drain=1), 0.1)
    assert _told(drain.handle(EngineDied(), 0.2)) == PEOPLE[1:5]


def test_an_engine_that_dies_before_the_routes_ended_hurries_the_first_batch() -> None:
    drain = _drain()
    drain.handle(_asked(5), 0.0)
    assert drain.handle(EngineDied(), 0.1) == ()
    assert _told(drain.handle(RoutesEnded(drain=1), 0.2)) == PEOPLE[:5]


def test_who_came_in_at_the_last_moment_is_moved_too() -> None:
    drain = _drain()
    drain.handle(_asked(0), 0.0)
    assert drain.handle(RoutesEnded(drain=1), 0.1) == ()
    assert drain.handle(Came(person=PEOPLE[0]), 0.2) == ()
    assert drain.next_deadline() == 0.7
    assert _told(drain.handle(Tick(), 0.7)) == PEOPLE[:1]


def test_a_batch_without_a_size_spreads_them_over_half_of_the_deadline() -> None:
    people = frozenset(SessionId(f"{number:032x}") for number in range(1000))
    drain = _drain()
    drain.handle(DrainAsked(people=people, deadline_s=20.0), 0.0)
    first = _told(drain.handle(RoutesEnded(drain=1), 0.0))
    assert len(first) == 50
    small = _drain()
    small.handle(_asked(30, batch=None), 0.0)
    assert len(_told(small.handle(RoutesEnded(drain=1), 0.0))) == MIN_BATCH


def test_who_cannot_move_is_released_in_batches_after_those_who_can() -> None:
    drain = _drain()
    drain.handle(_asked(30, deadline_s=10.0, batch=None), 0.0)
    drain.handle(RoutesEnded(drain=1), 1.0)
    assert drain.handle(CannotMove(drain=1, people=PEOPLE[:25]), 1.0) == ()
    times: list[tuple[float, int]] = []
    now = 1.0
    while now < 9.9:
        due = drain.next_deadline()
        assert due is not None
        now = due
        for effect in drain.handle(Tick(), now):
            assert not isinstance(effect, Release), "all have gone before the deadline"
            if isinstance(effect, ReleaseSome):
                times.append((now, len(effect.people)))
                with pytest.raises(DrainOverError):
                    drain.handle(UndoAsked(), now)
        if not drain.remaining() - set(PEOPLE[25:]):
            break
    assert times == [(5.5, MIN_BATCH), (6.0, MIN_BATCH), (6.5, 5)]
    assert (drain.progress(now).released, drain.progress(now).remaining) == (25, 5)


def test_a_longer_deadline_is_one_for_those_who_cannot_move_too() -> None:
    drain = _drain()
    drain.handle(_asked(5, deadline_s=10.0), 0.0)
    drain.handle(RoutesEnded(drain=1), 0.5)
    drain.handle(CannotMove(drain=1, people=PEOPLE[:5]), 0.5)
    drain.handle(_asked(5, deadline_s=600.0), 1.0)
    for second in range(2, 290):
        assert not any(isinstance(effect, ReleaseSome) for effect in drain.handle(Tick(), float(second)))
    assert drain.handle(UndoAsked(), 290.0), "nobody was released, so it can still be undone"


def test_a_process_that_is_to_end_does_so_when_the_last_who_cannot_move_is_released() -> None:
    drain = _drain()
    drain.handle(StopAsked(people=frozenset(PEOPLE[:2]), deadline_s=10.0), 0.0)
    drain.handle(RoutesEnded(drain=1), 1.0)
    drain.handle(CannotMove(drain=1, people=PEOPLE[:2]), 1.0)
    drain.handle(Left(person=PEOPLE[0]), 2.0)
    effects: list[DrainEffect] = []
    while (due := drain.next_deadline()) is not None and due < 10.0:
        effects += drain.handle(Tick(), due)
    assert effects == [ReleaseSome(people=PEOPLE[1:2]), Finish()]


# --- whatever happens -----------------------------------------------------------------------

_people = st.sampled_from(PEOPLE[:6])
_crowds = st.frozensets(_people)
_numbers = st.integers(1, 3)
_events: st.SearchStrategy[DrainEvent] = st.one_of(
    st.builds(
        DrainAsked,
        people=_crowds,
        deadline_s=st.sampled_from([5.0, 60.0]),
        batch=st.sampled_from([1, 2]),
        moves=st.sampled_from([True, True, True, False]),
    ),
    st.builds(StopAsked, people=_crowds, deadline_s=st.sampled_from([5.0, 30.0]), passing=st.sampled_from([0, 0, 2])),
    st.just(UndoAsked()),
    st.builds(RoutesEnded, drain=_numbers),
    st.builds(LegsPass, legs=st.integers(0, 2)),
    st.builds(Came, person=_people),
    st.builds(Moved, person=_people),
    st.builds(Left, person=_people),
    st.builds(NobodyTakes, drain=_numbers, people=st.lists(_people, max_size=2).map(tuple)),
    st.builds(CannotMove, drain=_numbers, people=st.lists(_people, max_size=2).map(tuple)),
    st.just(EngineDied()),
    st.just(Tick()),
)
_histories = st.lists(st.tuples(_events, st.sampled_from([0.0, 0.1, 1.0, 4.0])), max_size=40)


@dataclass
class _Witness:
    """Checks each step against what must hold."""

    drain: Drain = field(default_factory=_drain)
    routes_ended: bool = False
    routes_until: float = 0.0
    passing: int = 0
    released: int = 0
    finished: int = 0
    known: int = 0

    def step(self, event: DrainEvent, now: float) -> None:
        before, seen = self.drain.state, self.drain.progress(now)
        here = self.drain.remaining()
        try:
            effects = self.drain.handle(event, now)
        except DrainOverError:
            assert before is DrainState.RELEASED or seen.stopping or seen.released
            assert (self.drain.progress(now), self.drain.remaining()) == (seen, here)
            return
        after = self.drain.progress(now)
        if RefuseNew() in effects:
            assert isinstance(event, DrainAsked | StopAsked)
            self.routes_ended = False
            self.routes_until = now + min(ROUTES_S, event.deadline_s * ROUTES_SHARE)
            self.passing = event.passing
        elif isinstance(event, DrainAsked | StopAsked) and before is DrainState.DRAINING:
            # A nearer deadline leaves less time for routes as well.
            self.routes_until = min(self.routes_until, now + min(ROUTES_S, event.deadline_s * ROUTES_SHARE))
        if isinstance(event, LegsPass) and before is DrainState.DRAINING:
            self.passing = event.legs
        of_this = isinstance(event, RoutesEnded) and event.drain == self.drain.number
        if of_this or now >= self.routes_until:
            self.routes_ended = True
        told = _told(effects)
        if Finish() in effects and self.passing and before is not DrainState.RELEASED and now < self.routes_until:
            # Somebody said that it must not wait, or it is alone.
            assert isinstance(event, StopAsked | DrainAsked | NobodyTakes), "what passes is cut off"
        gone = {person for effect in effects if isinstance(effect, ReleaseSome) for person in effect.people}
        assert gone <= here, "nobody's seat is ended twice"
        assert not gone & self.drain.remaining()
        assert not told or self.routes_ended, "hops first"
        assert not told or self.drain.state is DrainState.DRAINING
        assert len(set(told)) == len(told)
        assert set(told) <= self.drain.remaining()
        assert not (AdmitNew() in effects and (self.released or seen.released or seen.stopping)), "no way back"
        self.released += effects.count(Release())
        self.finished += effects.count(Finish())
        assert self.released <= 1
        assert self.finished <= 1
        if before is DrainState.DRAINING and after.state is not DrainState.SERVING:
            total = seen.moved + seen.left + seen.remaining + seen.released + (len(here) < after.remaining)
            assert after.moved + after.left + after.remaining + after.released == total, "everybody is counted once"
        if after.state is DrainState.RELEASED:
            assert before is DrainState.RELEASED or after.remaining == 0
            assert self.drain.next_deadline() is None
        if after.state is DrainState.DRAINING and after.remaining:
            assert self.drain.next_deadline() is not None, "somebody is waited for without an end"


def _run(history: list[tuple[DrainEvent, float]], make: Callable[[], Drain] = _drain) -> _Witness:
    witness, now = _Witness(make()), 0.0
    for event, pause_s in history:
        now += pause_s
        witness.step(event, now)
    return witness


@given(_histories)
def test_hops_first_everybody_counted_and_no_way_back(history: list[tuple[DrainEvent, float]]) -> None:
    _run(history)


@example(
    [
        (StopAsked(people=frozenset(), deadline_s=30.0, passing=2), 0.0),
        (DrainAsked(people=frozenset(), deadline_s=5.0, batch=1, moves=True), 0.0),
    ]
)
@given(_histories)
def test_a_process_that_is_to_end_ends_by_its_deadline(history: list[tuple[DrainEvent, float]]) -> None:
    """Only its deadlines are fired after the stop."""
    witness = _run(history)
    now = sum(pause_s for _, pause_s in history)
    until = now + 30.0
    if not witness.drain.progress(now).stopping:
        witness.step(StopAsked(people=frozenset(PEOPLE[:2]), deadline_s=30.0), now)
    while (due := witness.drain.next_deadline()) is not None:
        now = max(now, due)
        assert now <= until
        witness.step(Tick(), now)
    assert witness.finished == 1


class _Careless(Drain):
    """Ends while other nodes' tracks pass."""

    def _finish_if_empty(self, now: float) -> tuple[DrainEffect, ...]:
        self._passing = 0
        return super()._finish_if_empty(now)


class _Hasty(Drain):
    """Moves people while routes still stand: what the properties are there to find."""

    def _welcome(self, person: SessionId, now: float) -> tuple[DrainEffect, ...]:
        super()._welcome(person, now)
        return self._next_batch(now)


def test_the_properties_kill_the_mutant() -> None:
    with pytest.raises(AssertionError, match="hops first"):
        _run([(_asked(), 0.0), (Came(person=PEOPLE[5]), 0.1)], lambda: _Hasty(draw=lambda: 0.5))
    stop = StopAsked(people=frozenset(PEOPLE[:1]), deadline_s=30.0, passing=1)
    with pytest.raises(AssertionError, match="what passes is cut off"):
        _run([(stop, 0.0), (Left(person=PEOPLE[0]), 0.1)], lambda: _Careless(draw=lambda: 0.5))
