"""What is decided for one room, and for how long it holds: hysteresis both ways. A pure core.

Theory of operation. Advice shakes with every measurement, and a move costs everybody something. So gathering begins
when the same node has been advised for :data:`BEGIN_S`, and ends when it has been clearly the worse for :data:`END_S`:
what it has to win at the beginning and what it may lose before the end are different figures, and noise between them
changes nothing. After a change nothing is changed for :data:`REST_S`. What must not be is ended at once: a node that
is drained, lost, full, or forbidden to the room holds nobody. One that was full is not taken again for a while.

Policy `relay` never gathers; `gather` always does, on the node that costs least, with the same hysteresis between
nodes; `auto` follows the advice.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from relay.paths.choice import clearly_less
from relay.planner.advice import TOLERANCE_MS, Advice, Verdict, advise, harms
from relay.planner.facts import Site

if TYPE_CHECKING:
    from relay.planner.facts import RoomFacts
    from signalling.client.rooms import PlacementPolicy
    from signalling.ids import NodeId

__all__ = ["BARRED_S", "BEGIN_S", "END_S", "REST_S", "SETTLE_S", "Plan", "PlanReason", "RoomPlanner"]

BEGIN_S: Final = 10.0
"""An advice stands so long before it is followed: ten measurements of the links, and people come and go at a start."""

END_S: Final = 20.0
"""Gathering has been the worse so long before it ends: who was moved is not moved back for a moment's congestion."""

REST_S: Final = 60.0
"""Between two changes that nobody has to make."""

SETTLE_S: Final = 2.0
"""Where the policy gathers in any case: for what people measured to arrive."""

BARRED_S: Final = 300.0
"""A node that had to give a room up is not gathered on again for so long."""

END_MARGIN_MS: Final = 5.0
"""Gathering is the worse when the mean way of relaying is shorter by so much: half of what began it, the other way."""


class PlanReason(enum.StrEnum):
    """Why a plan is what it is."""

    POLICY = "policy"
    """The room's policy says so."""
    BETTER = "better_for_everyone"
    """Gathering has been better for everyone for a while."""
    CLOSER = "closer_node"
    """Another node has been clearly better for a while."""
    NO_BETTER = "no_better_any_more"
    """Relaying has been better for a while, or gathering worse for somebody."""
    LEFT = "node_gave_up"
    """The node may not hold the room any more; the code says why."""
    NOT_YET = "not_advised"
    """Nothing has spoken for gathering so far, or not for long enough."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is decided of a room.

    Attributes:
        node: Where its people are to be; None: each at home, and the nodes relay.
        reason: Why.
        code: With `node_gave_up`, what is against that node.
        since: When it was decided, on the clock of who decided.
    """

    node: NodeId | None = None
    reason: PlanReason = PlanReason.NOT_YET
    code: str = ""
    since: float = 0.0


class RoomPlanner:
    """One room's plan.

    Args:
        plan: What held before, as another node decided it.
        now: Seconds.
    """

    def __init__(self, plan: Plan | None = None, *, now: float) -> None:
        self.plan = plan or Plan(since=now)
        self.advice: Advice | None = None
        self._wish: tuple[NodeId | None, float] | None = None
        self._rests_until = float("-inf")
        self._barred: dict[NodeId, float] = {}

    def decide(self, facts: RoomFacts, policy: PlacementPolicy, now: float) -> bool:
        """Look at a room; gives whether the plan is another one now."""
        self._barred = {node: until for node, until in self._barred.items() if until > now}
        node = self.plan.node
        self.advice = advice = advise(self._without_barred(facts), staying=node)
        if policy == "relay":
            return self._take(None, PlanReason.POLICY, now) if node is not None else self._keep_policy()
        if node is not None and advice.option(node) is None:
            # What is against it is a fact, and no measurement.
            code = facts.sites[node].never if node in facts.sites else "not_alive"
            self._barred[node] = now + BARRED_S
            self._take(None, PlanReason.LEFT, now, code=code or "not_alive")
            self._rests_until = float("-inf") if policy == "gather" else now + REST_S
            return True
        wanted, reason, hold_s = self._gathering(advice) if policy == "gather" else self._auto(advice)
        if wanted == node:
            self._wish = None
            if node is None and self.plan.reason is PlanReason.POLICY and policy == "auto":
                self.plan = replace(self.plan, reason=PlanReason.NOT_YET)
            return False
        if self._wish is None or self._wish[0] != wanted:
            self._wish = (wanted, now)
        if now < max(self._wish[1] + hold_s, self._rests_until):
            return False
        self._take(wanted, reason, now)
        self._rests_until = now + REST_S
        return True

    def _gathering(self, advice: Advice) -> tuple[NodeId | None, PlanReason, float]:
        node = self.plan.node
        if not advice.options:
            return None, PlanReason.POLICY, 0.0
        best = advice.options[0]
        held = None if node is None else advice.option(node)
        if held is None:
            # Nobody is moved for nothing: of those that are as good, the one with most people.
            as_good = [one for one in advice.options if not clearly_less(best.mean_ms, one.mean_ms)]
            return max(as_good, key=lambda one: one.there).node, PlanReason.POLICY, SETTLE_S
        if clearly_less(best.mean_ms, held.mean_ms):
            return best.node, PlanReason.CLOSER, BEGIN_S
        return node, PlanReason.POLICY, 0.0

    def _auto(self, advice: Advice) -> tuple[NodeId | None, PlanReason, float]:
        node = self.plan.node
        held = None if node is None else advice.option(node)
        if held is None:
            return advice.node, PlanReason.BETTER, BEGIN_S
        if advice.verdict is Verdict.ALONE:
            # Nothing to relay: who comes next is led here, or it ends when there is somebody to weigh.
            return node, PlanReason.BETTER, 0.0
        if advice.node not in (None, node):
            best = advice.option(advice.node)
            assert best is not None, "advised"
            if clearly_less(best.mean_ms, held.mean_ms):
                return advice.node, PlanReason.CLOSER, BEGIN_S
        is_worse = advice.relay.mean_ms <= held.mean_ms - END_MARGIN_MS
        if is_worse or harms(held, advice.relay) > 2 * TOLERANCE_MS:
            return None, PlanReason.NO_BETTER, END_S
        return node, PlanReason.BETTER, 0.0

    def _keep_policy(self) -> bool:
        self._wish = None
        self.plan = replace(self.plan, reason=PlanReason.POLICY, code="")
        return False

    def _take(self, node: NodeId | None, reason: PlanReason, now: float, *, code: str = "") -> bool:
        self._wish = None
        self.plan = Plan(node=node, reason=reason, code=code, since=now)
        return True

    def _without_barred(self, facts: RoomFacts) -> RoomFacts:
        if not self._barred:
            return facts
        sites = {
            node: Site(never=site.never, not_now=site.not_now or ("given_up" if node in self._barred else ""))
            for node, site in facts.sites.items()
        }
        return replace(facts, sites=sites)
