"""The negotiation core: what each event means, and for which peer. transitions.py holds the theory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay.negotiation.attempts import REOFFER_JITTER_S, Signal
from relay.negotiation.effects import (
    NegotiationEffect,
    RereadMembers,
    SendEnvelope,
)
from relay.negotiation.events import (
    DeadlinePassed,
    Draining,
    EndClosed,
    EndFailed,
    EndHeard,
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
    RenewalAsked,
    ShuttingDown,
)
from relay.negotiation.inspection import Verdict
from relay.negotiation.peer import LinkView, Peer, Phase
from relay.negotiation.renewals import Renewals
from relay.negotiation.transitions import TABLE, Cue
from signalling.mesh.negotiation import (
    Envelope,
    LinkAnswer,
    LinkBye,
    LinkOffer,
    LinkReject,
)

if TYPE_CHECKING:
    from signalling.ids import NodeId

__all__ = ["LinkView", "Negotiation", "Phase"]


class Negotiation(Renewals):
    """The links of one node. `handle` events; do what it asks; call again at `next_deadline`."""

    # --- the face ---------------------------------------------------------------------------

    def handle(self, event: NegotiationEvent, now: float) -> tuple[NegotiationEffect, ...]:
        """Take one event at `now` (monotonic seconds); give what is to be done, in order."""
        match event:
            case EnvelopeHeard():
                self._hear(event, now)
            case MemberSeen():
                self._see_member(event.member, now)
            case MemberLost():
                self._lose_member(event.node, now, is_refused=event.is_refused)
            case LinksWanted():
                self._want(event.nodes, now)
            case Draining():
                self._draining = event.draining
                for peer in self._peers.values():
                    self._arm(peer, now)
            case EndOpened():
                self._signal_end(event.end, Signal(cue=Cue.OPENED, parameters=event.parameters), now)
            case EndUp():
                self._signal_end(event.end, Signal(cue=Cue.ROSE), now)
            case EndHeard(end=end):
                if (node := self._ends.get(end)) is not None and (link := self._peers[node]).end is not None:
                    self._hear_end(link, end, now)
            case RenewalAsked(node=node):
                self._ask_renewal(node, now)
            case EndSuspect():
                self._signal_end(event.end, Signal(cue=Cue.SUSPECTED), now)
            case EndFailed():
                self._signal_end(event.end, Signal(cue=Cue.BROKE, reason=event.code), now)
            case EndClosed():
                self._signal_end(event.end, Signal(cue=Cue.BROKE, reason=event.reason), now)
            case EventsQueued(count=count):
                self._voice.heed(count)
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
        links = self._peers.values()
        peers = (*links, *(link.renewal for link in links if link.renewal is not None))
        times = [peer.deadline for peer in peers]
        times += [peer.retries_at[0] for peer in peers if peer.retries_at]
        times += [self._renewal_deadline(link) for link in links]
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

    def _see_member(self, member: Member, now: float) -> None:
        known = self._members.get(member.node)
        self._members[member.node] = member
        self._inspector.forget(member.node, member.boot)
        peer = self._peers.get(member.node)
        if peer is not None and member != known:
            if peer.end is not None and peer.end.theirs is not None and peer.end.boot < member.boot:
                self._signal(peer, Signal(cue=Cue.REBOOTED, reason="peer_restarted"), now)
            peer.failures = 0
            peer.not_before = now
            self._arm(peer, now)
        for opened, late_s in self._inspector.release(member.node):
            self._hear(EnvelopeHeard(opened=opened, late_s=late_s), now)

    def _lose_member(self, node: NodeId, now: float, *, is_refused: bool) -> None:
        if self._members.pop(node, None) is None:
            return
        peer = self._peers.get(node)
        if peer is None:
            return
        if peer.renewal is not None:
            self._signal(peer.renewal, Signal(cue=Cue.BROKE, reason="node_gone"), now)
        if is_refused and peer.end is not None:
            self._signal_end(peer.end.id, Signal(cue=Cue.BROKE, reason="node_refused"), now)
        elif Cue.GONE in TABLE[peer.phase]:
            self._signal(peer, Signal(cue=Cue.GONE, reason="node_gone"), now)
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
                if (known := self._of_attempt(peer, envelope.message_id)) is not None:
                    self._signal(known, Signal(cue=Cue.REPEATED_OFFER), now)
            case _ if verdict is Verdict.REPEATED:
                pass
            case LinkOffer():
                if self._is_history(peer, envelope):
                    self.oddities["stale_offer"] += 1
                else:
                    self._signal_offer(peer, envelope, now)
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
        if (known := self._of_attempt(peer, envelope.correlation_id)) is None:
            self.oddities[f"{cue.name.lower()}_to_nothing"] += 1
            return
        self._signal(known, Signal(cue=cue, envelope=envelope), now)

    def _take_engine_restart(self, now: float) -> None:
        for end in tuple(self._ends):
            self._signal_end(end, Signal(cue=Cue.BROKE, reason="engine_restarted"), now)
        for _, peer in sorted(self._peers.items()):
            if peer.reason.startswith("engine_"):
                # Whatever the former engine failed to do says nothing about this one.
                peer.failures = 0
                peer.not_before = min(peer.not_before, now + REOFFER_JITTER_S * self._random.random())
                self._arm(peer, now)

    def _pass_deadlines(self, now: float) -> None:
        self._inspector.expire(now)
        for _, peer in sorted(self._peers.items()):
            self._pass_deadline(peer, now)
            if peer.renewal is not None:
                self._pass_deadline(peer.renewal, now)
            self._pass_renewal(peer, now)

    def _pass_deadline(self, peer: Peer, now: float) -> None:
        if peer.deadline is not None and peer.deadline <= now:
            self._signal(peer, Signal(cue=Cue.TIMEOUT, reason=f"{peer.phase.value}_timeout"), now)
        elif peer.retries_at and peer.retries_at[0] <= now:
            peer.retries_at = peer.retries_at[1:]
            self._speak_again(peer, Signal(cue=Cue.TIMEOUT), now)

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
