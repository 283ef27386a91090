"""What is done in an attempt at a link, from the offer to its end; transitions.py says when."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from relay.candidates import can_meet, usable
from relay.link_peer import link_peer
from relay.negotiation.effects import (
    CloseEnd,
    ConnectEnd,
    LinkFell,
    LinkRose,
    NegotiationEffect,
    OpenEnd,
)
from relay.negotiation.pace import backoff_s
from relay.negotiation.peer import End, Peer, Phase
from relay.negotiation.transitions import LIMITS_S, TABLE, Cue, Do
from relay.negotiation.voice import Voice
from signalling.mesh.negotiation import (
    MAX_LANE,
    MESH_VERSION,
    Envelope,
    LinkAnswer,
    LinkBye,
    LinkOffer,
    LinkParameters,
    LinkReject,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from relay.negotiation.events import (
        Member,
    )
    from relay.negotiation.inspection import Inspector
    from signalling.ids import NodeId, PeerId

_RETRIES_S: Final = (2.0, 5.0)
"""When an offer is said again: beyond the p99 of gossip, so that repeats stay rare."""

_RETRY_JITTER: Final = 0.2

REOFFER_JITTER_S: Final = 0.1
_REOFFER_YIELD_S: Final = 0.3
"""Both ends lose a link at once: the node with the higher id waits a gossip's time, so that offers seldom cross."""

_BYE_PAUSE_S: Final = 1.0
"""After a goodbye, before asking again: the far node is leaving, and gossip will say so."""

