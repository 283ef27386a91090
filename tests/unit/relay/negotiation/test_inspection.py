from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.envelope import Opened
from relay.negotiation.events import Member
from relay.negotiation.inspection import (
    CLOCK_TOLERANCE_S,
    HOLD_S,
    INBOUND_BURST,
    MAX_HELD,
    MAX_HELD_EACH,
    MAX_SENDERS,
    WINDOW,
    Inspector,
    Verdict,
)
from signalling.ids import NodeId
from signalling.mesh.negotiation import Envelope, LinkBye
from tests.unit.relay.negotiation.simulation import CLUSTER, key_of, verify

ME, PEER = NodeId("n0"), NodeId("n1")
MEMBERS = {PEER: Member(node=PEER, boot=3, public_key=key_of(PEER))}


def word(sequence: int = 1, **changes: object) -> Opened:
    plain = Envelope(
        version=1,
        cluster=CLUSTER,
        sender=PEER,
        receiver=ME,
        message_id=sequence.to_bytes(8, "big"),
        correlation_id=b"",
        incarnation=3,
        sequence=sequence,
        expires_ms=0,
        body=LinkBye("idle"),
        signature=key_of(PEER) * 2,
    )
    return Opened(envelope=msgspec.structs.replace(plain, **changes), signed=b"")


def inspector() -> Inspector:
    return Inspector(cluster=CLUSTER, own=ME, verify=verify)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.ACCEPTED),
        ({"sender": ME}, Verdict.OWN),
        ({"receiver": NodeId("n7")}, Verdict.NOT_FOR_ME),
        ({"cluster": "other"}, Verdict.FOREIGN_CLUSTER),
        ({"sender": NodeId("n9")}, Verdict.HELD),
        ({"incarnation": 4}, Verdict.HELD),
        ({"signature": b"\0" * 64}, Verdict.FORGED),
        ({"incarnation": 2}, Verdict.STALE_BOOT),
        ({"incarnation": 2, "signature": b"\0" * 64}, Verdict.FORGED),
        ({"version": 2}, Verdict.UNSUPPORTED_VERSION),
    ],
)
def test_each_reason(changes: dict[str, object], verdict: Verdict) -> None:
    gate = inspector()
    assert gate.judge(word(**changes), -25.0, MEMBERS, 0.0) is verdict  # type: ignore[arg-type]
    assert gate.counts[verdict] == 1


def test_a_repeat_is_known_and_a_sequence_under_another_id_is_a_replay() -> None:
    gate = inspector()
    assert gate.judge(word(5), 0.0, MEMBERS, 0.0) is Verdict.ACCEPTED
    assert gate.judge(word(5), 0.0, MEMBERS, 0.0) is Verdict.REPEATED
    assert gate.judge(word(5, message_id=b"another!"), 0.0, MEMBERS, 0.0) is Verdict.REPLAYED


@given(st.permutations(range(40)))
def test_order_of_arrival_means_nothing(order: list[int]) -> None:
    gate = inspector()
    for index, sequence in enumerate(order):
        assert gate.judge(word(sequence), 0.0, MEMBERS, float(index)) is Verdict.ACCEPTED
    for index, sequence in enumerate(order):
        assert gate.judge(word(sequence), 0.0, MEMBERS, 100.0 + index) is Verdict.REPEATED


def test_what_fell_out_of_the_window_is_not_taken_and_not_remembered() -> None:
    gate = inspector()
    for sequence in range(200):
        assert gate.judge(word(sequence), 0.0, MEMBERS, float(sequence)) is Verdict.ACCEPTED
    assert gate.judge(word(199 - WINDOW), 0.0, MEMBERS, 300.0) is Verdict.REPLAYED
    assert gate.judge(word(200 - WINDOW), 0.0, MEMBERS, 301.0) is Verdict.REPEATED
    assert len(gate._senders[PEER].ids) == WINDOW


def test_a_forger_cannot_push_the_window_nor_use_up_the_sender_s_share() -> None:
    gate = inspector()
    for _ in range(100):
        assert gate.judge(word(2**50, signature=b"\0" * 64), 0.0, MEMBERS, 0.0) is Verdict.FORGED
    assert gate.judge(word(1), 0.0, MEMBERS, 0.0) is Verdict.ACCEPTED


