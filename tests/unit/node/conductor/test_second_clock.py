"""Deadlines of second encodings."""

from __future__ import annotations

from node.conductor.second_clock import SECOND_LINGERS_S, SECOND_WITHIN_S, Due, SecondClock, Unplayed
from signalling.ids import SessionId, TrackId

BOB = SessionId("bob")
TRACK = TrackId("tr_1")
UNPLAYED = Unplayed(session=BOB, track=TRACK, codec="av1", accepted=("vp8",))
NOTHING = Due(late=(), idle=())


def test_a_repeated_word_puts_nothing_off_and_what_is_due_is_due_once() -> None:
    clock = SecondClock()
    assert clock.next_deadline() is None
    for now in (10.0, 12.0):
        clock.await_second(UNPLAYED, now)
        clock.is_idle(TRACK, now)
    assert clock.next_deadline() == 10 + SECOND_WITHIN_S
    assert clock.due(9.9 + SECOND_WITHIN_S) == NOTHING
    assert clock.due(10 + SECOND_WITHIN_S) == Due(late=(UNPLAYED,), idle=())
    assert clock.next_deadline() == 10 + SECOND_LINGERS_S
    assert clock.due(10 + SECOND_LINGERS_S) == Due(late=(), idle=(TRACK,))
    assert clock.due(1_000.0) == NOTHING
    assert clock.next_deadline() is None


def test_who_is_gone_waits_for_nothing_and_what_is_needed_or_over_does_not_end() -> None:
    clock = SecondClock()
    clock.await_second(UNPLAYED, 0.0)
    clock.forget(BOB)
    clock.is_idle(TRACK, 0.0)
    clock.is_needed(TRACK)
    assert clock.next_deadline() is None
    clock.await_second(UNPLAYED, 0.0)
    clock.is_idle(TRACK, 0.0)
    clock.keep(lambda track: track != TRACK)
    assert clock.next_deadline() is None