REJECT_RETRY_S: Final[Mapping[str, int]] = MappingProxyType(
    {"node_draining": 30, "protocol_unsupported": 300, "engine_unavailable": 5, "no_common_address": 60}
)
MAX_RETRY_AFTER_S: Final = 300
_MAX_CODE: Final = 64
"""A code of a peer is cut here; ours are shorter."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """One thing that happens to one peer."""

    cue: Cue
    reason: str = ""
    envelope: Envelope | None = None
    parameters: LinkParameters | None = None


class Attempts:
    """The state of all links of a node, and the actions of the table."""

    def __init__(
        self, *, cluster: str, own: NodeId, boot: int, idle_linger_s: float, inspector: Inspector, random: Random
    ) -> None:
        self._own = own
        self._idle_linger_s = idle_linger_s
        self._inspector = inspector
        self._random = random
        self._members: dict[NodeId, Member] = {}
        self._peers: dict[NodeId, Peer] = {}
        self._ends: dict[PeerId, NodeId] = {}
        self._draining = False
        self._ends_made = 0
        self._voice = Voice(cluster=cluster, own=own, boot=boot, random=random)
        self._effects: list[NegotiationEffect] = []
        self.oddities: Counter[str] = Counter()
        self.renewals: Counter[str] = Counter()
        self._actions: dict[Do, Callable[[Peer, Signal, float], None]] = {
            Do.BEGIN: self._begin,
            Do.SPEAK_OFFER: self._speak_offer,
            Do.TAKE_OFFER: self._take_offer,
            Do.CROSS: self._cross,
            Do.SPEAK_ANSWER: self._speak_answer,
            Do.TAKE_ANSWER: self._take_answer,
            Do.TAKE_REJECT: self._take_reject,
            Do.TAKE_BYE: self._take_bye,
            Do.SPEAK_AGAIN: self._speak_again,
            Do.RISE: self._rise,
            Do.RECOVER: self._recover,
            Do.DOUBT: self._doubt,
            Do.FAIL: self._fail,
            Do.GIVE_UP_ANSWERING: self._give_up_answering,
            Do.FALL: self._fall,
            Do.PART: self._part,
        }

    def _signal(self, peer: Peer, signal: Signal, now: float) -> None:
        action = TABLE[peer.phase].get(signal.cue)
        if action is None:
            self.oddities[f"{signal.cue.name.lower()}_while_{peer.phase.value}"] += 1
            return
        self._actions[action](peer, signal, now)

    # --- actions, in the order of an attempt's life -------------------------------------------

    def _begin(self, peer: Peer, _: Signal, now: float) -> None:
        if not self._can_ask(peer):
            peer.deadline = None
        elif not self._voice.prepay(now):
            peer.deadline = self._voice.next_turn(now)
        else:
            self._open_end(peer, "offerer", self._voice.new_message_id(), Phase.OPENING, now)

    def _speak_offer(self, peer: Peer, signal: Signal, now: float) -> None:
        end, parameters = self._end_of(peer), self._parameters_of(signal)
        offer = LinkOffer(self._trimmed(parameters), peer.beside, end.lane)
        end.spoken = self._voice.compose(peer.node, offer, b"", end.attempt)
        # Its turn was taken when the attempt began.
        self._voice.say_prepaid(end.spoken)
        self._enter(peer, Phase.OFFERED, now)
        peer.retries_at = tuple(now + at * (1.0 + _RETRY_JITTER * self._random.random()) for at in _RETRIES_S)

    def _cross(self, peer: Peer, signal: Signal, now: float) -> None:
        self.oddities["crossed_offers"] += 1
        if not self._our_offer_stands(peer.node):
            self._take_offer(peer, signal, now)

    def _our_offer_stands(self, node: NodeId) -> bool:
        return self._own < node

    def _take_offer(self, peer: Peer, signal: Signal, now: float) -> None:
        envelope = self._envelope_of(signal)
        if (code := self._refusal(peer, envelope)) is not None:
            self._reject(peer, envelope.message_id, code, now)
            return
        assert isinstance(envelope.body, LinkOffer)
        if peer.end is not None:
            self._leave_end(peer, "renegotiated", now)
        if peer.needed_since is None:
            peer.needed_since = now
        end = self._open_end(peer, "answerer", envelope.message_id, Phase.ANSWERING, now, envelope.body.lane)
        end.theirs = envelope.body.parameters
        end.boot = envelope.incarnation
        self._note_heard(envelope)

    def _speak_answer(self, peer: Peer, signal: Signal, now: float) -> None:
        end, ours = self._end_of(peer), self._trimmed(self._parameters_of(signal))
        theirs = end.theirs
        assert theirs is not None
        if not can_meet(ours.candidates, theirs.candidates):
            # The failure drops what waits to be said in this attempt, so the reject comes after it.
            self._fail(peer, Signal(cue=Cue.BROKE, reason="no_common_address"), now)
            self._reject(peer, end.attempt, "no_common_address", now)
            return
        end.spoken = self._voice.compose(peer.node, LinkAnswer(ours, end.lane), end.attempt)
        self._voice.say(end.spoken)
        self._connect(peer, end, theirs, now)

    def _take_answer(self, peer: Peer, signal: Signal, now: float) -> None:
        end, envelope = self._end_of(peer), self._envelope_of(signal)
        assert isinstance(envelope.body, LinkAnswer)
        if envelope.body.lane != end.lane:
            # It knows of no lanes, so our datagrams would be noise to it.
            self._fail(peer, Signal(cue=Cue.BROKE, reason="protocol_unsupported"), now)
            return
        end.boot = envelope.incarnation
        self._note_heard(envelope)
        self._connect(peer, end, envelope.body.parameters, now)

    def _take_reject(self, peer: Peer, signal: Signal, now: float) -> None:
        body = self._envelope_of(signal).body
        assert isinstance(body, LinkReject)
        self._fail(peer, Signal(cue=Cue.REJECT, reason=body.code[:_MAX_CODE]), now)
        peer.not_before = now + min(max(1, body.retry_after_s), MAX_RETRY_AFTER_S)
        self._arm(peer, now)

    def _speak_again(self, peer: Peer, _: Signal, now: float) -> None:
        end = self._end_of(peer)
        if end.spoken is not None:
            self._voice.say(end.spoken)

    def _connect(self, peer: Peer, end: End, theirs: LinkParameters, now: float) -> None:
        end.theirs = self._trimmed(theirs)
        self._effects.append(ConnectEnd(end=end.id, parameters=end.theirs))
        self._enter(peer, Phase.CONNECTING, now)

    def _rise(self, peer: Peer, signal: Signal, now: float) -> None:
        end = self._end_of(peer)
        end.rose = True
        since = now if peer.needed_since is None else peer.needed_since
        peer.setup_ms = (now - since) * 1000.0
        peer.needed_since = None
        peer.failures = 0
        peer.reason = ""
        self._effects.append(LinkRose(node=peer.node, end=end.id, boot=end.boot, setup_ms=peer.setup_ms))
        self._enter(peer, Phase.UP, now)

    def _recover(self, peer: Peer, signal: Signal, now: float) -> None:
        self._enter(peer, Phase.UP, now)

    def _doubt(self, peer: Peer, signal: Signal, now: float) -> None:
        self._enter(peer, Phase.SUSPECT, now)
        if peer.node not in self._members:
            self._fall(peer, Signal(cue=Cue.GONE, reason="node_gone"), now)

    # --- endings ------------------------------------------------------------------------------

    def _fail(self, peer: Peer, signal: Signal, now: float) -> None:
        self._leave_end(peer, signal.reason, now)
        peer.not_before = now + backoff_s(peer.failures, self._random)
        peer.failures += 1
        self._arm(peer, now)

    def _give_up_answering(self, peer: Peer, signal: Signal, now: float) -> None:
        attempt = self._end_of(peer).attempt
        self._fail(peer, signal, now)
        self._reject(peer, attempt, "engine_unavailable", now)

    def _fall(self, peer: Peer, signal: Signal, now: float) -> None:
        self._leave_end(peer, signal.reason, now)
        pause = REOFFER_JITTER_S * self._random.random()
        peer.not_before = now + pause + (0.0 if self._our_offer_stands(peer.node) else _REOFFER_YIELD_S)
        self._arm(peer, now)

    def _take_bye(self, peer: Peer, signal: Signal, now: float) -> None:
        body = self._envelope_of(signal).body
        assert isinstance(body, LinkBye)
        self._leave_end(peer, body.code[:_MAX_CODE], now)
        peer.not_before = now + _BYE_PAUSE_S
        self._arm(peer, now)

    def _part(self, peer: Peer, _: Signal, now: float) -> None:
        attempt = self._end_of(peer).attempt
        self._leave_end(peer, "idle", now)
        self._voice.say(self._voice.compose(peer.node, LinkBye(code="idle"), attempt))
        self._drop_idle(peer)

    def _leave_end(self, peer: Peer, reason: str, now: float) -> None:
        """Back to waiting; whoever calls says until when."""
        end = self._end_of(peer)
        peer.end = None
        peer.setup_ms = None
        peer.reason = reason
        peer.retries_at = ()
        del self._ends[end.id]
        self._voice.forget(end.attempt)
        if end.rose:
            self._effects.append(LinkFell(node=peer.node, end=end.id, reason=reason))
        self._effects.append(CloseEnd(end=end.id))
        if peer.wanted:
            peer.needed_since = now if end.rose else peer.needed_since
        else:
            peer.needed_since = None
        self._enter(peer, Phase.WAITING, now)

    # --- small parts --------------------------------------------------------------------------

    def _enter(self, peer: Peer, phase: Phase, now: float) -> None:
        peer.phase = phase
        peer.since = now
        peer.retries_at = ()
        limit = LIMITS_S.get(phase)
        peer.deadline = None if limit is None else now + limit
        self._arm(peer, now)

    def _arm(self, peer: Peer, now: float) -> None:
        """Set the deadline of the two phases in which it hangs on whether the link is wanted."""
        if peer.phase is Phase.WAITING:
            peer.deadline = max(now, peer.not_before) if self._can_ask(peer) else None
        elif peer.phase is Phase.UP:
            if peer.wanted:
                peer.deadline = None
            elif peer.deadline is None:
                peer.deadline = now + self._idle_linger_s

    def _can_ask(self, peer: Peer) -> bool:
        member = self._members.get(peer.node)
        return peer.wanted and not self._draining and member is not None and not member.is_draining

    def _refusal(self, peer: Peer, offer: Envelope) -> str | None:
        member = self._members.get(peer.node)
        assert isinstance(offer.body, LinkOffer)
        if offer.version > MESH_VERSION or not 0 <= offer.body.lane <= MAX_LANE:
            return "protocol_unsupported"
        if self._draining or (member is not None and member.is_draining):
            return "node_draining"
        return None

    def _note_heard(self, envelope: Envelope) -> None:
        link = self._peers[envelope.sender]
        link.heard = max(link.heard, (envelope.incarnation, envelope.sequence))

    def _reject(self, peer: Peer, offer_id: bytes, code: str, now: float) -> None:
        self.oddities[f"rejected_{code}"] += 1
        self._voice.say(self._voice.compose(peer.node, LinkReject(code, REJECT_RETRY_S[code]), offer_id))

    def _peer(self, node: NodeId, now: float) -> Peer:
        return self._peers.setdefault(node, Peer(node=node, since=now))

    def _drop_idle(self, peer: Peer) -> None:
        """Forget a node that is neither a member nor wanted nor linked."""
        if peer.node not in self._members and not peer.wanted and peer.end is None:
            self._peers.pop(peer.node, None)

    def _open_end(
        self, peer: Peer, role: Literal["offerer", "answerer"], attempt: bytes, phase: Phase, now: float, lane: int = 0
    ) -> End:
        self._ends_made += 1
        end = End(id=link_peer(peer.node, self._ends_made), role=role, attempt=attempt, boot=0, lane=lane)
        peer.end = end
        self._ends[end.id] = peer.node
        link = self._peers[peer.node]
        link.lane = lane or link.lane
        beside = link.end.id if peer.beside and link.end is not None else None
        controlling = role == "offerer"
        self._effects.append(OpenEnd(end=end.id, node=peer.node, controlling=controlling, lane=lane, beside=beside))
        self._enter(peer, phase, now)
        return end

    @staticmethod
    def _trimmed(parameters: LinkParameters) -> LinkParameters:
        return msgspec.structs.replace(parameters, candidates=usable(parameters.candidates))

    @staticmethod
    def _end_of(peer: Peer) -> End:
        assert peer.end is not None, "every phase but waiting has an end"
        return peer.end

    @staticmethod
    def _envelope_of(signal: Signal) -> Envelope:
        assert signal.envelope is not None, "this cue comes with an envelope"
        return signal.envelope

    @staticmethod
    def _parameters_of(signal: Signal) -> LinkParameters:
        assert signal.parameters is not None, "an opened end has parameters"
        return signal.parameters
