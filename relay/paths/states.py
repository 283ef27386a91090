"""Who receives from whom, and how well: what all nodes say of their own links, put together. Pure.

A node reports its own links and nobody else's. A report goes to all neighbours, and from these on to nodes that its
author has no link with, at most :data:`MAX_PASSED` times; so in a full mesh nothing is passed on at all, and what
is told grows with the links. The newest report of a node counts (its boot, then its sequence), and each runs out after
:data:`STALE_S`.

Whom we believe: a link is authenticated at both ends, so what a neighbour says *of itself* is its own word. What it
passes on is its word that somebody else said so: there is no signature, and a node of the cluster could lie about
another. What a lie could do is bounded: a link counts only where both ends report it, a path costs what its receiving
ends say, our own links are never taken from others, nobody gets a track by it, and a path that does not deliver is
left (choice.py). Whoever can lie here holds a node key of the cluster, and could drop the media itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from relay.paths.cost import LinkQuality, link_cost_ms
from signalling.ids import is_node_id
from signalling.mesh.link import LinkFigures, LinkReport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalling.ids import NodeId

STALE_S: Final = 35.0
"""A report is repeated each 10 s; after three that did not come, what it says is nobody's word any more."""

MAX_PASSED: Final = 2
"""Times that a report is passed on: with its author's own telling three links, as far as a path may reach."""

MAX_NODES: Final = 1024
"""Nodes whose reports are kept: far above a cluster that links its nodes in pairs. At 512 links each of 40 B, a broken
peer costs us 20 MB."""

NEVER_HEARD: Final = 0


@dataclass(slots=True)
class _Held:
    report: LinkReport
    costs: dict[NodeId, float]
    """Of receiving over each of its links, milliseconds."""
    rtts_ms: dict[NodeId, int]
    """Of its links, as it measures them; none of one that it has not measured."""
    until: float


class LinkStates:
    """The reports of all nodes, our own included."""

    def __init__(self, own: NodeId) -> None:
        self._own = own
        self._held: dict[NodeId, _Held] = {}
        self._out: dict[NodeId, dict[NodeId, float]] | None = None
        self._in: dict[NodeId, dict[NodeId, float]] = {}
        self.oddities: Counter[str] = Counter()

    def take(self, neighbour: NodeId, report: LinkReport, now: float) -> bool:
        """Take a report that a neighbour told; gives whether it is news."""
        if report.node == self._own or not is_node_id(report.node) or not 0 <= report.passed <= MAX_PASSED:
            return False
        if (report.passed == NEVER_HEARD) != (report.node == neighbour):
            self.oddities["report_of_another"] += 1
            return False
        known = self._held.get(report.node)
        if known is not None and (report.boot, report.sequence) <= (known.report.boot, known.report.sequence):
            return False
        if known is None and len(self._held) >= MAX_NODES:
            self.oddities["too_many_reports"] += 1
            return False
        self._keep(report, now + STALE_S)
        return True

    def state_own(self, report: LinkReport) -> None:
        """Our own links are such; this runs out never."""
        self._keep(report, float("inf"))

    def forget(self, node: NodeId) -> bool:
        """Drop what a node said: it is gone. Gives whether there was anything."""
        if self._held.pop(node, None) is None:
            return False
        self._out = None
        return True

    def expire(self, now: float) -> bool:
        """Drop what has run out; gives whether there was anything."""
        stale = [node for node, held in self._held.items() if held.until <= now]
        for node in stale:
            self.forget(node)
        return bool(stale)

    def reports_for(self, node: NodeId) -> tuple[LinkReport, ...]:
        """What a node should hear of us whose link has just come up: all that it cannot hear from its author."""
        return tuple(
            passed
            for author, held in sorted(self._held.items())
            if author != self._own and (passed := self.passed_on(held.report, node)) is not None
        )

    @staticmethod
    def passed_on(report: LinkReport, node: NodeId) -> LinkReport | None:
        """The report as it is passed on to a node; None where it is not."""
        if report.node == node or report.passed >= MAX_PASSED or any(link.node == node for link in report.links):
            return None
        return msgspec.structs.replace(report, passed=report.passed + 1)

    def out_of(self, node: NodeId) -> Mapping[NodeId, float]:
        """Who receives from a node, and at what cost."""
        if self._out is None:
            self._build()
            assert self._out is not None
        return self._out.get(node, {})

    def into(self, node: NodeId) -> Mapping[NodeId, float]:
        """Whom a node receives from, and at what cost."""
        if self._out is None:
            self._build()
        return self._in.get(node, {})

    def own_cost(self, node: NodeId) -> float:
        """What our own link with a node costs, whether or not its other end has reported it."""
        own = self._held.get(self._own)
        return own.costs.get(node, float("inf")) if own is not None else float("inf")

    def rtt_ms(self, a: NodeId, b: NodeId) -> float | None:
        """The round trip of a link between two nodes, as both its ends say; None where one of them does not."""
        one, other = self._held.get(a), self._held.get(b)
        there = None if one is None else one.rtts_ms.get(b)
        back = None if other is None else other.rtts_ms.get(a)
        return None if there is None or back is None else (there + back) / 2

    def _keep(self, report: LinkReport, until: float) -> None:
        costs = {
            link.node: link_cost_ms(
                LinkQuality(
                    rtt_ms=max(link.rtt_ms, 0),
                    jitter_ms=max(link.jitter_ms, 0),
                    loss=min(max(link.loss_permille, 0), 1000) / 1000,
                )
            )
            for link in report.links
        }
        before = self._held.get(report.node)
        if before is None or before.costs != costs:
            self._out = None
        rtts_ms = {link.node: link.rtt_ms for link in report.links if link.rtt_ms > 0}
        self._held[report.node] = _Held(report, costs, rtts_ms, until)

    def _build(self) -> None:
        """A link is there where both its ends say so; it costs what the receiving one says."""
        into = {
            receiver: {
                sender: cost_ms
                for sender, cost_ms in held.costs.items()
                if (other := self._held.get(sender)) is not None and receiver in other.costs
            }
            for receiver, held in self._held.items()
        }
        out: dict[NodeId, dict[NodeId, float]] = {node: {} for node in into}
        for receiver, senders in into.items():
            for sender, cost_ms in senders.items():
                out[sender][receiver] = cost_ms
        self._in, self._out = into, out


def figures(node: NodeId, quality: LinkQuality) -> LinkFigures:
    """A measurement as it is told: to the millisecond and the thousandth; a round trip of 0 is one not measured yet."""
    rtt_ms = max(1, round(quality.rtt_ms)) if quality.rtt_ms > 0 else 0
    return LinkFigures(node, rtt_ms, round(quality.jitter_ms), round(quality.loss * 1000))


def differs(before: tuple[LinkFigures, ...], after: tuple[LinkFigures, ...]) -> bool:
    """Whether a new report is worth telling: other links, or one that costs a tenth and 3 ms more or less."""
    if len(before) != len(after):
        return True
    told = {link.node: _cost(link) for link in before}
    return any(
        link.node not in told or abs(_cost(link) - told[link.node]) > max(3.0, 0.1 * told[link.node]) for link in after
    )


def _cost(link: LinkFigures) -> float:
    return link_cost_ms(LinkQuality(rtt_ms=link.rtt_ms, jitter_ms=link.jitter_ms, loss=link.loss_permille / 1000))
