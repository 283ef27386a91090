"""The core from one node's side, fact by fact."""

from __future__ import annotations

import itertools
from dataclasses import replace
from random import Random
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.envelope import Opened
from relay.negotiation import Negotiation, Phase
from relay.negotiation.effects import (
    CloseEnd,
    ConnectEnd,
    LinkFell,
    LinkRose,
    NegotiationEffect,
    OpenEnd,
    RereadMembers,
    SendEnvelope,
)
from relay.negotiation.events import (
    DeadlinePassed,
    Draining,
    EndClosed,
    EndFailed,
    EndOpened,
    EndSuspect,
    EndUp,
    EngineRestarted,
    EnvelopeHeard,
    EventsQueued,
    LinksWanted,
    Member,
    MemberLost,
    MemberSeen,
    NegotiationEvent,
    ShuttingDown,
)
from relay.negotiation.inspection import Verdict
from relay.negotiation.transitions import LIMITS_S
from signalling.ids import NodeId, PeerId
from signalling.mesh.negotiation import (
    Body,
    Envelope,
    LinkAnswer,
    LinkBye,
    LinkOffer,
    LinkParameters,
    LinkReject,
)
from tests.unit.relay.negotiation.simulation import CLUSTER, key_of, make_core

ME, PEER = NodeId("n1"), NodeId("n2")
LOWER = NodeId("n0")
OURS = LinkParameters("ours", "p" * 24, b"o" * 32, ("host 127.0.0.1 4000", "host fe80.local 1"))
THEIRS = LinkParameters("theirs", "p" * 24, b"t" * 32, ("host 127.0.0.1 5000", "tcp 1.2.3.4 5"))

E = TypeVar("E", bound=NegotiationEffect)


class Node:
    """A core with a hand on its clock, and a peer that says whatever the test wants."""

    def __init__(self, *members: NodeId) -> None:
        self.core: Negotiation = make_core(ME, 1, Random(7))
        self.now = 0.0
        self.effects: tuple[NegotiationEffect, ...] = ()
        self.sequence = 0
        for node in members:
            self.feed(MemberSeen(member=Member(node=node, boot=1, public_key=key_of(node))))

    def feed(self, event: NegotiationEvent) -> tuple[NegotiationEffect, ...]:
        self.effects = self.core.handle(event, self.now)
        return self.effects

    def pass_time(self, until: float) -> list[NegotiationEffect]:
        done: list[NegotiationEffect] = []
        while (at := self.core.next_deadline()) is not None and at <= until:
            self.now = max(self.now, at)
            done += self.feed(DeadlinePassed())
        self.now = until
        return done

    def hear(self, body: Body, *, sender: NodeId = PEER, answers: bytes = b"", **changes: object) -> Envelope:
        self.sequence += 1
        envelope = Envelope(
            version=1,
            cluster=CLUSTER,
            sender=sender,
            receiver=ME,
            message_id=self.sequence.to_bytes(8, "big"),
            correlation_id=answers,
            incarnation=1,
            sequence=self.sequence,
            expires_ms=0,
            body=body,
            signature=key_of(sender) * 2,
        )
        return self.hear_as_it_is(msgspec.structs.replace(envelope, **changes))

    def hear_as_it_is(self, envelope: Envelope) -> Envelope:
        self.repeat(envelope)
        return envelope

    def repeat(self, envelope: Envelope) -> tuple[NegotiationEffect, ...]:
        return self.feed(EnvelopeHeard(opened=Opened(envelope=envelope, signed=b""), late_s=-29.0))

    def only(self, kind: type[E]) -> E:
        (found,) = [effect for effect in self.effects if isinstance(effect, kind)]
        return found

    def phase(self, node: NodeId = PEER) -> Phase | None:
        return next((link.phase for link in self.core.links() if link.node == node), None)

    def offered(self, node: NodeId = PEER) -> tuple[PeerId, Envelope]:
        """Want the link and see the offer out."""
        self.feed(LinksWanted(nodes=frozenset({node})))
        self.pass_time(self.now)
        end = self.only(OpenEnd).end
        self.feed(EndOpened(end=end, parameters=OURS))
        return end, self.only(SendEnvelope).envelope

    def up(self) -> tuple[PeerId, Envelope]:
        end, offer = self.offered()
        self.hear(LinkAnswer(THEIRS), answers=offer.message_id)
        self.feed(EndUp(end=end))
        return end, offer


