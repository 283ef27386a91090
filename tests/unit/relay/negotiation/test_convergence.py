"""Whatever gossip does, two nodes end with one link; and each rule that sees to it is missed when absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.negotiation import Inspector, Negotiation, Verdict
from signalling.ids import NodeId
from signalling.mesh.negotiation import Envelope, LinkAnswer
from tests.unit.relay.negotiation.simulation import CALM, CLUSTER, Cluster, CoreFactory, Weather, make_core, verify

if TYPE_CHECKING:
    from random import Random

    from relay.envelope import Opened
    from relay.negotiation.events import Member
    from relay.negotiation.peer import Peer

A, B = NodeId("n0"), NodeId("n1")


@given(
    seed=st.integers(0, 2**32),
    size=st.sampled_from([2, 2, 3]),
    loss=st.floats(0, 0.7),
    duplicates=st.floats(0, 1),
    delay_s=st.floats(0, 4),
    wants=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.floats(0, 20)), min_size=1, max_size=6),
    restarts=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 30)), max_size=2),
)
@settings(max_examples=300, deadline=None)
def test_after_any_storm_every_wanted_pair_has_one_link(
    seed: int,
    size: int,
    loss: float,
    duplicates: float,
    delay_s: float,
    wants: list[tuple[int, int, float]],
    restarts: list[tuple[int, float]],
) -> None:
    cluster = Cluster(size, seed=seed)
    cluster.weather = Weather(loss=loss, duplicates=duplicates, delay_s=delay_s, forgeries=0.3)
    pairs: set[tuple[NodeId, NodeId]] = set()
    for who, whom, when in sorted(wants, key=lambda want: want[2]):
        node, other = cluster.nodes[who % size], cluster.nodes[whom % size]
        if node != other:
            pairs.add((node, other))
            cluster.want_at(when, node, [b for a, b in pairs if a == node])
    for who, when in restarts:
        node = cluster.nodes[who % size]
        cluster.at(when, lambda node=node: cluster.restart_engine(node))  # type: ignore[misc]
    cluster.run(40.0)
    cluster.weather = CALM
    cluster.run(140.0)
    for node, other in pairs:
        assert cluster.is_linked(node, other), cluster.log[-20:]
    linked = {frozenset(pair) for pair in pairs}
    assert len(cluster.ends) == 2 * len(linked)


def run_crossing(make: CoreFactory, seed: int, gap_s: float, weather: Weather) -> Cluster:
    """Both want the link at almost the same time; nothing is lost."""
    cluster = Cluster(2, seed=seed, make=make, weather=weather)
    cluster.want_at(1.0, A, [B])
    cluster.want_at(1.0 + gap_s, B, [A])
    cluster.run(60.0)
    return cluster


def assert_prompt_and_steady(cluster: Cluster) -> None:
    assert cluster.is_linked(A, B)
    for node in (A, B):
        assert len(cluster.rises(node)) == 1
        assert cluster.rises(node)[0] < 3.5
        assert cluster.falls(node) == []


@given(seed=st.integers(0, 2**32), gap_s=st.floats(0, 2), delay_s=st.floats(0, 0.7), duplicates=st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_without_loss_one_link_comes_soon_and_stays(seed: int, gap_s: float, delay_s: float, duplicates: float) -> None:
    weather = Weather(delay_s=delay_s, duplicates=duplicates, forgeries=1.0)
    assert_prompt_and_steady(run_crossing(make_core, seed, gap_s, weather))


def test_a_lost_answer_is_said_again_for_the_repeated_offer() -> None:
    run_with_lost_answer(make_core)


def run_with_lost_answer(make: CoreFactory) -> None:
    lost: list[Envelope] = []

    def drops(envelope: Envelope, to: NodeId) -> bool:
        if isinstance(envelope.body, LinkAnswer) and to == A and not lost:
            lost.append(envelope)
            return True
        return False

    cluster = Cluster(2, make=make)
    cluster.drops = drops
    cluster.want_at(1.0, A, [B])
    cluster.run(6.0)
    assert lost
    assert cluster.is_linked(A, B)


def test_an_abandoned_offer_that_comes_late_hurts_no_link() -> None:
    run_with_late_offer(make_core)


def run_with_late_offer(make: CoreFactory) -> None:
    held: list[Envelope] = []

    def drops(envelope: Envelope, to: NodeId) -> bool:
        # B's own offer, which A's beats, reaches A only when the link has long been up.
        if envelope.sender == B and to == A and not isinstance(envelope.body, LinkAnswer) and cluster.now < 10:
            held.append(envelope)
            return True
        return False

    cluster = Cluster(2, make=make)
    cluster.drops = drops
    cluster.want_at(1.0, A, [B])
    cluster.want_at(1.0, B, [A])
    cluster.run(20.0)
    assert cluster.is_linked(A, B)
    assert held
    cluster._gossip(held[0])
    cluster.run(60.0)
    assert cluster.is_linked(A, B)
    assert cluster.falls(A) == cluster.falls(B) == []


# --- mutants: each lacks one rule, and each must be caught -------------------------------------


class BothOffersStand(Negotiation):
    def _our_offer_stands(self, node: NodeId) -> bool:
        return True


class NeitherOfferStands(Negotiation):
    def _our_offer_stands(self, node: NodeId) -> bool:
        return False


class NothingIsHistory(Negotiation):
    @staticmethod
    def _is_history(peer: Peer, offer: Envelope) -> bool:
        return False


class ForgetfulInspector(Inspector):
    """Takes a repeated message for a new one."""

    @staticmethod
    def _note(envelope: Envelope, sender: object) -> None:
        return


class HastyInspector(Inspector):
    """Notes an id before the signature is known to hold."""

    def __init__(self, *, own: NodeId) -> None:
        super().__init__(cluster=CLUSTER, own=own, verify=verify)
        self._seen: set[bytes] = set()

    def _judge_known(self, opened: Opened, late_s: float, member: Member, now: float) -> Verdict:
        if opened.envelope.message_id in self._seen:
            return Verdict.REPEATED
        self._seen.add(opened.envelope.message_id)
        return super()._judge_known(opened, late_s, member, now)


def mutant(core: type[Negotiation], own: NodeId, boot: int, random: Random, inspector: Inspector) -> Negotiation:
    return core(cluster=CLUSTER, own=own, boot=boot, idle_linger_s=300.0, inspector=inspector, random=random)


@pytest.mark.parametrize("core", [BothOffersStand, NeitherOfferStands])
def test_without_the_rule_for_crossing_offers_there_is_no_prompt_link(core: type[Negotiation]) -> None:
    def make(own: NodeId, boot: int, random: Random) -> Negotiation:
        return mutant(core, own, boot, random, Inspector(cluster=CLUSTER, own=own, verify=verify))

    with pytest.raises(AssertionError):
        assert_prompt_and_steady(run_crossing(make, 1, 0.0, CALM))


def test_an_inspector_that_notes_before_it_verifies_lets_a_forger_burn_messages() -> None:
    def make(own: NodeId, boot: int, random: Random) -> Negotiation:
        return mutant(Negotiation, own, boot, random, HastyInspector(own=own))

    with pytest.raises(AssertionError):
        assert_prompt_and_steady(run_crossing(make, 1, 0.0, Weather(forgeries=1.0)))


def test_an_inspector_that_forgets_gets_no_second_answer() -> None:
    def make(own: NodeId, boot: int, random: Random) -> Negotiation:
        return mutant(Negotiation, own, boot, random, ForgetfulInspector(cluster=CLUSTER, own=own, verify=verify))

    with pytest.raises(AssertionError):
        run_with_lost_answer(make)


def test_without_history_a_late_offer_tears_a_good_link_down() -> None:
    def make(own: NodeId, boot: int, random: Random) -> Negotiation:
        inspector = Inspector(cluster=CLUSTER, own=own, verify=verify)
        return mutant(NothingIsHistory, own, boot, random, inspector)

    with pytest.raises(AssertionError):
        run_with_late_offer(make)
