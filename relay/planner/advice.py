"""What is best for a room just now, without any memory: relay, or gather on one node. A pure function.

Gathering is advised where it is better for everyone and clearly better in the mean: nobody's longest way may become
longer beyond what nobody notices, and the mean has to fall by as much as a new path has to win (relay/paths/choice.py):
it moves people, each of them two peer connections and a keyframe. Of the nodes that pass, the one with the least mean
is named. Never one that may not take the people.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from relay.paths.choice import clearly_less
from relay.planner.weighing import Weighed, weigh

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from relay.planner.facts import RoomFacts
    from signalling.ids import NodeId

__all__ = ["TOLERANCE_MS", "Advice", "Verdict", "advise", "harms"]

TOLERANCE_MS: Final = 10.0
"""By so much, one way, somebody's longest way may grow for the sake of the others: half a frame of sound, and below the
spread of what a browser measures. A talk does not suffer from less (ITU-T G.114 counts from 150 ms)."""


class Verdict(enum.StrEnum):
    """Why an advice is what it is."""

    ALONE = "alone"
    """Nobody, or one person: there is nothing to relay."""
    TOGETHER = "together"
    """Everybody is at home on one node already."""
    BETTER = "better_for_everyone"
    """Gathering is clearly better in the mean, and for nobody worse."""
    NOT_BETTER = "not_better"
    """The best node is not better by enough."""
    WORSE_FOR_SOMEBODY = "worse_for_somebody"
    """It would be better in the mean, and worse for somebody."""
    NO_NODE = "no_node"
    """No node may take all of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """What is best now.

    Attributes:
        node: Where to gather; None to relay.
        verdict: Why.
        relay: What it costs where each is at home.
        options: What it costs on each node that may take all of them, the best first.
        refused: Nodes that may not, with the code.
    """

    node: NodeId | None
    verdict: Verdict
    relay: Weighed
    options: tuple[Weighed, ...]
    refused: Mapping[NodeId, str]

    def option(self, node: NodeId | None) -> Weighed | None:
        """What it costs on that node, if that may take them; without one, what relaying costs."""
        return self.relay if node is None else next((one for one in self.options if one.node == node), None)


def advise(facts: RoomFacts, *, staying: NodeId | None = None) -> Advice:
    """Weigh all ways and say which is best.

    Args:
        facts: The room.
        staying: Where it has gathered: what speaks against beginning there does not count.
    """
    refusals = {
        node: site.never or ("" if node == staying else site.not_now) for node, site in sorted(facts.sites.items())
    }
    options = _in_order(weigh(facts, node) for node, code in refusals.items() if not code)
    relay = weigh(facts)
    node, verdict = _judge(facts, relay, options)
    refused = {node: code for node, code in refusals.items() if code}
    return Advice(node=node, verdict=verdict, relay=relay, options=options, refused=refused)


def _judge(facts: RoomFacts, relay: Weighed, options: tuple[Weighed, ...]) -> tuple[NodeId | None, Verdict]:
    if len(facts.people) < 2:
        return None, Verdict.ALONE
    if not options:
        return None, Verdict.NO_NODE
    clear = [one for one in options if clearly_less(one.mean_ms, relay.mean_ms)]
    for one in clear:
        if harms(one, relay) <= TOLERANCE_MS:
            return one.node, Verdict.BETTER
    if clear:
        return None, Verdict.WORSE_FOR_SOMEBODY
    return None, Verdict.TOGETHER if len({one.home for one in facts.people.values()}) == 1 else Verdict.NOT_BETTER


def harms(one: Weighed, relay: Weighed) -> float:
    """By how much the longest way of whoever loses most grows, milliseconds; below 0 when everybody wins."""
    return max((ms - relay.worst_ms[who] for who, ms in one.worst_ms.items()), default=0.0)


def _in_order(options: Iterable[Weighed]) -> tuple[Weighed, ...]:
    """By what they cost in whole milliseconds, then by who is there already, then by name."""
    return tuple(sorted(options, key=lambda one: (round(one.mean_ms), -one.there, one.node or "")))