def test_a_member_that_floods_is_cut_short_and_heard_again_later() -> None:
    gate = inspector()
    verdicts = [gate.judge(word(sequence), 0.0, MEMBERS, 0.0) for sequence in range(30)]
    assert verdicts.count(Verdict.ACCEPTED) == INBOUND_BURST
    assert set(verdicts) == {Verdict.ACCEPTED, Verdict.FLOODED}
    assert gate.judge(word(31), 0.0, MEMBERS, 5.0) is Verdict.ACCEPTED


def test_old_words_far_out_of_time_are_garbage_but_the_newest_only_ring_the_alarm() -> None:
    gate = inspector()
    late = CLOCK_TOLERANCE_S + 1
    assert gate.judge(word(9), late, MEMBERS, 0.0) is Verdict.ACCEPTED
    assert gate.judge(word(8), late, MEMBERS, 0.0) is Verdict.EXPIRED
    assert gate.judge(word(7), -1000.0, MEMBERS, 0.0) is Verdict.EXPIRED
    assert gate.judge(word(10), late, MEMBERS, 0.0) is Verdict.ACCEPTED
    assert gate.judge(word(6), CLOCK_TOLERANCE_S - 1, MEMBERS, 0.0) is Verdict.ACCEPTED
    assert gate.counts["clock_offset"] == 4


def test_a_new_boot_starts_anew() -> None:
    gate = inspector()
    assert gate.judge(word(50), 0.0, MEMBERS, 0.0) is Verdict.ACCEPTED
    newer = {PEER: Member(node=PEER, boot=4, public_key=key_of(PEER))}
    gate.forget(PEER, 4)
    assert gate.judge(word(1, incarnation=4), 0.0, newer, 0.0) is Verdict.ACCEPTED
    assert gate.judge(word(51), 0.0, newer, 0.0) is Verdict.STALE_BOOT


def test_unknown_senders_wait_and_are_given_back_when_known() -> None:
    gate = inspector()
    stranger = word(sender=NodeId("n9"))
    assert gate.judge(stranger, 0.0, MEMBERS, 10.0) is Verdict.HELD
    assert gate.next_deadline() == 10.0 + HOLD_S
    assert gate.release(PEER) == []
    assert gate.release(NodeId("n9")) == [(stranger, 0.0)]
    assert gate.next_deadline() is None


def test_unknown_senders_wait_in_a_bounded_room_and_not_for_ever() -> None:
    gate = inspector()
    for index in range(100):
        for sequence in range(10):
            gate.judge(word(sequence, sender=NodeId(f"n{10 + index}")), 0.0, MEMBERS, 0.0)
    assert len(gate._held) == MAX_HELD
    assert sum(held.opened.envelope.sender == "n10" for held in gate._held) == MAX_HELD_EACH
    gate.expire(HOLD_S)
    assert gate.next_deadline() is None
    assert gate.counts[Verdict.UNKNOWN_SENDER] == 1000


def test_a_node_with_another_key_is_believed_by_that_one_alone() -> None:
    gate = inspector()
    assert gate.judge(word(1), 0.0, MEMBERS, 0.0) is Verdict.ACCEPTED
    renewed = key_of(PEER, boot=2)
    # Within one boot, and as another one: the view says which key counts.
    for boot, members in (
        (3, {PEER: Member(node=PEER, boot=3, public_key=renewed)}),
        (4, {PEER: Member(node=PEER, boot=4, public_key=renewed)}),
    ):
        former, present = word(2, incarnation=boot), word(3, incarnation=boot, signature=renewed * 2)
        assert gate.judge(former, 0.0, members, 1.0) is Verdict.FORGED
        assert gate.judge(present, 0.0, members, 1.0) is Verdict.ACCEPTED
    assert gate.judge(word(4, signature=renewed * 2), 0.0, members, 2.0) is Verdict.STALE_BOOT


def test_who_is_no_member_any_more_is_forgotten_when_there_are_many() -> None:
    gate = inspector()
    for number in range(MAX_SENDERS + 10):
        node = NodeId(f"n{number}-gone")
        members = {**MEMBERS, node: Member(node=node, boot=3, public_key=key_of(node))}
        assert gate.judge(word(1, sender=node, signature=key_of(node) * 2), 0.0, members, 0.0) is Verdict.ACCEPTED
        if number == 0:
            assert gate.judge(word(1), 0.0, MEMBERS, 0.0) is Verdict.ACCEPTED
    assert len(gate._senders) <= MAX_SENDERS
    assert gate.judge(word(1), 0.0, MEMBERS, 0.0) is Verdict.REPEATED, "members are remembered"