def test_from_want_to_up_as_offerer() -> None:
    node = Node(PEER)
    end, offer = node.offered()
    assert isinstance(offer.body, LinkOffer)
    assert offer.body.parameters.candidates == ("host 127.0.0.1 4000",)
    node.now = 0.4
    node.hear(LinkAnswer(THEIRS), answers=offer.message_id)
    assert node.only(ConnectEnd).parameters.candidates == ("host 127.0.0.1 5000",)
    node.now = 0.5
    assert node.feed(EndUp(end=end)) == (LinkRose(node=PEER, end=end, boot=1, setup_ms=500.0),)
    (link,) = node.core.links()
    assert (link.phase, link.role, link.setup_ms, link.failures) == (Phase.UP, "offerer", 500.0, 0)
    assert node.core.next_deadline() is None


def test_from_offer_to_up_as_answerer() -> None:
    node = Node(PEER)
    offer = node.hear(LinkOffer(THEIRS))
    opening = node.only(OpenEnd)
    assert not opening.controlling
    node.feed(EndOpened(end=opening.end, parameters=OURS))
    answer = node.only(SendEnvelope).envelope
    assert isinstance(answer.body, LinkAnswer)
    assert answer.correlation_id == offer.message_id
    assert node.only(ConnectEnd).parameters.ufrag == "theirs"
    assert isinstance(node.feed(EndUp(end=opening.end))[0], LinkRose)


def test_an_offer_is_said_three_times_under_one_id_and_then_given_up() -> None:
    node = Node(PEER)
    end, offer = node.offered()
    said = [effect.envelope for effect in node.pass_time(9.9) if isinstance(effect, SendEnvelope)]
    assert said == [offer, offer]
    assert CloseEnd(end=end) in node.pass_time(10.1)
    (link,) = node.core.links()
    assert (link.reason, link.failures) == ("offered_timeout", 1)
    later = node.pass_time(12.0)
    assert any(isinstance(effect, OpenEnd) for effect in later), "still wanted: another attempt after the pause"


def test_what_is_no_longer_wanted_is_not_tried_again() -> None:
    node = Node(PEER)
    node.offered()
    node.feed(LinksWanted(nodes=frozenset()))
    node.pass_time(100.0)
    assert node.core.links() == ()
    assert node.core.next_deadline() is None


def test_an_answer_to_another_offer_counts_for_nothing() -> None:
    node = Node(PEER)
    node.offered()
    node.hear(LinkAnswer(THEIRS), answers=b"whatever")
    assert not node.effects
    assert node.phase() is Phase.OFFERED


def test_a_repeated_offer_gets_the_stored_answer_and_no_second_end() -> None:
    node = Node(PEER)
    offer = node.hear(LinkOffer(THEIRS))
    node.repeat(offer)
    assert not node.effects
    node.feed(EndOpened(end=PeerId("link:n2:1"), parameters=OURS))
    answer = node.only(SendEnvelope)
    assert node.repeat(offer) == (answer,)


@pytest.mark.parametrize(("other", "stands"), [(PEER, True), (LOWER, False)])
def test_of_crossing_offers_the_lower_node_s_stands(other: NodeId, stands: bool) -> None:
    node = Node(other)
    end, _ = node.offered(other)
    node.hear(LinkOffer(THEIRS), sender=other)
    if stands:
        assert not node.effects
        assert node.phase(other) is Phase.OFFERED
    else:
        assert node.effects[0] == CloseEnd(end=end)
        assert not node.only(OpenEnd).controlling
        assert node.phase(other) is Phase.ANSWERING


@pytest.mark.parametrize("code", ["node_draining", "anything else"])
def test_a_reject_ends_the_attempt_until_it_says(code: str) -> None:
    node = Node(PEER)
    end, offer = node.offered()
    node.hear(LinkReject(code, 30), answers=offer.message_id)
    assert node.effects == (CloseEnd(end=end),)
    assert node.core.next_deadline() == 30.0
    assert node.core.links()[0].reason == code


def test_a_reject_cannot_put_us_off_for_ever() -> None:
    node = Node(PEER)
    _, offer = node.offered()
    node.hear(LinkReject("x", 2**40), answers=offer.message_id)
    assert node.core.next_deadline() == 300.0


def test_a_draining_node_rejects_offers_makes_none_and_keeps_what_is_up() -> None:
    node = Node(PEER, LOWER)
    node.up()
    node.feed(Draining(draining=True))
    node.feed(LinksWanted(nodes=frozenset({PEER, LOWER})))
    assert node.pass_time(50.0) == []
    offer = node.hear(LinkOffer(THEIRS), sender=LOWER)
    reject = node.only(SendEnvelope).envelope
    assert reject.body == LinkReject("node_draining", 30)
    assert reject.correlation_id == offer.message_id
    assert node.phase() is Phase.UP
    node.feed(Draining(draining=False))
    assert any(isinstance(effect, OpenEnd) for effect in node.pass_time(50.0))


