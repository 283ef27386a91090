"""A link that is made anew beside the one there is: fact by fact, and in any weather."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.negotiation import Negotiation, Phase
from relay.negotiation.attempts import Signal
from relay.negotiation.effects import (
    CloseEnd,
    ConnectEnd,
    EndRenewed,
    EndRests,
    LinkFell,
    LinkRose,
    NegotiationEffect,
    OpenEnd,
    SendEnvelope,
)
from relay.negotiation.events import (
    EndClosed,
    EndHeard,
    EndOpened,
    EndSuspect,
    EndUp,
    EngineRestarted,
    LinksWanted,
    Member,
    MemberLost,
    MemberSeen,
    RenewalAsked,
)
from relay.negotiation.renewals import DRAIN_S, MAX_RENEWALS_FAILED, OVERLAP_S, RENEW_AFTER_S, RENEW_YIELD_S, Renewals
from relay.negotiation.transitions import LIMITS_S, Cue
from signalling.ids import NodeId, PeerId
from signalling.mesh.negotiation import Envelope, LinkAnswer, LinkBye, LinkOffer, LinkParameters, LinkReject
from tests.unit.relay.negotiation.simulation import CALM, Cluster, CoreFactory, Weather, key_of, make_core
from tests.unit.relay.negotiation.test_core import LOWER, OURS, PEER, THEIRS, Node

if TYPE_CHECKING:
    from random import Random

A, B = NodeId("n0"), NodeId("n1")


def ends(effects: list[NegotiationEffect]) -> list[OpenEnd]:
    return [effect for effect in effects if isinstance(effect, OpenEnd)]


def renewing(node: Node, peer: NodeId = PEER) -> tuple[PeerId, PeerId, Envelope]:
    """A link that is up, and the offer of its successor: the ends of both, and that offer."""
    standing, _ = up(node, peer)
    node.feed(RenewalAsked(node=peer))
    (begun,) = ends(node.pass_time(node.now))
    node.feed(EndOpened(end=begun.end, parameters=OURS))
    return standing, begun.end, node.only(SendEnvelope).envelope


def up(node: Node, peer: NodeId = PEER) -> tuple[PeerId, Envelope]:
    end, offer = node.offered(peer)
    node.hear(LinkAnswer(THEIRS), sender=peer, answers=offer.message_id)
    node.feed(EndUp(end=end))
    return end, offer


def test_a_suspect_link_is_made_anew_beside_itself_and_nothing_falls() -> None:
    node = Node(PEER)
    standing, offer = node.up()
    node.feed(EndSuspect(end=standing))
    assert node.pass_time(node.now + RENEW_AFTER_S - 0.01) == []
    (begun,) = ends(node.pass_time(node.now + 0.02))
    assert (begun.beside, begun.lane, begun.controlling) == (standing, 1, True)
    node.feed(EndOpened(end=begun.end, parameters=OURS))
    renewal = node.only(SendEnvelope).envelope
    assert renewal.body == LinkOffer(offer_of(renewal).parameters, offer.message_id, 1)
    node.hear(LinkAnswer(THEIRS, 1), answers=renewal.message_id)
    assert node.only(ConnectEnd).end == begun.end
    assert node.phase() is Phase.SUSPECT, "it is the link still"
    assert node.feed(EndUp(end=begun.end)) == (EndRenewed(node=PEER, end=begun.end, former=standing, boot=1),)
    assert node.phase() is Phase.UP
    assert node.pass_time(node.now + OVERLAP_S) == [], "what is under way on the former one may come yet"
    node.feed(EndHeard(end=begun.end))
    assert node.pass_time(node.now + OVERLAP_S) == [EndRests(node=PEER, end=standing)], "words wait since it was dark"
    assert node.pass_time(node.now + DRAIN_S) == [CloseEnd(end=standing)]
    assert node.feed(EndSuspect(end=standing)) == (), "nothing of it means anything any more"


def offer_of(envelope: Envelope) -> LinkOffer:
    assert isinstance(envelope.body, LinkOffer)
    return envelope.body


def test_a_former_end_that_was_never_dark_is_closed_as_soon_as_its_legs_may() -> None:
    node = Node(PEER)
    standing, begun, renewal = renewing(node)
    node.hear(LinkAnswer(THEIRS, 1), answers=renewal.message_id)
    node.feed(EndUp(end=begun))
    node.feed(EndHeard(end=begun))
    assert node.pass_time(node.now + OVERLAP_S) == [CloseEnd(end=standing)]


def test_a_former_end_that_nobody_takes_leave_of_is_closed_in_time() -> None:
    node = Node(PEER)
    standing, begun, renewal = renewing(node)
    node.hear(LinkAnswer(THEIRS, 1), answers=renewal.message_id)
    node.feed(EndUp(end=begun))
    assert node.pass_time(node.now + LIMITS_S[Phase.CONNECTING]) == [CloseEnd(end=standing)]


def test_the_node_with_the_higher_id_begins_later() -> None:
    node = Node(LOWER)
    standing, _ = up(node, LOWER)
    node.feed(EndSuspect(end=standing))
    assert ends(node.pass_time(node.now + RENEW_AFTER_S + RENEW_YIELD_S - 0.01)) == []
    assert len(ends(node.pass_time(node.now + 0.02))) == 1


def test_a_link_that_is_back_soon_is_not_made_anew_and_one_that_has_begun_goes_on() -> None:
    node = Node(PEER)
    standing, _ = node.up()
    node.feed(EndSuspect(end=standing))
    node.feed(EndUp(end=standing))
    assert node.pass_time(node.now + 30.0) == []
    node.feed(EndSuspect(end=standing))
    (begun,) = ends(node.pass_time(node.now + RENEW_AFTER_S))
    assert node.feed(EndUp(end=standing)) == ()
    node.feed(EndOpened(end=begun.end, parameters=OURS))
    node.hear(LinkAnswer(THEIRS, 1), answers=node.only(SendEnvelope).envelope.message_id)
    assert node.only(ConnectEnd).end == begun.end


@pytest.mark.parametrize("failure", ["closed", "rejected", "goodbye", "unanswered", "gone"])
def test_one_that_fails_leaves_the_link_as_it_was(failure: str) -> None:
    node = Node(PEER)
    standing, begun, renewal = renewing(node)
    done: list[NegotiationEffect] = []
    match failure:
        case "closed":
            done += node.feed(EndClosed(end=begun, reason="dtls_failed"))
        case "rejected":
            node.hear(LinkReject("node_draining", 30), answers=renewal.message_id)
            done += node.effects
        case "goodbye":
            node.hear(LinkAnswer(THEIRS, 1), answers=renewal.message_id)
            node.hear(LinkBye("idle"), answers=renewal.message_id)
            done += node.effects
        case "unanswered":
            done += node.pass_time(node.now + LIMITS_S[Phase.OFFERED])
        case _:
            done += node.feed(MemberLost(node=PEER))
    assert CloseEnd(end=begun) in done
    assert CloseEnd(end=standing) not in done
    assert not [effect for effect in done if isinstance(effect, LinkFell)]
    assert node.phase() is Phase.UP


def test_it_is_tried_again_but_not_for_ever() -> None:
    node = Node(PEER)
    node.up()
    node.feed(RenewalAsked(node=PEER))
    begun = ends(node.pass_time(node.now + 120.0))
    assert len(begun) == MAX_RENEWALS_FAILED
    assert [end.lane for end in begun] == [1, 2, 3], "none meets what is left of the one before"
    assert node.phase() is Phase.UP


def test_an_answer_of_a_node_that_knows_no_lanes_is_none() -> None:
    node = Node(PEER)
    standing, begun, renewal = renewing(node)
    node.hear(LinkAnswer(THEIRS), answers=renewal.message_id)
    assert node.effects == (CloseEnd(end=begun),)
    assert node.phase() is Phase.UP
    assert node.feed(EndClosed(end=standing, reason="closed"))[0] == LinkFell(
        node=PEER, end=standing, reason="closed"
    ), "it has ended the link, and that is news of its own"


def test_an_answer_that_comes_late_is_to_nothing() -> None:
    node = Node(PEER)
    _, _, renewal = renewing(node)
    node.pass_time(node.now + LIMITS_S[Phase.OFFERED])
    node.hear(LinkAnswer(THEIRS, 1), answers=renewal.message_id)
    assert node.effects == ()
    assert node.core.oddities["answer_to_nothing"] == 1
    assert node.phase() is Phase.UP


def test_of_crossing_ones_that_of_the_lower_id_stands() -> None:
    node = Node(PEER)
    standing, offer = node.up()
    node.feed(RenewalAsked(node=PEER))
    (begun,) = ends(node.pass_time(node.now))
    node.hear(LinkOffer(THEIRS, offer.message_id, 1))
    assert node.effects == (), "ours stands"
    node.feed(EndOpened(end=begun.end, parameters=OURS))
    node.hear(LinkAnswer(THEIRS, 1), answers=node.only(SendEnvelope).envelope.message_id)
    assert node.only(ConnectEnd).end == begun.end
    assert node.core.oddities["crossed_offers"] == 1

    node = Node(LOWER)
    standing, begun_end, _ = renewing(node, LOWER)
    attempt = node.core._peers[LOWER].end
    assert attempt is not None
    theirs = node.hear(LinkOffer(THEIRS, attempt.attempt, 1), sender=LOWER)
    assert CloseEnd(end=begun_end) in node.effects
    opened = node.only(OpenEnd)
    assert (opened.beside, opened.controlling, opened.lane) == (standing, False, 1)
    node.feed(EndOpened(end=opened.end, parameters=OURS))
    said = node.only(SendEnvelope).envelope
    assert (said.correlation_id, said.body) == (theirs.message_id, LinkAnswer(offer_parameters(), 1))
    assert node.phase(LOWER) is Phase.UP


def offer_parameters() -> LinkParameters:
    node = Node(PEER)
    _, envelope = node.offered()
    return offer_of(envelope).parameters


def test_a_repeated_offer_gets_its_answer_again() -> None:
    node = Node(PEER)
    _, offer = node.up()
    theirs = node.hear(LinkOffer(THEIRS, offer.message_id, 1))
    node.feed(EndOpened(end=node.only(OpenEnd).end, parameters=OURS))
    answer = node.only(SendEnvelope)
    node.now += 3.0
    assert node.repeat(theirs) == (answer,)


def test_an_offer_beside_a_link_that_is_none_here_is_an_offer_like_any_other() -> None:
    node = Node(PEER)
    standing, _ = node.up()
    node.hear(LinkOffer(THEIRS, b"longgone", 5))
    assert LinkFell(node=PEER, end=standing, reason="renegotiated") in node.effects
    opened = node.only(OpenEnd)
    assert (opened.beside, opened.lane) == (None, 5)


def test_an_offer_of_who_has_lost_the_link_crosses_ours_beside_it_like_any_other() -> None:
    node = Node(PEER)
    standing, begun, renewal = renewing(node)
    node.hear(LinkOffer(THEIRS))
    assert node.effects == (LinkFell(node=PEER, end=standing, reason="renegotiated"), CloseEnd(end=standing))
    node.hear(LinkAnswer(THEIRS, 1), answers=renewal.message_id)
    assert node.only(ConnectEnd).end == begun, "ours stands, and they answer it"

    node = Node(LOWER)
    standing, begun, _ = renewing(node, LOWER)
    node.hear(LinkOffer(THEIRS), sender=LOWER)
    assert {CloseEnd(end=standing), CloseEnd(end=begun)} <= set(node.effects)
    assert (node.only(OpenEnd).beside, node.only(OpenEnd).lane) == (None, 0)


def test_a_lane_that_is_none_is_refused_and_ends_nothing() -> None:
    node = Node(PEER)
    _, offer = node.up()
    for lane in (-1, 64):
        node.hear(LinkOffer(THEIRS, offer.message_id, lane))
        assert node.only(SendEnvelope).envelope.body == LinkReject("protocol_unsupported", 300)
    assert node.phase() is Phase.UP
    node.feed(RenewalAsked(node=PEER))
    assert len(ends(node.pass_time(node.now))) == 1, "nothing is left of what was refused"


def test_when_the_link_falls_meanwhile_the_attempt_goes_on_in_its_place() -> None:
    node = Node(PEER)
    standing, begun, renewal = renewing(node)
    done = node.feed(EndClosed(end=standing, reason="ice_disconnected"))
    assert done == (LinkFell(node=PEER, end=standing, reason="ice_disconnected"), CloseEnd(end=standing))
    assert node.phase() is Phase.OFFERED
    node.hear(LinkAnswer(THEIRS, 1), answers=renewal.message_id)
    node.feed(EndUp(end=begun))
    assert node.only(LinkRose).end == begun


def test_a_new_boot_ends_both_and_is_asked_from_the_beginning() -> None:
    node = Node(PEER)
    standing, begun, renewal = renewing(node)
    node.feed(MemberSeen(member=Member(node=PEER, boot=2, public_key=key_of(PEER))))
    assert {CloseEnd(end=standing), CloseEnd(end=begun)} <= set(node.effects)
    node.hear(LinkAnswer(THEIRS, 1), answers=renewal.message_id)
    assert not [effect for effect in node.effects if isinstance(effect, ConnectEnd)]
    (opened,) = ends(node.pass_time(node.now + 1.0))
    assert (opened.beside, opened.lane) == (None, 0)


def test_a_new_engine_ends_both() -> None:
    node = Node(PEER)
    standing, begun, _ = renewing(node)
    node.feed(EngineRestarted())
    assert {CloseEnd(end=standing), CloseEnd(end=begun)} <= set(node.effects)
    assert LinkFell(node=PEER, end=standing, reason="engine_restarted") in node.effects
    assert node.phase() is Phase.WAITING


def test_a_link_that_nobody_needs_or_that_is_none_is_not_made_anew() -> None:
    node = Node(PEER)
    node.feed(RenewalAsked(node=PEER))
    assert node.core.oddities["renewal_of_no_link"] == 1
    standing, _ = node.up()
    node.feed(LinksWanted(nodes=frozenset()))
    node.feed(EndSuspect(end=standing))
    assert ends(node.pass_time(node.now + 2.0)) == []


# --- two nodes and gossip -------------------------------------------------------------------------


def run_renewals(make: CoreFactory, seed: int, asks: list[tuple[bool, float]], weather: Weather) -> Cluster:
    cluster = Cluster(2, seed=seed, make=make)
    cluster.want_at(0.0, A, [B])
    cluster.want_at(0.0, B, [A])
    cluster.run(20.0)
    cluster.weather = weather
    for is_first, when in asks:
        node, other = (A, B) if is_first else (B, A)
        cluster.renew_at(20.0 + when, node, other)
    cluster.run(80.0)
    cluster.weather = CALM
    cluster.run(200.0)
    return cluster


def assert_renewed_without_a_fall(cluster: Cluster) -> None:
    assert cluster.is_linked(A, B), cluster.log[-20:]
    assert cluster.falls(A) == cluster.falls(B) == []
    assert len(cluster.ends) == 2
    assert len(cluster.renewed(A)) == len(cluster.renewed(B))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    asks=st.lists(st.tuples(st.booleans(), st.floats(0, 40)), min_size=1, max_size=8),
    loss=st.sampled_from([0.0, 0.2, 0.5]),
    duplicates=st.sampled_from([0.0, 0.4]),
    delay_s=st.sampled_from([0.3, 2.0]),
)
def test_renewals_in_any_weather_never_cost_a_link(
    seed: int, asks: list[tuple[bool, float]], loss: float, duplicates: float, delay_s: float
) -> None:
    weather = Weather(loss=loss, duplicates=duplicates, delay_s=delay_s, forgeries=0.3)
    assert_renewed_without_a_fall(run_renewals(make_core, seed, asks, weather))


def test_two_at_once_make_one() -> None:
    assert_one_of_two(make_core)


def assert_one_of_two(make: CoreFactory) -> None:
    cluster = run_renewals(make, 3, [(True, 0.0), (False, 0.0)], CALM)
    assert_renewed_without_a_fall(cluster)
    assert len(cluster.renewed(A)) == 1
    assert cluster.renewed(A)[0] < 21.5, "at once"


class Hasty(Negotiation):
    """Takes an offer beside the link for one that replaces it."""

    def _signal_offer(self, link, envelope, now):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        self._signal(link, Signal(cue=Cue.OFFER, envelope=envelope), now)


class Deaf(Negotiation):
    """Ignores an offer beside the link while its own is out."""

    def _our_offer_stands(self, node: NodeId) -> bool:
        return True


@pytest.mark.parametrize("core", [Hasty, Deaf])
def test_mutants_are_found_out(core: type[Renewals]) -> None:
    def make(own: NodeId, boot: int, random: Random) -> Negotiation:
        made = make_core(own, boot, random)
        made.__class__ = core  # type: ignore[assignment]
        return made

    with pytest.raises(AssertionError):
        assert_one_of_two(make)
