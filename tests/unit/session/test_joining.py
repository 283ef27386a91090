"""How a join comes to its seat: every answer to a claim, what is asked on the way, and answers out of turn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from session.config import SessionConfig
from session.joining import HOLDER_SLACK_S
from session.records import AskHolder, AskMesh, HolderState, SeatLost
from session.registry import SeatRegistry
from session.registry_events import (
    Admit,
    AssertAnswered,
    Claim,
    ClaimAnswered,
    DrainEnded,
    HolderAnswered,
    HolderHeard,
    JoinAbandoned,
    JoinRequested,
    ReadRules,
    Refuse,
    RegistryEffect,
    Release,
    RulesRead,
    SessionMinted,
    SocketClosed,
    Tick,
    Touch,
    TouchAnswered,
)
from session.store import RoomPolicy, RoomRules, Seat, SeatAnswer, Verdict, slot_of
from signalling.errors import ErrorCode
from signalling.ids import DeviceId, NodeId, RoomId, SessionId
from tests.unit.session.seats import ROOM, USER, by, record

S1, S2 = SessionId("s1"), SessionId("s2")
FAR = SessionId("s9")
N2 = NodeId("n2")
CELLAR = RoomId("cellar")
REJECT = by(10, policy=RoomPolicy.REJECT)
OK = SeatAnswer(verdict=Verdict.OK, epoch=7)
CHANGED = SeatAnswer(verdict=Verdict.CHANGED)
BANNED = SeatAnswer(verdict=Verdict.BANNED)


@pytest.fixture
def core() -> SeatRegistry:
    core = SeatRegistry(SessionConfig(cluster="c", node=NodeId("n1")))
    core.handle(SessionMinted(record=record("s1")), 0)
    core.handle(SessionMinted(record=record("s2", device="phone-001")), 0)
    return core


def asked(core: SeatRegistry, session: SessionId, attempt: int, rules: RoomRules, now: float = 0.0) -> Claim:
    (effect,) = core.handle(JoinRequested(session=session, room=ROOM, attempt=attempt, rules=rules), now)
    assert isinstance(effect, Claim)
    return effect


def answered(claim: Claim, answer: SeatAnswer | None, *, wall_ms: int = 0) -> ClaimAnswered:
    return ClaimAnswered(seat=claim.seat, answer=answer, number=claim.number, wall_ms=wall_ms)


def seated(core: SeatRegistry, session: SessionId, attempt: int, rules: RoomRules = REJECT, now: float = 0.0) -> Seat:
    core.handle(answered(asked(core, session, attempt, rules, now), OK), now)
    seat = core.seat(session, ROOM)
    assert seat is not None
    return seat


def occupied(holder: SessionId = FAR, node: NodeId = N2) -> SeatAnswer:
    return SeatAnswer(
        verdict=Verdict.OCCUPIED, epoch=5, by_session=holder, by_node=node, by_device=DeviceId("laptop-01")
    )


def refusal(effects: tuple[RegistryEffect, ...]) -> ErrorCode:
    (code,) = [effect.code for effect in effects if isinstance(effect, Refuse)]
    return code


def the_claim(effects: tuple[RegistryEffect, ...]) -> Claim:
    (claim,) = effects
    assert isinstance(claim, Claim)
    return claim


def nothing_is_left(core: SeatRegistry) -> bool:
    return core.counts().joins_pending == 0 and core.counts().seats == 0


# --- what a claim may be answered --------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict.FULL, ErrorCode.ROOM_FULL),
        (Verdict.LOCKED, ErrorCode.ROOM_LOCKED),
        (Verdict.BANNED, ErrorCode.BANNED),
        (Verdict.SUPERSEDED, ErrorCode.ATTEMPT_STALE),
    ],
)
def test_a_room_that_refuses_says_why_and_the_attempt_is_not_used_up(
    core: SeatRegistry, verdict: Verdict, code: ErrorCode
) -> None:
    claim = asked(core, S1, 1, by(10))
    effects = core.handle(answered(claim, SeatAnswer(verdict=verdict)), 0)
    assert refusal(effects) is code
    assert not any(isinstance(effect, Release) for effect in effects)
    assert nothing_is_left(core)
    assert asked(core, S1, 1, by(10)).seat == claim.seat


def test_changed_rules_are_read_again_and_decide_the_second_claim(core: SeatRegistry) -> None:
    first = asked(core, S1, 1, by(10, revision=1))
    assert core.handle(answered(first, CHANGED), 0) == (ReadRules(session=S1, room=ROOM, attempt=1),)
    rules = by(3, policy=RoomPolicy.MULTI, revision=2)
    second = the_claim(core.handle(RulesRead(session=S1, room=ROOM, attempt=1, rules=rules), 0))
    assert (second.rules, second.number) == (rules, 2)
    assert second.seat.slot == slot_of(RoomPolicy.MULTI, USER, DeviceId("laptop-01"))
    core.handle(answered(second, OK), 0)
    assert core.seat(S1, ROOM) == replace(second.seat, epoch=7)


def test_rules_that_change_twice_refuse_the_join(core: SeatRegistry) -> None:
    core.handle(answered(asked(core, S1, 1, by(10)), CHANGED), 0)
    second = the_claim(core.handle(RulesRead(session=S1, room=ROOM, attempt=1, rules=by(10, revision=2)), 0))
    assert refusal(core.handle(answered(second, CHANGED), 0)) is ErrorCode.ROOM_CHANGED
    assert nothing_is_left(core)


def test_a_room_that_is_gone_refuses_the_join(core: SeatRegistry) -> None:
    core.handle(answered(asked(core, S1, 1, by(10)), CHANGED), 0)
    gone = RulesRead(session=S1, room=ROOM, attempt=1, rules=None, refusal=ErrorCode.ROOM_UNKNOWN)
    assert refusal(core.handle(gone, 0)) is ErrorCode.ROOM_UNKNOWN
    assert core.handle(gone, 0) == (), "said twice, it acts once"
    assert nothing_is_left(core)


# --- reject ------------------------------------------------------------------------------------


def test_a_holder_elsewhere_is_asked_and_its_silence_is_named(core: SeatRegistry) -> None:
    claim = asked(core, S2, 1, REJECT)
    assert core.handle(answered(claim, occupied()), 0) == (AskHolder(holder=FAR, node=N2, room=ROOM),)
    again = the_claim(core.handle(HolderAnswered(holder=FAR, room=ROOM, state=HolderState.SILENT), 2))
    assert (again.seat, again.silent, again.number) == (claim.seat, FAR, 2)
    effects = core.handle(answered(again, OK), 2)
    assert isinstance(effects[0], Admit)


@pytest.mark.parametrize("state", [HolderState.ALIVE, HolderState.UNREACHABLE])
def test_a_holder_that_is_there_or_cannot_be_asked_keeps_its_seat(core: SeatRegistry, state: HolderState) -> None:
    core.handle(answered(asked(core, S2, 1, REJECT), occupied()), 0)
    effects = core.handle(HolderAnswered(holder=FAR, room=ROOM, state=state), 1)
    assert effects == (Refuse(session=S2, room=ROOM, attempt=1, code=ErrorCode.SEAT_OCCUPIED),)
    assert nothing_is_left(core)


def test_who_came_in_while_the_holder_was_asked_is_not_asked_in_turn(core: SeatRegistry) -> None:
    core.handle(answered(asked(core, S2, 1, REJECT), occupied()), 0)
    again = the_claim(core.handle(HolderAnswered(holder=FAR, room=ROOM, state=HolderState.SILENT), 2))
    effects = core.handle(answered(again, occupied(SessionId("s8"))), 2)
    assert refusal(effects) is ErrorCode.SEAT_OCCUPIED


def test_a_holder_here_goes_into_grace_with_its_silence(core: SeatRegistry) -> None:
    held = seated(core, S1, 1)
    core.handle(answered(asked(core, S2, 1, REJECT), occupied(S1, NodeId("n1"))), 0)
    touch, claim = core.handle(HolderAnswered(holder=S1, room=ROOM, state=HolderState.SILENT), 2)
    assert touch == Touch(seats=(replace(held, in_grace=True),), asked_at=2)
    assert isinstance(claim, Claim)
    assert claim.silent == S1
    effects = core.handle(answered(claim, replace(OK, epoch=8)), 2)
    assert effects[1] == SeatLost(session=S1, room=ROOM, reason="replaced")


def test_a_holder_here_whose_socket_is_gone_is_not_asked(core: SeatRegistry) -> None:
    held = seated(core, S1, 1)
    claim = asked(core, S2, 1, REJECT)
    assert core.handle(SocketClosed(session=S1), 1) == (Touch(seats=(replace(held, in_grace=True),), asked_at=1),)
    again = the_claim(core.handle(answered(claim, occupied(S1, NodeId("n1"))), 1))
    assert again.silent == S1


def test_a_holder_that_this_node_forgot_is_not_asked(core: SeatRegistry) -> None:
    gone = SessionId("s7")
    assert the_claim(core.handle(answered(asked(core, S2, 1, REJECT), occupied(gone, NodeId("n1"))), 0)).silent == gone


def test_no_word_in_time_is_a_refusal(core: SeatRegistry) -> None:
    core.handle(answered(asked(core, S2, 1, REJECT), occupied()), 1)
    due = 1 + 2.0 + HOLDER_SLACK_S
    assert core.next_deadline() == due
    assert core.handle(Tick(), due - 0.01) == ()
    assert refusal(core.handle(Tick(), due)) is ErrorCode.SEAT_OCCUPIED
    assert core.handle(HolderAnswered(holder=FAR, room=ROOM, state=HolderState.SILENT), due) == ()
    assert core.next_deadline() is None


def test_two_joins_for_one_seat_ask_its_holder_once(core: SeatRegistry) -> None:
    core.handle(SessionMinted(record=record("s3", device="tablet-01")), 0)
    core.handle(answered(asked(core, S2, 1, REJECT), occupied()), 0)
    assert core.handle(answered(asked(core, SessionId("s3"), 1, REJECT), occupied()), 0) == ()
    claims = core.handle(HolderAnswered(holder=FAR, room=ROOM, state=HolderState.SILENT), 1)
    assert [type(effect) for effect in claims] == [Claim, Claim]


def test_the_room_policy_decides_whether_a_dropped_socket_is_told_at_once(core: SeatRegistry) -> None:
    seated(core, S1, 1, by(10))
    assert core.handle(SocketClosed(session=S1), 1) == (), "the next renewal is soon enough"
    (renewal,) = core.handle(Tick(), 2.5)
    assert isinstance(renewal, Touch)
    assert renewal.seats[0].in_grace


# --- grace -------------------------------------------------------------------------------------


def test_every_room_has_its_own_grace_and_none_outlives_the_lease(core: SeatRegistry) -> None:
    waits = {"s3": (None, 6.0), "s4": (1.0, 1.0), "s5": (99.0, 8.0), "s6": (3.0, 3.0)}
    for name, (grace_s, _) in waits.items():
        core.handle(SessionMinted(record=record(name, user=name)), 0)
        seated(core, SessionId(name), 1, by(10, grace_s=grace_s))
    for name in waits:
        core.handle(SocketClosed(session=SessionId(name)), 0)
    ends = []
    for tenth in range(100):
        lost = [effect.session for effect in core.handle(Tick(), tenth / 10) if isinstance(effect, SeatLost)]
        ends += [(name, tenth / 10) for name in lost]
    assert ends == sorted(((name, end) for name, (_, end) in waits.items()), key=lambda item: item[1])


def test_a_room_without_grace_ends_its_seats_at_once(core: SeatRegistry) -> None:
    seat = seated(core, S1, 1, replace(REJECT, grace_s=0.0))
    assert core.handle(SocketClosed(session=S1), 1) == (
        SeatLost(session=S1, room=ROOM, reason="connection_lost"),
        Release(seats=(replace(seat, in_grace=True),)),
    )


def test_graces_that_were_cut_short_do_not_wake_the_node(core: SeatRegistry) -> None:
    seated(core, S1, 1, by(10, grace_s=1.0))
    core.handle(SocketClosed(session=S1), 0)
    core.handle(SessionMinted(record=record("s3")), 0)
    seated(core, SessionId("s3"), 2, by(10), now=0.5)
    assert core.next_deadline() == 2.5, "the renewal"
    assert SeatLost not in [type(effect) for effect in core.handle(Tick(), 1.5)]


# --- bans --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TouchAnswered, AssertAnswered])
def test_a_ban_ends_a_seat_at_its_renewal(core: SeatRegistry, kind: type[TouchAnswered] | type[AssertAnswered]) -> None:
    seat = seated(core, S1, 1)
    assert core.handle(kind(seats=(seat,), answers=(BANNED,), asked_at=1), 1) == (
        SeatLost(session=S1, room=ROOM, reason="kicked"),
        Release(seats=(seat,)),
    )


# --- without the store -------------------------------------------------------------------------


def alone(core: SeatRegistry, session: SessionId, attempt: int, rules: RoomRules) -> tuple[RegistryEffect, ...]:
    """Join while the store is away; what is done here, beside asking the mesh where the room lives."""
    effects = core.handle(answered(asked(core, session, attempt, rules), None), 0)
    return tuple(effect for effect in effects if not isinstance(effect, AskMesh))


def test_without_the_store_a_node_refuses_by_what_it_knows(core: SeatRegistry) -> None:
    assert refusal(alone(core, S1, 1, by(10, locked=True))) is ErrorCode.ROOM_LOCKED
    assert refusal(alone(core, S1, 2, by(0))) is ErrorCode.ROOM_FULL
    core.handle(answered(asked(core, S1, 3, by(10)), BANNED), 0)
    assert refusal(alone(core, S1, 4, by(10))) is ErrorCode.BANNED
    core.handle(answered(asked(core, S1, 5, by(10)), SeatAnswer(verdict=Verdict.FULL)), 0)
    effects = alone(core, S1, 6, by(10))
    assert isinstance(effects[0], Admit), "the ban was lifted, as the store's later word showed"


def test_a_ban_holds_for_all_devices_of_a_user_whatever_their_slots(core: SeatRegistry) -> None:
    multi = by(10, policy=RoomPolicy.MULTI)
    core.handle(answered(asked(core, S1, 1, multi), BANNED), 0)
    for attempt, rules in enumerate((multi, by(10)), start=1):
        assert refusal(alone(core, S2, attempt, rules)) is ErrorCode.BANNED
    core.handle(SessionMinted(record=record("s3", user="bob")), 0)
    assert isinstance(alone(core, SessionId("s3"), 1, multi)[0], Admit)
    core.handle(Tick(), 4_000)
    assert isinstance(alone(core, S2, 3, multi)[0], Admit), "remembered as long as a slot is"


def test_without_the_store_who_sits_here_comes_back_into_a_locked_and_full_room(core: SeatRegistry) -> None:
    seated(core, S1, 1, by(10))
    core.handle(SessionMinted(record=record("s3")), 0)
    effects = alone(core, SessionId("s3"), 2, by(1, locked=True))
    assert isinstance(effects[0], Admit)
    core.handle(SessionMinted(record=record("s4")), 0)
    multi = alone(core, SessionId("s4"), 3, by(1, locked=True, policy=RoomPolicy.MULTI))
    assert isinstance(multi[0], Admit), "the policy changed, the person did not"
    assert core.counts().seats == 1


def test_without_the_store_reject_asks_whoever_sits_here(core: SeatRegistry) -> None:
    seated(core, S1, 1)
    assert alone(core, S2, 1, REJECT) == (AskHolder(holder=S1, node=NodeId("n1"), room=ROOM),)
    effects = core.handle(HolderAnswered(holder=S1, room=ROOM, state=HolderState.ALIVE), 1)
    assert refusal(effects) is ErrorCode.SEAT_OCCUPIED
    assert [type(effect) for effect in effects] == [Release, Refuse], "the claim may have landed"
    alone(core, S2, 2, REJECT)
    touch, again = core.handle(HolderAnswered(holder=S1, room=ROOM, state=HolderState.SILENT), 2)
    assert isinstance(touch, Touch)
    assert isinstance(again, Claim)
    effects = core.handle(answered(again, None), 2)
    assert [type(effect) for effect in effects] == [AskMesh, Admit, Release, SeatLost]
    assert [seat.session for effect in effects if isinstance(effect, Release) for seat in effect.seats] == [S1]


def test_a_join_without_an_answer_gives_way_to_one_that_the_store_seated_meanwhile(core: SeatRegistry) -> None:
    waiting = asked(core, S1, 1, by(10))
    core.handle(answered(asked(core, S2, 1, by(10)), SeatAnswer(verdict=Verdict.OK, epoch=7)), 0)
    effects = core.handle(answered(waiting, None), 1)
    assert refusal(effects) is ErrorCode.REPLACED
    assert [type(effect) for effect in effects] == [Release, Refuse]
    assert core.seat(S2, ROOM) is not None


def test_a_clock_of_the_node_that_steps_back_does_not_reorder_devices(core: SeatRegistry) -> None:
    core.handle(answered(asked(core, S1, 1, by(10)), None, wall_ms=5_000_000), 0)
    core.handle(answered(asked(core, S2, 1, by(10)), None, wall_ms=1_000), 0)
    seat = core.seat(S2, ROOM)
    assert seat is not None
    assert seat.epoch == 5_000_001
    assert core.seat(S1, ROOM) is None


# --- answers twice, late, and after the end ------------------------------------------------------


def test_a_claim_answered_twice_acts_once(core: SeatRegistry) -> None:
    claim = asked(core, S1, 1, by(10))
    core.handle(answered(claim, OK), 0)
    for late in (OK, CHANGED, occupied(), BANNED):
        assert core.handle(answered(claim, late), 1) == ()
    assert not [effect for effect in core.handle(answered(claim, None), 1) if isinstance(effect, Release)]
    assert core.seat(S1, ROOM) is not None


def test_an_answer_to_the_first_claim_is_not_taken_for_the_seconds(core: SeatRegistry) -> None:
    first = asked(core, S1, 1, by(10))
    core.handle(answered(first, CHANGED), 0)
    assert core.handle(answered(first, CHANGED), 0) == ()
    assert core.handle(answered(first, OK), 0) == (), "while the rules are read"
    second = the_claim(core.handle(RulesRead(session=S1, room=ROOM, attempt=1, rules=by(10, revision=2)), 0))
    assert core.handle(answered(first, CHANGED), 0) == ()
    assert core.handle(RulesRead(session=S1, room=ROOM, attempt=1, rules=by(10)), 0) == ()
    assert isinstance(core.handle(answered(second, OK), 0)[0], Admit)


@pytest.mark.parametrize("ending", [JoinAbandoned(session=S2, room=ROOM, attempt=1), SocketClosed(session=S2)])
@pytest.mark.parametrize("state", HolderState)
def test_a_join_given_up_while_its_holder_is_asked_leaves_nothing(
    core: SeatRegistry, ending: JoinAbandoned | SocketClosed, state: HolderState
) -> None:
    core.handle(answered(asked(core, S2, 1, REJECT), occupied()), 0)
    core.handle(ending, 1)
    assert core.handle(HolderAnswered(holder=FAR, room=ROOM, state=state), 2) == ()
    assert nothing_is_left(core)


def test_a_join_given_up_while_the_rules_are_read_leaves_nothing(core: SeatRegistry) -> None:
    core.handle(answered(asked(core, S1, 1, by(10)), CHANGED), 0)
    core.handle(JoinAbandoned(session=S1, room=ROOM, attempt=1), 0)
    assert core.handle(RulesRead(session=S1, room=ROOM, attempt=1, rules=by(10)), 0) == ()
    assert nothing_is_left(core)


def test_a_claim_without_an_answer_is_released_when_its_join_is_refused(core: SeatRegistry) -> None:
    seated(core, S1, 1)
    alone(core, S2, 1, REJECT)
    core.handle(JoinAbandoned(session=S2, room=ROOM, attempt=1), 1)
    effects = core.handle(HolderAnswered(holder=S1, room=ROOM, state=HolderState.ALIVE), 1)
    assert [type(effect) for effect in effects] == [Release]


def test_a_drain_refuses_who_waits_for_a_holder(core: SeatRegistry) -> None:
    core.handle(answered(asked(core, S2, 1, REJECT), occupied()), 0)
    assert refusal(core.handle(DrainEnded(), 1)) is ErrorCode.NODE_DRAINING
    assert core.handle(HolderAnswered(holder=FAR, room=ROOM, state=HolderState.SILENT), 1) == ()


def test_a_change_of_policy_moves_a_device_and_leaves_no_second_seat(core: SeatRegistry) -> None:
    seated(core, S1, 1, by(10))
    core.handle(SessionMinted(record=record("s3")), 0)
    claim = asked(core, SessionId("s3"), 2, by(10, policy=RoomPolicy.MULTI))
    effects = core.handle(answered(claim, OK), 0)
    assert isinstance(effects[0], Admit)
    assert effects[0].takes_over == S1
    assert effects[1] == SeatLost(session=S1, room=ROOM, reason="replaced", successor=SessionId("s3"))


def test_an_answer_to_an_older_join_comes_late_in_the_slot_of_the_other_policy(core: SeatRegistry) -> None:
    late = asked(core, S1, 1, by(10))
    core.handle(SessionMinted(record=record("s3")), 0)
    core.handle(answered(asked(core, SessionId("s3"), 2, by(10, policy=RoomPolicy.MULTI)), OK), 0)
    assert refusal(core.handle(answered(late, OK), 0)) is ErrorCode.ATTEMPT_STALE
    assert core.seat(S1, ROOM) is None


def test_multi_seats_two_devices_and_one_of_them_leaves_alone(core: SeatRegistry) -> None:
    multi = by(10, policy=RoomPolicy.MULTI)
    seated(core, S1, 1, multi)
    seated(core, S2, 1, multi)
    core.handle(SocketClosed(session=S1), 0)
    lost = [effect for effect in core.handle(Tick(), 6) if isinstance(effect, SeatLost)]
    assert [loss.session for loss in lost] == [S1]
    assert core.seat(S2, ROOM) is not None


# --- one holder, several rooms -------------------------------------------------------------------


def test_silence_in_a_room_without_a_seat_touches_nothing_of_a_session(core: SeatRegistry) -> None:
    held = seated(core, S1, 1)
    assert core.handle(HolderAnswered(holder=S1, room=CELLAR, state=HolderState.SILENT), 1) == ()
    assert core.seat(S1, ROOM) == held
    (claim,) = core.handle(JoinRequested(session=S1, room=CELLAR, attempt=1, rules=REJECT), 2)
    assert isinstance(claim, Claim), "the session is not over"


def test_silence_is_about_the_seat_in_one_room(core: SeatRegistry) -> None:
    held = seated(core, S1, 1)
    (claim,) = core.handle(JoinRequested(session=S1, room=CELLAR, attempt=1, rules=by(10)), 0)
    assert isinstance(claim, Claim)
    core.handle(answered(claim, OK), 0)
    (touch,) = core.handle(HolderAnswered(holder=S1, room=CELLAR, state=HolderState.SILENT), 1)
    cellar = core.seat(S1, CELLAR)
    assert cellar is not None
    assert touch == Touch(seats=(cellar,), asked_at=1)
    assert cellar.in_grace
    assert core.seat(S1, ROOM) == held
    assert SeatLost(session=S1, room=CELLAR, reason="connection_lost") in core.handle(Tick(), 7)
    assert core.seat(S1, ROOM) == held


def test_a_silent_holder_whose_socket_then_closes_waits_no_longer_for_it(core: SeatRegistry) -> None:
    held = seated(core, S1, 1)
    core.handle(HolderAnswered(holder=S1, room=ROOM, state=HolderState.SILENT), 1)
    assert core.handle(SocketClosed(session=S1), 3) == ()
    lost = core.handle(Tick(), 7)
    assert SeatLost(session=S1, room=ROOM, reason="connection_lost") in lost
    assert Release(seats=(replace(held, in_grace=True),)) in lost
    assert core.record(S1) is None


def test_a_word_about_one_room_is_not_taken_for_one_about_another(core: SeatRegistry) -> None:
    core.handle(answered(asked(core, S2, 1, REJECT), occupied()), 0)
    (claim,) = core.handle(JoinRequested(session=S2, room=CELLAR, attempt=1, rules=REJECT), 0)
    assert isinstance(claim, Claim)
    assert core.handle(answered(claim, occupied()), 0) == (AskHolder(holder=FAR, node=N2, room=CELLAR),)
    silent = the_claim(core.handle(HolderAnswered(holder=FAR, room=ROOM, state=HolderState.SILENT), 1))
    assert silent.seat.room == ROOM
    alive = core.handle(HolderAnswered(holder=FAR, room=CELLAR, state=HolderState.ALIVE), 1)
    assert alive == (Refuse(session=S2, room=CELLAR, attempt=1, code=ErrorCode.SEAT_OCCUPIED),)


# --- a silent holder that is heard again ----------------------------------------------------------


def test_a_silent_holder_that_is_heard_again_keeps_its_seat(core: SeatRegistry) -> None:
    held = seated(core, S1, 1)
    core.handle(HolderAnswered(holder=S1, room=ROOM, state=HolderState.SILENT), 1)
    assert core.handle(HolderHeard(holder=S1), 3) == (Touch(seats=(held,), asked_at=3),)
    assert core.handle(HolderHeard(holder=S1), 3) == (), "heard once is enough"
    core.handle(Tick(), 20)
    assert core.seat(S1, ROOM) == held
    assert core.counts().seats_in_grace == 0


def test_whoever_falls_silent_again_in_the_same_moment_is_told_once_of_its_end(core: SeatRegistry) -> None:
    seated(core, S1, 1)
    silent = HolderAnswered(holder=S1, room=ROOM, state=HolderState.SILENT)
    for event in (silent, HolderHeard(holder=S1), silent):
        core.handle(event, 1)
    lost = [effect for effect in core.handle(Tick(), 7) if isinstance(effect, SeatLost)]
    assert lost == [SeatLost(session=S1, room=ROOM, reason="connection_lost")]


def test_a_word_of_a_session_whose_socket_is_gone_ends_no_grace(core: SeatRegistry) -> None:
    seated(core, S1, 1)
    core.handle(SocketClosed(session=S1), 1)
    assert core.handle(HolderHeard(holder=S1), 2) == ()
    seat = core.seat(S1, ROOM)
    assert seat is not None
    assert seat.in_grace
    assert core.handle(HolderHeard(holder=FAR), 2) == ()


def test_whoever_is_heard_after_another_device_took_the_seat_has_lost_it(core: SeatRegistry) -> None:
    held = seated(core, S1, 1)
    core.handle(HolderAnswered(holder=S1, room=ROOM, state=HolderState.SILENT), 1)
    core.handle(HolderHeard(holder=S1), 3)
    taken = SeatAnswer(verdict=Verdict.SUPERSEDED, epoch=9, by_device=DeviceId("phone-001"), by_node=N2)
    effects = core.handle(TouchAnswered(seats=(held,), answers=(taken,), asked_at=3), 3)
    assert SeatLost(session=S1, room=ROOM, reason="replaced") in effects