def test_a_draining_peer_is_not_asked_until_it_serves_again() -> None:
    node = Node()
    facts = Member(node=PEER, boot=1, public_key=key_of(PEER), is_draining=True)
    node.feed(MemberSeen(member=facts))
    node.feed(LinksWanted(nodes=frozenset({PEER})))
    assert node.pass_time(100.0) == []
    node.feed(MemberSeen(member=replace(facts, is_draining=False)))
    assert any(isinstance(effect, OpenEnd) for effect in node.pass_time(100.0))


def test_an_absent_node_is_asked_as_soon_as_it_appears() -> None:
    node = Node()
    node.feed(LinksWanted(nodes=frozenset({PEER})))
    assert node.phase() is Phase.WAITING
    assert node.core.next_deadline() is None
    node.feed(MemberSeen(member=Member(node=PEER, boot=1, public_key=key_of(PEER))))
    assert any(isinstance(effect, OpenEnd) for effect in node.pass_time(node.now))


def test_a_newer_envelope_version_is_rejected_in_words() -> None:
    node = Node(PEER)
    node.hear(LinkOffer(THEIRS), version=2)
    body = node.only(SendEnvelope).envelope.body
    assert isinstance(body, LinkReject)
    assert body.code == "protocol_unsupported"


def test_ends_that_share_no_address_family_reject_each_other() -> None:
    node = Node(PEER)
    node.hear(LinkOffer(msgspec.structs.replace(THEIRS, candidates=("host ::1 5",))))
    node.feed(EndOpened(end=node.only(OpenEnd).end, parameters=OURS))
    body = node.only(SendEnvelope).envelope.body
    assert isinstance(body, LinkReject)
    assert body.code == "no_common_address"
    node.only(CloseEnd)


def test_gossip_alone_ends_an_attempt_but_no_link() -> None:
    node = Node(PEER)
    node.offered()
    node.feed(MemberLost(node=PEER))
    assert node.phase() is Phase.WAITING
    node = Node(PEER)
    end, _ = node.up()
    assert node.feed(MemberLost(node=PEER)) == ()
    assert node.phase() is Phase.UP
    fell = LinkFell(node=PEER, end=end, reason="node_gone")
    assert node.feed(EndSuspect(end=end)) == (fell, CloseEnd(end=end)), "now both say so"


def test_a_node_that_is_refused_loses_its_link_at_once() -> None:
    node = Node(PEER)
    end, _ = node.up()
    effects = node.feed(MemberLost(node=PEER, is_refused=True))
    assert LinkFell(node=PEER, end=end, reason="node_refused") in effects
    assert CloseEnd(end=end) in effects


def test_the_other_way_round_a_suspect_link_falls_with_gossip() -> None:
    node = Node(PEER)
    end, _ = node.up()
    assert node.feed(EndSuspect(end=end)) == ()
    assert node.feed(MemberLost(node=PEER))[0] == LinkFell(node=PEER, end=end, reason="node_gone")


def test_a_suspect_link_recovers_or_is_made_anew() -> None:
    node = Node(PEER)
    end, _ = node.up()
    node.feed(EndSuspect(end=end))
    node.now += LIMITS_S[Phase.SUSPECT] - 0.1
    assert node.feed(EndUp(end=end)) == ()
    assert node.phase() is Phase.UP
    node.feed(EndSuspect(end=end))
    done = node.pass_time(node.now + LIMITS_S[Phase.SUSPECT] + 0.5)
    assert LinkFell(node=PEER, end=end, reason="suspect_timeout") in done
    assert any(isinstance(effect, OpenEnd) for effect in done)


def test_a_new_boot_ends_the_link_with_the_old_one_and_asks_again() -> None:
    node = Node(PEER)
    end, _ = node.up()
    node.feed(MemberSeen(member=Member(node=PEER, boot=2, public_key=key_of(PEER))))
    assert node.effects[0] == LinkFell(node=PEER, end=end, reason="peer_restarted")
    assert any(isinstance(effect, OpenEnd) for effect in node.pass_time(node.now))


