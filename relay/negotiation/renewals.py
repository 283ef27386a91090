"""How a link is made anew beside the one there is, and takes its place; transitions.py holds the theory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from relay.negotiation.attempts import Attempts, Signal
from relay.negotiation.effects import CloseEnd, EndRenewed, EndRests
from relay.negotiation.pace import backoff_s
from relay.negotiation.peer import Peer, Phase
from relay.negotiation.transitions import LIMITS_S, Cue
from signalling.mesh.negotiation import MAX_LANE, LinkOffer

if TYPE_CHECKING:
    from signalling.ids import NodeId, PeerId
    from signalling.mesh.negotiation import Envelope

RENEW_AFTER_S: Final = 0.3
"""From the suspicion until a new link is begun: a second after the last sign of life, so a hiccup costs nothing."""

RENEW_YIELD_S: Final = 0.3
"""Both ends suspect at once: the node with the higher id waits a gossip's time more, so that offers seldom cross."""

OVERLAP_S: Final = 2.0
"""How long a former end serves after both nodes speak on the new one: as long as a former leg beside its successor."""

DRAIN_S: Final = 8.0
"""How long a former end whose path was dark stays for the words that wait on it: SCTP doubles its second each time that
nobody answers, so what was said in three seconds of darkness leaves again within four of their end, or eight."""

DARK_LATELY_S: Final = 15.0
"""A suspicion that lies further back has left nothing waiting."""

MAX_RENEWALS_FAILED: Final = 3
"""Then nothing is tried any more until somebody asks, or the link is suspected, again."""

STANDING: Final = (Phase.UP, Phase.SUSPECT)


