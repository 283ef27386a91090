"""The registry on its own: rows of its table, and random walks of three sessions over two nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from session import seat_table, slot_memory
from session.config import SessionConfig
from session.records import RoomNodes, SeatLost
from session.registry import RegistryCounts, SeatRegistry
from session.registry_events import (
    Admit,
    Assert,
    AssertAnswered,
    CheckRequested,
    Claim,
    ClaimAnswered,
    DrainEnded,
    JoinAbandoned,
    JoinRequested,
    LeaveRequested,
    Refuse,
    RegistryEffect,
    Release,
    ReleaseAnswered,
    RulesKnown,
    SessionMinted,
    SocketClosed,
    Tick,
    Touch,
    TouchAnswered,
)
from session.store import RoomPolicy, Seat, SeatAnswer, Verdict
from signalling.errors import ErrorCode
from signalling.ids import NodeId, SessionId
from tests.unit.session.cluster_model import RENEW_S, ClusterModel, Player
from tests.unit.session.seats import ROOM, by, record

if TYPE_CHECKING:
    from signalling.client.messages import LeaveReason

S1, S2 = SessionId("s1"), SessionId("s2")
OK = SeatAnswer(verdict=Verdict.OK, epoch=7)
UNKNOWN = SeatAnswer(verdict=Verdict.UNKNOWN)


def touched(
    seats: tuple[Seat, ...], answers: tuple[SeatAnswer, ...] | None, *, asked_at: float = float("inf")
) -> TouchAnswered:
    """An answer as fresh as can be, unless it says when it was asked for."""
    return TouchAnswered(seats=seats, answers=answers, asked_at=asked_at)


def asserted(seats: tuple[Seat, ...], answers: tuple[SeatAnswer, ...] | None) -> AssertAnswered:
    return AssertAnswered(seats=seats, answers=answers, asked_at=float("inf"))


def on(*nodes: str) -> SeatAnswer:
    return SeatAnswer(verdict=Verdict.OK, epoch=7, nodes=frozenset(NodeId(node) for node in nodes))


@pytest.fixture
def core() -> SeatRegistry:
    core = SeatRegistry(SessionConfig(cluster="c", node=NodeId("n1")))
    core.handle(SessionMinted(record=record("s1")), 0)
    core.handle(SessionMinted(record=record("s2")), 0)
    return core


def claim(core: SeatRegistry, session: SessionId, attempt: int, now: float = 0.0) -> Seat:
    (effect,) = core.handle(JoinRequested(session=session, room=ROOM, attempt=attempt, rules=by(10)), now)
    assert isinstance(effect, Claim)
    return effect.seat


def seated(core: SeatRegistry, session: SessionId, attempt: int, now: float = 0.0) -> Seat:
    seat = claim(core, session, attempt, now)
    effects = core.handle(ClaimAnswered(seat=seat, answer=OK), now)
    assert isinstance(effects[0], Admit)
    found = core.seat(session, ROOM)
    assert found is not None
    return found


def kinds(effects: tuple[RegistryEffect, ...]) -> list[type[RegistryEffect]]:
    return [type(effect) for effect in effects]


def test_a_stale_attempt_is_refused_without_asking(core: SeatRegistry) -> None:
    seated(core, S1, 5)
    effects = core.handle(JoinRequested(session=S2, room=ROOM, attempt=5, rules=by(10)), 0)
    assert effects == (Refuse(session=S2, room=ROOM, attempt=5, code=ErrorCode.ATTEMPT_STALE, highest_attempt=5),)


def test_unknown_is_answered_with_assert_and_ends_nothing(core: SeatRegistry) -> None:
    seat = seated(core, S1, 1)
    for _ in range(100):
        assert core.handle(touched(seats=(seat,), answers=(UNKNOWN,)), 1) == (Assert(seats=(seat,), asked_at=0),)
        assert core.handle(asserted(seats=(seat,), answers=(UNKNOWN,)), 1) == ()
    assert core.counts().seats_unconfirmed == 1
    core.handle(asserted(seats=(seat,), answers=(OK,)), 1)
    assert core.counts().seats_unconfirmed == 0


def test_silence_ends_nothing_and_the_return_restates_everything(core: SeatRegistry) -> None:
    seat = seated(core, S1, 1)
    for now in range(0, 300, 3):
        core.handle(touched(seats=(seat,), answers=None), now)
    assert core.counts().degraded
    effects = core.handle(touched(seats=(seat,), answers=(OK,)), 300)
    assert effects == (Assert(seats=(seat,), asked_at=0),)
    assert not core.counts().degraded


def test_an_answer_to_an_attempt_that_is_no_longer_is_ignored(core: SeatRegistry) -> None:
    old = seated(core, S1, 1)
    seated(core, S1, 2)
    superseded = SeatAnswer(verdict=Verdict.SUPERSEDED, by_session=S1)
    assert core.handle(touched(seats=(old,), answers=(superseded,)), 1) == ()
    assert core.seat(S1, ROOM) is not None


def test_a_claim_given_up_is_released_whatever_its_answer(core: SeatRegistry) -> None:
    for answer in (OK, None):
        seat = claim(core, S1, 1 if answer else 2)
        core.handle(JoinAbandoned(session=S1, room=ROOM, attempt=seat.attempt), 0)
        assert core.handle(ClaimAnswered(seat=seat, answer=answer), 0) == (Release(seats=(seat,)),)
    assert core.counts().seats == 0


def test_an_unanswered_release_is_said_again(core: SeatRegistry) -> None:
    seat = seated(core, S1, 1)
    assert core.handle(LeaveRequested(session=S1, room=ROOM), 0) == (Release(seats=(seat,)),)
    core.handle(ReleaseAnswered(seats=(seat,), answers=None), 0)
    assert core.handle(Tick(), RENEW_S) == (Release(seats=(seat,)),)
    core.handle(ReleaseAnswered(seats=(seat,), answers=(OK,)), RENEW_S)
    assert core.next_deadline() in (None, RENEW_S * 2)
    assert core.handle(Tick(), RENEW_S * 2) == ()
    assert core.next_deadline() is None


def test_a_late_leave_of_a_replaced_session_does_nothing(core: SeatRegistry) -> None:
    seated(core, S1, 1)
    seat = claim(core, S2, 2)
    effects = core.handle(ClaimAnswered(seat=seat, answer=OK), 0)
    assert effects[1] == SeatLost(session=S1, room=ROOM, reason="replaced", successor=S2)
    for late in (LeaveRequested(session=S1, room=ROOM), SocketClosed(session=S1)):
        assert core.handle(late, 1) == ()
    assert core.seat(S2, ROOM) is not None


def test_an_older_claim_answered_last_does_not_win(core: SeatRegistry) -> None:
    first, second = claim(core, S1, 1), claim(core, S2, 2)
    core.handle(ClaimAnswered(seat=second, answer=OK), 0)
    effects = core.handle(ClaimAnswered(seat=first, answer=OK), 0)
    assert effects == (
        Release(seats=(core_seat(first, OK),)),
        Refuse(session=S1, room=ROOM, attempt=1, code=ErrorCode.ATTEMPT_STALE, highest_attempt=2),
    )


def core_seat(seat: Seat, answer: SeatAnswer) -> Seat:
    return replace(seat, epoch=answer.epoch)


def test_after_an_outage_the_old_nodes_count_for_one_lease(core: SeatRegistry) -> None:
    seat = seated(core, S1, 1)
    both = SeatAnswer(verdict=Verdict.OK, epoch=7, nodes=frozenset({NodeId("n2"), NodeId("n3")}))
    assert core.handle(touched(seats=(seat,), answers=(both,)), 1) == (RoomNodes(room=ROOM, nodes=both.nodes),)
    core.handle(touched(seats=(seat,), answers=None), 2)
    one = SeatAnswer(verdict=Verdict.OK, epoch=7, nodes=frozenset({NodeId("n2")}))
    assert kinds(core.handle(asserted(seats=(seat,), answers=(one,)), 3)) == [Assert]
    assert core.handle(touched(seats=(seat,), answers=(one,)), 10.9) == ()
    assert core.handle(touched(seats=(seat,), answers=(one,)), 11) == (RoomNodes(room=ROOM, nodes=one.nodes),)


def test_an_answer_older_than_the_last_news_takes_no_node_away(core: SeatRegistry) -> None:
    seat = seated(core, S1, 1)
    bob = replace(claim_of_bob(core), epoch=0)
    assert core.handle(ClaimAnswered(seat=bob, answer=on("n2")), 2)[-1] == RoomNodes(room=ROOM, nodes=on("n2").nodes)
    # Asked before n2 was learnt of, answered after it.
    assert core.handle(touched((seat,), (on(),), asked_at=1), 3) == ()
    effects = core.handle(touched((seat,), (on("n3"),), asked_at=1), 3)
    assert effects == (RoomNodes(room=ROOM, nodes=on("n2", "n3").nodes),)
    assert core.handle(touched((seat,), (on(),), asked_at=4), 5) == (RoomNodes(room=ROOM, nodes=frozenset()),)


def claim_of_bob(core: SeatRegistry) -> Seat:
    core.handle(SessionMinted(record=record("s9", user="bob")), 0)
    return claim(core, SessionId("s9"), 1)


def test_all_seats_of_a_room_count_as_one_answer(core: SeatRegistry) -> None:
    first = seated(core, S1, 1)
    bob = claim_of_bob(core)
    core.handle(ClaimAnswered(seat=bob, answer=on("n2", "n3")), 1)
    effects = core.handle(touched((first, bob), (on("n2", "n3"), on("n2")), asked_at=2), 3)
    assert effects == (RoomNodes(room=ROOM, nodes=on("n2").nodes),)


def test_a_move_tells_where_to(core: SeatRegistry) -> None:
    seat = seated(core, S1, 1)
    core.handle(ClaimAnswered(seat=claim_of_bob(core), answer=on()), 1)
    moved = SeatAnswer(
        verdict=Verdict.SUPERSEDED, by_device=seat.device, by_node=NodeId("n2"), nodes=frozenset({NodeId("n2")})
    )
    assert core.handle(touched((seat,), (moved,), asked_at=2), 2) == (
        SeatLost(session=S1, room=ROOM, reason="replaced", moved_to=NodeId("n2")),
        RoomNodes(room=ROOM, nodes=frozenset({NodeId("n2")})),
    )


def test_an_older_answer_never_lowers_an_epoch(core: SeatRegistry) -> None:
    seat = seated(core, S1, 1)
    core.handle(asserted((seat,), (replace(OK, epoch=20),)), 1)
    core.handle(touched((seat,), (replace(OK, epoch=7),)), 2)
    found = core.seat(S1, ROOM)
    assert found is not None
    assert found.epoch == 20


def test_a_join_that_was_given_up_is_not_waited_for_again(core: SeatRegistry) -> None:
    seat = claim(core, S1, 4)
    core.handle(JoinAbandoned(session=S1, room=ROOM, attempt=4), 0)
    effects = core.handle(JoinRequested(session=S1, room=ROOM, attempt=4, rules=by(10)), 0)
    assert effects == (Refuse(session=S1, room=ROOM, attempt=4, code=ErrorCode.ATTEMPT_STALE, highest_attempt=4),)
    assert core.handle(ClaimAnswered(seat=seat, answer=OK), 0) == (Release(seats=(seat,)),)


def test_nothing_is_kept_of_rooms_that_left_this_node(core: SeatRegistry) -> None:
    for nodes in (on(), on("n2")):
        seat = claim(core, S1, 1 if not nodes.nodes else 2)
        core.handle(ClaimAnswered(seat=seat, answer=nodes), 0)
        core.handle(touched((seat,), (on(),)), 1)
        core.handle(LeaveRequested(session=S1, room=ROOM), 2)
        core.handle(ReleaseAnswered(seats=(seat,), answers=(OK,)), 2)
    assert len(core._book.neighbours) == 0
    core.handle(SocketClosed(session=S1), 3)
    core.handle(SocketClosed(session=S2), 3)
    assert core.counts() == RegistryCounts(
        sessions=0, seats=0, seats_in_grace=0, seats_unconfirmed=0, rooms=0, joins_pending=0, degraded=False
    )


def test_graces_end_in_turn_and_a_rejoin_ends_its_own(core: SeatRegistry) -> None:
    seated(core, S1, 1)
    bob = claim_of_bob(core)
    core.handle(ClaimAnswered(seat=bob, answer=OK), 0)
    core.handle(SocketClosed(session=S1), 1)
    core.handle(SocketClosed(session=bob.session), 2)
    assert core.counts().seats_in_grace == 2
    seated(core, S2, 2, now=3)
    assert core.counts().seats_in_grace == 1
    assert SeatLost not in kinds(core.handle(Tick(), 7.9))
    lost = SeatLost(session=bob.session, room=ROOM, reason="connection_lost")
    assert lost in core.handle(Tick(), 8)
    assert core.seat(S2, ROOM) is not None


def test_what_refused_joins_leave_behind_is_bounded(core: SeatRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot_memory, "MAX_REMEMBERED_SLOTS", 5)
    full = SeatAnswer(verdict=Verdict.FULL, epoch=3)
    for n in range(20):
        session = SessionId(f"t{n}")
        core.handle(SessionMinted(record=record(session, user=f"user-{n}")), 0)
        core.handle(ClaimAnswered(seat=claim(core, session, 1), answer=full), 0)
    assert core.next_deadline() is None, "nobody sits here, so nothing is ever renewed"
    assert len(core._memory) == 5


def test_a_doubt_is_asked_at_once(core: SeatRegistry) -> None:
    seat = seated(core, S1, 1)
    assert core.handle(CheckRequested(session=S1, room=ROOM), 0) == (Touch(seats=(seat,), asked_at=0),)
    assert core.handle(CheckRequested(session=S2, room=ROOM), 0) == ()


def test_the_end_of_a_drain_releases_all_in_one(core: SeatRegistry) -> None:
    seat = seated(core, S1, 1)
    waiting = claim(core, S2, 2)
    effects = core.handle(DrainEnded(), 0)
    assert effects == (
        Refuse(session=S2, room=ROOM, attempt=2, code=ErrorCode.NODE_DRAINING),
        SeatLost(session=S1, room=ROOM, reason="node_drained"),
        Release(seats=(seat,)),
    )
    assert kinds(core.handle(ClaimAnswered(seat=waiting, answer=OK), 0)) == [Release]


# --- random walks --------------------------------------------------------------------------

PLAYERS = (
    Player("s1", "laptop-01", 1, "n1"),
    Player("s2", "laptop-01", 2, "n2"),
    Player("s3", "phone-001", 1, "n1"),
)

acts = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.sampled_from(["s1", "s2", "s3"])),
        st.tuples(st.sampled_from(["leave", "close", "peer_closed"]), st.sampled_from(["s1", "s2", "s3"])),
        st.tuples(st.just("pass_time"), st.sampled_from([0.5, 2.5, 6.0])),
        st.tuples(st.just("empty_store")),
        st.tuples(st.just("forget_leases")),
        st.tuples(st.just("kill"), st.just("n2")),
        st.tuples(st.just("move"), st.integers(0, 7)),
        st.tuples(st.just("move"), st.integers(0, 7)),
        st.tuples(st.just("time_out"), st.integers(0, 7)),
    ),
    max_size=40,
)


def walk(steps: list[tuple[object, ...]]) -> None:
    model = ClusterModel.of(*PLAYERS)
    joined: set[object] = set()
    for name, *arguments in steps:
        target = arguments[0] if arguments else None
        if name in ("move", "time_out"):
            _move(model, str(name), int(str(target)))
        elif name == "kill":
            if target in model.nodes:
                model.kill(str(target))
        elif name in ("pass_time", "empty_store", "forget_leases"):
            getattr(model, str(name))(*arguments)
        elif model.players[str(target)].node in model.nodes and (name == "join") != (target in joined):
            joined.add(target)
            getattr(model, str(name))(target)
    model.settle()


def _move(model: ClusterModel, name: str, index: int) -> None:
    if not model.messages:
        return
    index %= len(model.messages)
    if name == "move":
        model.move(index)
    elif not model.messages[index].asker_gave_up:
        model.time_out(index)


GIVES_WAY_AS_THE_STORE_RETURNS: list[tuple[object, ...]] = [
    ("join", "s1"),
    ("move", 0),
    ("empty_store",),
    ("join", "s3"),
    ("move", 0),
    ("move", 0),
    ("pass_time", 2.5),
    ("forget_leases",),
    ("time_out", 1),
]
"""Stated to the returned store a moment before it gave way, s1 was then newer there than s3, which lost its seat."""


@settings(max_examples=600, deadline=None)
@example(GIVES_WAY_AS_THE_STORE_RETURNS)
@given(acts)
def test_three_sessions_in_any_order(steps: list[tuple[object, ...]]) -> None:
    walk(steps)


def _release_without_compare(change: seat_table._Change) -> SeatAnswer:
    change._slot.holder = None
    return change._answer(Verdict.OK)


def test_a_mutant_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat_table._Change, "release", _release_without_compare)

    @settings(max_examples=600, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(acts)
    def attempt(steps: list[tuple[object, ...]]) -> None:
        walk(steps)

    with pytest.raises(AssertionError):
        attempt()


def test_a_seat_waits_as_long_as_its_room_says_by_now(core: SeatRegistry) -> None:
    seated(core, S1, 1)
    core.handle(RulesKnown(room=ROOM, rules=by(10, grace_s=1.0, revision=5)), 0)
    core.handle(RulesKnown(room=ROOM, rules=by(10, grace_s=7.0, revision=4)), 0)  # an old one, late
    core.handle(SocketClosed(session=S1), 10)
    core.handle(Tick(), 10.9)
    assert core.seat(S1, ROOM) is not None
    core.handle(Tick(), 11)
    assert core.seat(S1, ROOM) is None


def test_a_seat_in_a_room_that_rejects_by_now_tells_of_its_grace_at_once(core: SeatRegistry) -> None:
    seated(core, S1, 1)
    core.handle(RulesKnown(room=ROOM, rules=by(10, policy=RoomPolicy.REJECT, revision=5)), 0)
    assert Touch in kinds(core.handle(SocketClosed(session=S1), 1))


@pytest.mark.parametrize(("verdict", "reason"), [(Verdict.KICKED, "kicked"), (Verdict.DELETED, "room_deleted")])
def test_an_eviction_ends_a_seat_and_releases_it(core: SeatRegistry, verdict: Verdict, reason: LeaveReason) -> None:
    seat = seated(core, S1, 1)
    effects = core.handle(touched(seats=(seat,), answers=(SeatAnswer(verdict=verdict, epoch=7),)), 1)
    assert effects[0] == SeatLost(session=S1, room=ROOM, reason=reason)
    assert Release(seats=(seat,)) in effects
