"""Steps of a track's way, out of two readings of an engine: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.client_peer import publisher_of, subscriber_of
from node.explain.records import TrackStep
from relay.link_peer import node_of_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sfu import PeerStatistics, Statistics
    from signalling.ids import NodeId, ParticipantId, PeerId, SessionId, TrackId

MIN_BETWEEN_S: Final = 0.05
"""Readings that are closer say nothing about a rate."""


class Readings:
    """Two readings of one engine, so many seconds apart."""

    def __init__(self, before: Statistics, after: Statistics, between_s: float) -> None:
        self._before = before
        self._after = after
        self._between_s = between_s
        self._peers: Mapping[PeerId, PeerStatistics] = {peer.peer: peer for peer in after.peers}

    def codec_of(self, track: TrackId) -> str:
        """As what it comes in; empty while nothing does."""
        return next((one.codec for one in self._after.tracks if one.track == track), "")

    def from_publisher(self, track: TrackId, session: SessionId, participant: ParticipantId, node: NodeId) -> TrackStep:
        """From a publisher at this node to it."""
        found = next((one for one in self._after.tracks if one.track == track), None)
        peer = self._peers.get(publisher_of(session))
        return TrackStep(
            kind="publisher",
            sender=participant,
            receiver=node,
            rtt_ms=None if peer is None else peer.rtt_ms,
            jitter_ms=None if found is None else found.jitter_ms,
            loss=None if found is None else found.loss,
            bitrate_bps=self._rate(
                [one.bytes for one in self._before.tracks if one.track == track],
                None if found is None else found.bytes,
            ),
        )

    def over_link(self, track: TrackId, before: NodeId, node: NodeId) -> TrackStep:
        """Over the link from the node before to this one."""
        legs = [leg for leg in self._after.legs if _comes_from(leg.peer, before) and not leg.outgoing]
        leg = next((leg for leg in legs if leg.track == track), None)
        peer = None if leg is None else self._peers.get(leg.peer)
        return TrackStep(
            kind="link",
            sender=before,
            receiver=node,
            rtt_ms=None if peer is None else peer.rtt_ms,
            jitter_ms=None if peer is None else peer.jitter_ms,
            loss=None if peer is None else peer.loss,
            bitrate_bps=None
            if leg is None
            else self._rate(
                [one.bytes for one in self._before.legs if one.peer == leg.peer and one.leg == leg.leg], leg.bytes
            ),
        )

    def receives(self, session: SessionId) -> bool:
        """Whether somebody at this node has a peer connection to receive on; who is away has none."""
        return subscriber_of(session) in self._peers

    def to_subscriber(self, track: TrackId, session: SessionId, participant: ParticipantId, node: NodeId) -> TrackStep:
        """From this node to somebody at it."""
        name = subscriber_of(session)
        peer = self._peers.get(name)
        line = next((one for one in self._after.lines if one.peer == name and one.track == track), None)
        return TrackStep(
            kind="subscriber",
            sender=node,
            receiver=participant,
            rtt_ms=None if peer is None else peer.rtt_ms,
            loss=None if peer is None else peer.loss,
            bitrate_bps=None if line is None else line.bitrate_bps,
            state=None if line is None else line.state,
            encoding=None if line is None else line.encoding,
            spatial=None if line is None else line.spatial,
            temporal=None if line is None else line.temporal,
            height=None if line is None else line.height,
        )

    def _rate(self, before: Iterable[int], after: int | None) -> int | None:
        known = next(iter(before), None)
        if known is None or after is None or after < known or self._between_s < MIN_BETWEEN_S:
            return None
        return round((after - known) * 8 / self._between_s)


def _comes_from(peer: PeerId, node: NodeId) -> bool:
    return node_of_link(peer) == node


def verdict_of(steps: Sequence[TrackStep], *, asked: NodeId, missing: str) -> str:
    """The way in a sentence."""
    if not steps:
        return (
            f"Nothing of this track comes to {asked} ({missing})." if missing else f"{asked} has no numbers of it yet."
        )
    way = " -> ".join((steps[0].sender, *(step.receiver for step in steps)))
    links = [step for step in steps if step.kind == "link"]
    known = [step.rtt_ms for step in steps if step.rtt_ms is not None]
    there = f", {sum(known) / 2:.0f} ms one way by the round trips" if known else ""
    gap = f" Before {steps[0].sender} nothing is known ({missing})." if missing else ""
    if not links:
        return f"{way}: no other node is on the way{there}.{gap}"
    if len(links) == 1:
        return f"{way}: over the one link between the two nodes{there}.{gap}"
    return f"{way}: over {len(links)} links{there}.{gap}"