def test_a_link_stays_while_the_key_of_its_far_node_changes_and_the_former_key_can_end_it_no_more() -> None:
    node = Node(PEER)
    _, offer = node.up()
    renewed = key_of(PEER, boot=2)
    # What flows was made with a key that held then; a word of gossip alone cuts nothing.
    assert node.feed(MemberSeen(member=Member(node=PEER, boot=1, public_key=renewed))) == ()
    assert node.phase() is Phase.UP
    for word in (LinkBye("node_leaving"), LinkOffer(THEIRS)):
        node.hear(word, answers=offer.message_id)
        assert not node.effects
    assert node.core._inspector.counts[Verdict.FORGED] == 2
    assert node.phase() is Phase.UP
    node.hear(LinkBye("node_leaving"), answers=offer.message_id, signature=renewed * 2)
    assert any(isinstance(effect, LinkFell) for effect in node.effects), "the key that the view has now is heard"


def test_a_later_offer_replaces_a_link_and_an_earlier_one_does_not() -> None:
    node = Node(PEER)
    end, offer = node.offered()
    node.sequence = 5
    node.hear(LinkAnswer(THEIRS), answers=offer.message_id)
    node.feed(EndUp(end=end))
    node.sequence = 2
    node.hear(LinkOffer(THEIRS))
    assert not node.effects
    node.sequence = 9
    node.hear(LinkOffer(THEIRS))
    assert list(node.effects[:2]) == [LinkFell(node=PEER, end=end, reason="renegotiated"), CloseEnd(end=end)]


def test_a_goodbye_ends_the_link_it_names_and_no_other() -> None:
    node = Node(PEER)
    end, offer = node.up()
    node.hear(LinkBye("node_leaving"), answers=b"an older")
    assert not node.effects
    node.hear(LinkBye("node_leaving"), answers=offer.message_id)
    assert list(node.effects) == [LinkFell(node=PEER, end=end, reason="node_leaving"), CloseEnd(end=end)]
    assert node.core.next_deadline() == node.now + 1.0


def test_a_link_that_nothing_needs_is_kept_for_a_while_and_then_ended_with_a_word() -> None:
    node = Node(PEER)
    end, offer = node.up()
    node.feed(LinksWanted(nodes=frozenset()))
    assert node.core.next_deadline() == 300.0
    node.feed(LinksWanted(nodes=frozenset({PEER})))
    assert node.core.next_deadline() is None
    node.feed(LinksWanted(nodes=frozenset()))
    node.pass_time(300.0)
    assert CloseEnd(end=end) in node.effects
    bye = node.only(SendEnvelope).envelope
    assert (bye.body, bye.correlation_id) == (LinkBye("idle"), offer.message_id)


@pytest.mark.parametrize("event", [EndFailed, EndClosed])
def test_an_end_that_breaks_is_replaced_while_wanted(event: type[EndFailed | EndClosed]) -> None:
    node = Node(PEER)
    end, _ = node.up()
    broken = EndFailed(end=end, code="engine_lost") if event is EndFailed else EndClosed(end=end, reason="timeout")
    assert isinstance(node.feed(broken)[0], LinkFell)
    assert any(isinstance(effect, OpenEnd) for effect in node.pass_time(1.0))
    assert node.feed(broken) == (), "the last word about an end that is gone already"


def test_an_engine_that_cannot_answer_says_so_to_the_one_who_offered() -> None:
    node = Node(PEER)
    offer = node.hear(LinkOffer(THEIRS))
    node.feed(EndFailed(end=node.only(OpenEnd).end, code="engine_lost"))
    reject = node.only(SendEnvelope).envelope
    assert (reject.body, reject.correlation_id) == (LinkReject("engine_unavailable", 5), offer.message_id)


def test_a_new_engine_has_no_ends_and_no_history_of_failures() -> None:
    node = Node(PEER)
    end, _ = node.up()
    node.feed(EngineRestarted())
    assert node.effects[0] == LinkFell(node=PEER, end=end, reason="engine_restarted")
    node.pass_time(node.now + 0.5)
    for _ in range(6):
        node.feed(EndFailed(end=PeerId(node.core.links()[0].end or ""), code="engine_lost"))
        at = node.core.next_deadline()
        assert at is not None
        node.pass_time(at)
    node.feed(EndFailed(end=PeerId(node.core.links()[0].end or ""), code="engine_lost"))
    node.feed(EngineRestarted())
    at = node.core.next_deadline()
    assert at is not None
    assert at <= node.now + 0.1


