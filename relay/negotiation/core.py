"""The negotiation core; transitions.py holds its theory of operation and its table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from relay.candidates import can_meet, usable
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
    LinksWanted,
    Member,
    MemberLost,
    MemberSeen,
    NegotiationEvent,
    ShuttingDown,
)
from relay.negotiation.inspection import Inspector, Verdict
from relay.negotiation.pace import backoff_s
from relay.negotiation.peer import End, LinkView, Peer, Phase
from relay.negotiation.transitions import LIMITS_S, TABLE, Cue, Do
from relay.negotiation.voice import Voice
from signalling.ids import NodeId, PeerId
from signalling.mesh.negotiation import (
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

__all__ = ["LinkView", "Negotiation", "Phase"]


_RETRIES_S: Final = (2.0, 5.0)
"""When an offer is said again: beyond the p99 of gossip, so that repeats stay rare."""

_RETRY_JITTER: Final = 0.2

_REOFFER_JITTER_S: Final = 0.1
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
class _Signal:
    """One thing that happens to one peer."""

    cue: Cue
    reason: str = ""
    envelope: Envelope | None = None
    parameters: LinkParameters | None = None


class Negotiation:
    """The links of one node. `handle` events; do what it asks; call again at `next_deadline`."""

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
        self._actions: dict[Do, Callable[[Peer, _Signal, float], None]] = {
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

    # --- the face ---------------------------------------------------------------------------

    def handle(self, event: NegotiationEvent, now: float) -> tuple[NegotiationEffect, ...]:
        """Take one event at `now` (monotonic seconds); give what is to be done, in order."""
        match event:
            case EnvelopeHeard():
                self._hear(event, now)
            case MemberSeen():
                self._see_member(event.member, now)
            case MemberLost():
                self._lose_member(event.node, now)
            case LinksWanted():
                self._want(event.nodes, now)
            case Draining():
                self._draining = event.draining
                for peer in self._peers.values():
                    self._arm(peer, now)
            case EndOpened():
                self._signal_end(event.end, _Signal(cue=Cue.OPENED, parameters=event.parameters), now)
            case EndUp():
                self._signal_end(event.end, _Signal(cue=Cue.ROSE), now)
            case EndSuspect():
                self._signal_end(event.end, _Signal(cue=Cue.SUSPECTED), now)
            case EndFailed():
                self._signal_end(event.end, _Signal(cue=Cue.BROKE, reason=event.code), now)
            case EndClosed():
                self._signal_end(event.end, _Signal(cue=Cue.BROKE, reason=event.reason), now)
            case EngineRestarted():
                self._take_engine_restart(now)
            case DeadlinePassed():
                self._pass_deadlines(now)
            case ShuttingDown():
                self._shut_down(now)
        self._effects += [SendEnvelope(envelope=said) for said in self._voice.take_due(now)]
        effects, self._effects = tuple(self._effects), []
        return effects

    def next_deadline(self) -> float | None:
        """When `handle` must be called at the latest, if nothing happens before."""
        times = [peer.deadline for peer in self._peers.values()]
        times += [peer.retries_at[0] for peer in self._peers.values() if peer.retries_at]
        times.append(self._inspector.next_deadline())
        times.append(self._voice.next_deadline())
        return min((at for at in times if at is not None), default=None)

    def links(self) -> tuple[LinkView, ...]:
        """Every link there is, or is wanted, in the order of node ids."""
        return tuple(
            LinkView(
                node=peer.node,
                phase=peer.phase,
                wanted=peer.wanted,
                since=peer.since,
                end=peer.end.id if peer.end else None,
                role=peer.end.role if peer.end else None,
                setup_ms=peer.setup_ms,
                failures=peer.failures,
                reason=peer.reason,
            )
            for _, peer in sorted(self._peers.items())
            if peer.wanted or peer.end is not None
        )

    # --- what happens, to whom ----------------------------------------------------------------

    def _signal(self, peer: Peer, signal: _Signal, now: float) -> None:
        action = TABLE[peer.phase].get(signal.cue)
        if action is None:
            self.oddities[f"{signal.cue.name.lower()}_while_{peer.phase.value}"] += 1
            return
        self._actions[action](peer, signal, now)

    def _signal_end(self, end: PeerId, signal: _Signal, now: float) -> None:
        node = self._ends.get(end)
        if node is None:
            self.oddities["unknown_end"] += 1
            return
        self._signal(self._peers[node], signal, now)

    def _see_member(self, member: Member, now: float) -> None:
        known = self._members.get(member.node)
        self._members[member.node] = member
        self._inspector.forget(member.node, member.boot)
        peer = self._peers.get(member.node)
        if peer is not None and member != known:
            if peer.end is not None and peer.end.theirs is not None and peer.end.boot < member.boot:
                self._signal(peer, _Signal(cue=Cue.REBOOTED, reason="peer_restarted"), now)
            peer.failures = 0
            peer.not_before = now
            self._arm(peer, now)
        for opened, late_s in self._inspector.release(member.node):
            self._hear(EnvelopeHeard(opened=opened, late_s=late_s), now)

    def _lose_member(self, node: NodeId, now: float) -> None:
        if self._members.pop(node, None) is None:
            return
        peer = self._peers.get(node)
        if peer is None:
            return
        if Cue.GONE in TABLE[peer.phase]:
            self._signal(peer, _Signal(cue=Cue.GONE, reason="node_gone"), now)
        self._arm(peer, now)
        self._drop_idle(peer)

    def _want(self, nodes: frozenset[NodeId], now: float) -> None:
        for node in sorted(nodes - {self._own}):
            peer = self._peer(node, now)
            if not peer.wanted:
                peer.wanted = True
                if peer.phase not in (Phase.UP, Phase.SUSPECT) and peer.needed_since is None:
                    peer.needed_since = now
                self._arm(peer, now)
        for node, peer in sorted(self._peers.items()):
            if peer.wanted and node not in nodes:
                peer.wanted = False
                if peer.phase is Phase.WAITING:
                    peer.needed_since = None
                self._arm(peer, now)
                self._drop_idle(peer)

    def _hear(self, event: EnvelopeHeard, now: float) -> None:
        verdict = self._inspector.judge(event.opened, event.late_s, self._members, now)
        envelope = event.opened.envelope
        if verdict is Verdict.HELD:
            self._effects.append(RereadMembers())
        if verdict not in (Verdict.ACCEPTED, Verdict.REPEATED):
            return
        peer = self._peer(envelope.sender, now)
        match envelope.body:
            case LinkOffer() if verdict is Verdict.REPEATED:
                if peer.end is not None and peer.end.attempt == envelope.message_id:
                    self._signal(peer, _Signal(cue=Cue.REPEATED_OFFER), now)
            case _ if verdict is Verdict.REPEATED:
                pass
            case LinkOffer():
                if self._is_history(peer, envelope):
                    self.oddities["stale_offer"] += 1
                else:
                    self._signal(peer, _Signal(cue=Cue.OFFER, envelope=envelope), now)
            case LinkAnswer():
                self._signal_attempt(peer, envelope, Cue.ANSWER, now)
            case LinkReject():
                self._signal_attempt(peer, envelope, Cue.REJECT, now)
            case LinkBye():
                self._signal_attempt(peer, envelope, Cue.BYE, now)
        self._drop_idle(peer)

    @staticmethod
    def _is_history(peer: Peer, offer: Envelope) -> bool:
        return (offer.incarnation, offer.sequence) <= peer.heard

    def _signal_attempt(self, peer: Peer, envelope: Envelope, cue: Cue, now: float) -> None:
        if peer.end is None or peer.end.attempt != envelope.correlation_id:
            self.oddities[f"{cue.name.lower()}_to_nothing"] += 1
            return
        self._signal(peer, _Signal(cue=cue, envelope=envelope), now)

    def _take_engine_restart(self, now: float) -> None:
        for end in tuple(self._ends):
            self._signal_end(end, _Signal(cue=Cue.BROKE, reason="engine_restarted"), now)
        for _, peer in sorted(self._peers.items()):
            if peer.reason.startswith("engine_"):
                # Whatever the former engine failed to do says nothing about this one.
                peer.failures = 0
                peer.not_before = min(peer.not_before, now + _REOFFER_JITTER_S * self._random.random())
                self._arm(peer, now)

    def _pass_deadlines(self, now: float) -> None:
        self._inspector.expire(now)
        for _, peer in sorted(self._peers.items()):
            if peer.deadline is not None and peer.deadline <= now:
                self._signal(peer, _Signal(cue=Cue.TIMEOUT, reason=f"{peer.phase.value}_timeout"), now)
            elif peer.retries_at and peer.retries_at[0] <= now:
                peer.retries_at = peer.retries_at[1:]
                self._speak_again(peer, _Signal(cue=Cue.TIMEOUT), now)

    def _shut_down(self, now: float) -> None:
        goodbyes: list[Envelope] = []
        for _, peer in sorted(self._peers.items()):
            peer.wanted = False
            if peer.end is not None:
                if peer.end.theirs is not None:
                    goodbyes.append(self._voice.compose(peer.node, LinkBye(code="node_leaving"), peer.end.attempt))
                self._leave_end(peer, "node_leaving", now)
        for bye in goodbyes:
            self._voice.say_prepaid(bye)

    # --- actions, in the order of an attempt's life -------------------------------------------

    def _begin(self, peer: Peer, _: _Signal, now: float) -> None:
        if not self._can_ask(peer):
            peer.deadline = None
        elif not self._voice.prepay(now):
            peer.deadline = self._voice.next_turn(now)
        else:
            self._open_end(peer, "offerer", self._voice.new_message_id(), Phase.OPENING, now)

    def _speak_offer(self, peer: Peer, signal: _Signal, now: float) -> None:
        end, parameters = self._end_of(peer), self._parameters_of(signal)
        end.spoken = self._voice.compose(peer.node, LinkOffer(self._trimmed(parameters)), b"", end.attempt)
        # Its turn was taken when the attempt began.
        self._voice.say_prepaid(end.spoken)
        self._enter(peer, Phase.OFFERED, now)
        peer.retries_at = tuple(now + at * (1.0 + _RETRY_JITTER * self._random.random()) for at in _RETRIES_S)

    def _cross(self, peer: Peer, signal: _Signal, now: float) -> None:
        self.oddities["crossed_offers"] += 1
        if not self._our_offer_stands(peer.node):
            self._take_offer(peer, signal, now)

    def _our_offer_stands(self, node: NodeId) -> bool:
        return self._own < node

    def _take_offer(self, peer: Peer, signal: _Signal, now: float) -> None:
        envelope = self._envelope_of(signal)
        if (code := self._refusal(peer, envelope)) is not None:
            self._reject(peer, envelope.message_id, code, now)
            return
        assert isinstance(envelope.body, LinkOffer)
        if peer.end is not None:
            self._leave_end(peer, "renegotiated", now)
        if peer.needed_since is None:
            peer.needed_since = now
        end = self._open_end(peer, "answerer", envelope.message_id, Phase.ANSWERING, now)
        end.theirs = envelope.body.parameters
        end.boot = envelope.incarnation
        peer.heard = (envelope.incarnation, envelope.sequence)

    def _speak_answer(self, peer: Peer, signal: _Signal, now: float) -> None:
        end, ours = self._end_of(peer), self._trimmed(self._parameters_of(signal))
        theirs = end.theirs
        assert theirs is not None
        if not can_meet(ours.candidates, theirs.candidates):
            self._reject(peer, end.attempt, "no_common_address", now)
            self._fail(peer, _Signal(cue=Cue.BROKE, reason="no_common_address"), now)
            return
        end.spoken = self._voice.compose(peer.node, LinkAnswer(ours), end.attempt)
        self._voice.say(end.spoken)
        self._connect(peer, end, theirs, now)

    def _take_answer(self, peer: Peer, signal: _Signal, now: float) -> None:
        end, envelope = self._end_of(peer), self._envelope_of(signal)
        assert isinstance(envelope.body, LinkAnswer)
        end.boot = envelope.incarnation
        peer.heard = max(peer.heard, (envelope.incarnation, envelope.sequence))
        self._connect(peer, end, envelope.body.parameters, now)

    def _take_reject(self, peer: Peer, signal: _Signal, now: float) -> None:
        body = self._envelope_of(signal).body
        assert isinstance(body, LinkReject)
        self._fail(peer, _Signal(cue=Cue.REJECT, reason=body.code[:_MAX_CODE]), now)
        peer.not_before = now + min(max(1, body.retry_after_s), MAX_RETRY_AFTER_S)
        self._arm(peer, now)

    def _speak_again(self, peer: Peer, _: _Signal, now: float) -> None:
        end = self._end_of(peer)
        if end.spoken is not None:
            self._voice.say(end.spoken)

    def _connect(self, peer: Peer, end: End, theirs: LinkParameters, now: float) -> None:
        end.theirs = self._trimmed(theirs)
        self._effects.append(ConnectEnd(end=end.id, parameters=end.theirs))
        self._enter(peer, Phase.CONNECTING, now)

    def _rise(self, peer: Peer, _: _Signal, now: float) -> None:
        end = self._end_of(peer)
        end.rose = True
        since = now if peer.needed_since is None else peer.needed_since
        peer.setup_ms = (now - since) * 1000.0
        peer.needed_since = None
        peer.failures = 0
        peer.reason = ""
        self._effects.append(LinkRose(node=peer.node, end=end.id, boot=end.boot, setup_ms=peer.setup_ms))
        self._enter(peer, Phase.UP, now)

    def _recover(self, peer: Peer, _: _Signal, now: float) -> None:
        self._enter(peer, Phase.UP, now)

    def _doubt(self, peer: Peer, _: _Signal, now: float) -> None:
        self._enter(peer, Phase.SUSPECT, now)
        if peer.node not in self._members:
            self._fall(peer, _Signal(cue=Cue.GONE, reason="node_gone"), now)

    # --- endings ------------------------------------------------------------------------------

    def _fail(self, peer: Peer, signal: _Signal, now: float) -> None:
        self._leave_end(peer, signal.reason, now)
        peer.not_before = now + backoff_s(peer.failures, self._random)
        peer.failures += 1
        self._arm(peer, now)

    def _give_up_answering(self, peer: Peer, signal: _Signal, now: float) -> None:
        self._reject(peer, self._end_of(peer).attempt, "engine_unavailable", now)
        self._fail(peer, signal, now)

    def _fall(self, peer: Peer, signal: _Signal, now: float) -> None:
        self._leave_end(peer, signal.reason, now)
        pause = _REOFFER_JITTER_S * self._random.random()
        peer.not_before = now + pause + (0.0 if self._our_offer_stands(peer.node) else _REOFFER_YIELD_S)
        self._arm(peer, now)

    def _take_bye(self, peer: Peer, signal: _Signal, now: float) -> None:
        body = self._envelope_of(signal).body
        assert isinstance(body, LinkBye)
        self._leave_end(peer, body.code[:_MAX_CODE], now)
        peer.not_before = now + _BYE_PAUSE_S
        self._arm(peer, now)

    def _part(self, peer: Peer, _: _Signal, now: float) -> None:
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
        if offer.version > MESH_VERSION:
            return "protocol_unsupported"
        if self._draining or (member is not None and member.is_draining):
            return "node_draining"
        return None

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
        self, peer: Peer, role: Literal["offerer", "answerer"], attempt: bytes, phase: Phase, now: float
    ) -> End:
        self._ends_made += 1
        end = End(id=PeerId(f"link:{peer.node}:{self._ends_made}"), role=role, attempt=attempt, boot=0)
        peer.end = end
        self._ends[end.id] = peer.node
        self._effects.append(OpenEnd(end=end.id, node=peer.node, controlling=role == "offerer"))
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
    def _envelope_of(signal: _Signal) -> Envelope:
        assert signal.envelope is not None, "this cue comes with an envelope"
        return signal.envelope

    @staticmethod
    def _parameters_of(signal: _Signal) -> LinkParameters:
        assert signal.parameters is not None, "an opened end has parameters"
        return signal.parameters