class Renewals(Attempts):
    """Attempts, and those among them that stand beside a link."""

    # --- when ---------------------------------------------------------------------------------

    def _ask_renewal(self, node: NodeId, now: float) -> None:
        peer = self._peers.get(node)
        if peer is None or peer.phase not in STANDING:
            self.oddities["renewal_of_no_link"] += 1
            return
        peer.renewals_failed = 0
        if peer.renewal is None and peer.renew_at is None:
            peer.renew_at = now

    def _doubt(self, peer: Peer, signal: Signal, now: float) -> None:
        peer.renewals_failed = 0
        peer.doubted_at = now
        peer.renew_at = now + RENEW_AFTER_S + (0.0 if self._our_offer_stands(peer.node) else RENEW_YIELD_S)
        super()._doubt(peer, signal, now)

    def _recover(self, peer: Peer, signal: Signal, now: float) -> None:
        # One that has begun goes on: the far node may be about to go over to it.
        peer.renew_at = None
        super()._recover(peer, signal, now)

    def _renewal_deadline(self, peer: Peer) -> float | None:
        """When `_pass_renewal` has something to do."""
        times = (peer.renew_at, None if peer.former is None else peer.former_until)
        return min((at for at in times if at is not None), default=None)

    def _pass_renewal(self, peer: Peer, now: float) -> None:
        if peer.former is not None and peer.former_until <= now:
            if peer.rests_until is None or peer.rests_until <= now:
                self._close_former(peer)
            else:
                peer.former_until = peer.rests_until
                self._effects.append(EndRests(node=peer.node, end=peer.former.id))
        if peer.renew_at is None or peer.renew_at > now:
            return
        if peer.phase not in STANDING or peer.renewal is not None or not self._can_ask(peer):
            peer.renew_at = None
        elif peer.former is not None:
            peer.renew_at = peer.former_until
        elif not self._voice.prepay(now):
            peer.renew_at = self._voice.next_turn(now)
        else:
            self._begin_renewal(peer, now)

    # --- an attempt beside the link -------------------------------------------------------------

    def _begin_renewal(self, link: Peer, now: float) -> None:
        peer = self._beside(link, now)
        self._open_end(peer, "offerer", self._voice.new_message_id(), Phase.OPENING, now, link.lane % MAX_LANE + 1)

    def _beside(self, link: Peer, now: float) -> Peer:
        link.renew_at = None
        link.renewal = Peer(node=link.node, since=now, needed_since=now, beside=self._end_of(link).attempt)
        return link.renewal

    def _signal_offer(self, link: Peer, envelope: Envelope, now: float) -> None:
        """An offer beside the link in use ends nothing; any other means that the sender has no link."""
        assert isinstance(envelope.body, LinkOffer)
        signal = Signal(cue=Cue.OFFER, envelope=envelope)
        if link.phase not in STANDING or envelope.body.beside != self._end_of(link).attempt:
            if link.renewal is not None and link.renewal.phase in (Phase.OPENING, Phase.OFFERED):
                # Our own offer, beside a link that the sender no longer has, is to it one that crosses its own.
                self._fall(link, Signal(cue=Cue.OFFER, reason="renegotiated"), now)
            self._signal(link, signal, now)
        elif link.renewal is not None:
            self._signal(link.renewal, signal, now)
        else:
            beside = self._beside(link, now)
            self._signal(beside, signal, now)
            if beside.end is None:
                # It was refused.
                link.renewal = None

    def _of_attempt(self, link: Peer, attempt: bytes) -> Peer | None:
        """The link, or what stands beside it, if it is of that attempt."""
        for peer in (link, link.renewal):
            if peer is not None and peer.end is not None and peer.end.attempt == attempt:
                return peer
        return None

    def _signal_end(self, end: PeerId, signal: Signal, now: float) -> None:
        node = self._ends.get(end)
        if node is None:
            self.oddities["unknown_end"] += 1
            return
        link = self._peers[node]
        if link.former is not None and link.former.id == end:
            if signal.cue is Cue.BROKE:
                self._close_former(link)
        elif link.renewal is not None and link.renewal.end is not None and link.renewal.end.id == end:
            self._signal(link.renewal, signal, now)
        else:
            self._signal(link, signal, now)

    def _rise(self, peer: Peer, signal: Signal, now: float) -> None:
        if not peer.beside:
            super()._rise(peer, signal, now)
            return
        link, end = self._peers[peer.node], self._end_of(peer)
        assert peer.needed_since is not None
        if link.former is not None:
            self._close_former(link)
        link.former, link.former_until = self._end_of(link), now + LIMITS_S[Phase.CONNECTING]
        link.rests_until = None
        link.end, link.renewal, link.renewals_failed = end, None, 0
        link.setup_ms = (now - peer.needed_since) * 1000.0
        end.rose = True
        self.renewals["made"] += 1
        self._effects.append(EndRenewed(node=link.node, end=end.id, former=link.former.id, boot=end.boot))
        link.deadline = None
        link.renew_at = None
        self._enter(link, Phase.UP, now)

    def _hear_end(self, link: Peer, end: PeerId, now: float) -> None:
        """Both nodes speak on the new end, so the former one is needed for what is under way alone."""
        if self._end_of(link).id != end or link.former is None:
            return
        link.former_until = min(link.former_until, now + OVERLAP_S)
        if now < link.doubted_at + DARK_LATELY_S:
            link.rests_until = now + OVERLAP_S + DRAIN_S

    # --- endings ------------------------------------------------------------------------------

    def _fail(self, peer: Peer, signal: Signal, now: float) -> None:
        if not peer.beside:
            super()._fail(peer, signal, now)
            return
        link = self._peers[peer.node]
        self._drop_renewal(link, signal.reason, now)
        link.renewals_failed += 1
        self.renewals[signal.reason or "failed"] += 1
        if link.renewals_failed < MAX_RENEWALS_FAILED:
            link.renew_at = now + backoff_s(link.renewals_failed, self._random)

    def _take_bye(self, peer: Peer, signal: Signal, now: float) -> None:
        if peer.beside:
            self._fail(peer, signal, now)
        else:
            super()._take_bye(peer, signal, now)

    def _fall(self, peer: Peer, signal: Signal, now: float) -> None:
        """The link is over; what was begun beside it goes on in its place, unless the far node is another, or gone."""
        renewal = None if signal.cue in (Cue.GONE, Cue.REBOOTED) else peer.renewal
        if renewal is not None:
            peer.renewal = None
        super()._fall(peer, signal, now)
        if renewal is not None:
            peer.end, peer.phase, peer.since = renewal.end, renewal.phase, renewal.since
            peer.deadline, peer.retries_at = renewal.deadline, renewal.retries_at

    def _leave_end(self, peer: Peer, reason: str, now: float) -> None:
        if not peer.beside:
            self._drop_renewal(peer, reason, now)
            self._close_former(peer)
            peer.renew_at = None
        super()._leave_end(peer, reason, now)

    def _drop_renewal(self, link: Peer, reason: str, now: float) -> None:
        renewal, link.renewal = link.renewal, None
        if renewal is not None and renewal.end is not None:
            self._leave_end(renewal, reason, now)

    def _close_former(self, link: Peer) -> None:
        former, link.former = link.former, None
        if former is not None:
            del self._ends[former.id]
            self._voice.forget(former.attempt)
            self._effects.append(CloseEnd(end=former.id))