def test_pauses_grow_while_nothing_comes_back() -> None:
    node = Node(PEER)
    node.offered()
    begun = [0.0]
    while node.now < 400.0:
        at = node.core.next_deadline()
        assert at is not None
        for effect in node.pass_time(at):
            if isinstance(effect, OpenEnd):
                begun.append(node.now)
                node.feed(EndOpened(end=effect.end, parameters=OURS))
    pauses = [later - earlier - 10.0 for earlier, later in itertools.pairwise(begun)]
    assert pauses[0] < 1.0
    assert pauses[-1] > 14.0
    assert max(pauses) <= 31.0


@pytest.mark.parametrize(
    ("queued", "at_once", "in_20_s"), [(0, 5, 25), (9, 5, 25), (10, 2, 12), (100, 2, 12), (101, 1, 5)]
)
def test_a_node_speaks_no_faster_than_the_cluster_bears(queued: int, at_once: int, in_20_s: int) -> None:
    others = [NodeId(f"p{index}") for index in range(40)]
    node = Node(*others)
    node.feed(EventsQueued(count=queued))
    node.feed(LinksWanted(nodes=frozenset(others)))
    begun: list[float] = []
    while node.now < 20.0:
        at = node.core.next_deadline()
        assert at is not None
        begun += [node.now for effect in node.pass_time(max(at, node.now)) if isinstance(effect, OpenEnd)]
        node.now = max(node.now, 0.001)
    assert len([at for at in begun if at < 0.5]) == at_once
    assert in_20_s - 1 <= len([at for at in begun if at < 20.0]) <= in_20_s


def test_it_speaks_again_when_its_agent_has_caught_up() -> None:
    others = [NodeId(f"p{index}") for index in range(40)]
    node = Node(*others)
    node.feed(EventsQueued(count=500))
    node.feed(LinksWanted(nodes=frozenset(others)))
    node.pass_time(1.0)
    node.feed(EventsQueued(count=3))
    begun = 0
    while (at := node.core.next_deadline()) is not None and at < 10.0:
        begun += sum(isinstance(effect, OpenEnd) for effect in node.pass_time(at))
    assert begun >= 4


def test_on_the_way_out_every_far_end_is_told() -> None:
    node = Node(PEER)
    end, offer = node.up()
    node.feed(ShuttingDown())
    assert CloseEnd(end=end) in node.effects
    bye = node.only(SendEnvelope).envelope
    assert (bye.body, bye.correlation_id) == (LinkBye("node_leaving"), offer.message_id)
    assert node.core.next_deadline() is None


def test_the_word_of_a_newcomer_is_held_until_gossip_knows_it() -> None:
    node = Node()
    node.hear(LinkOffer(THEIRS))
    assert node.effects == (RereadMembers(),)
    node.feed(MemberSeen(member=Member(node=PEER, boot=1, public_key=key_of(PEER))))
    node.only(OpenEnd)


BODIES = st.sampled_from([LinkOffer(THEIRS), LinkAnswer(THEIRS), LinkReject("x", 5), LinkBye("x")])
LIES = st.sampled_from(
    [
        {"signature": b"\0" * 64},
        {"signature": key_of(NodeId("n9")) * 2},
        {"cluster": "elsewhere"},
        {"receiver": NodeId("n9")},
        {"sender": ME},
        {"incarnation": 0},
        {"sequence": 1},
    ]
)


@pytest.mark.parametrize("stage", ["idle", "offered", "connecting", "up", "answering"])
@given(body=BODIES, lie=LIES, sequence=st.integers(1, 2**53 - 1), about_ours=st.booleans())
def test_what_is_not_to_be_believed_changes_nothing_but_counts(
    stage: str, body: Body, lie: dict[str, object], sequence: int, about_ours: bool
) -> None:
    node = Node(PEER)
    attempt = b"none"
    if stage == "answering":
        attempt = node.hear(LinkOffer(THEIRS)).message_id
    elif stage != "idle":
        # Sequence 1 is spent on this answer to nothing, so that a lie may replay it.
        node.hear(LinkAnswer(THEIRS), answers=b"nothing")
        end, offer = node.offered()
        attempt = offer.message_id
        if stage in ("connecting", "up"):
            node.hear(LinkAnswer(THEIRS), answers=attempt)
        if stage == "up":
            node.feed(EndUp(end=end))
    if lie.get("sequence") == 1 and stage == "idle":
        return
    before = (node.core.links(), node.core.next_deadline(), dict(node.core._peers), node.core._voice._sequence)
    node.sequence = sequence
    node.hear(body, answers=attempt if about_ours else b"", **lie)  # type: ignore[arg-type]
    assert not node.effects
    after = (node.core.links(), node.core.next_deadline(), dict(node.core._peers), node.core._voice._sequence)
    assert after == before
