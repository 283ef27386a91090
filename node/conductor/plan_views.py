"""What is decided of a room's placement and what speaks for what, as placement's explanation and an operator see it.

What holds is what the node decided that decides for the room. The advice is made anew of what the asked node knows,
which links make equal: it is there also where the policy leaves no choice, and where another node decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.http.candidates import PlanShown, WeighedShown
from relay.planner import Plan, PlanReason, advise

if TYPE_CHECKING:
    from node.conductor.gathering import GatherDesk
    from relay.planner import Weighed
    from signalling.ids import RoomId

__all__ = ["show_plan"]


def show_plan(gathering: GatherDesk, room: RoomId, now: float) -> PlanShown | None:
    """Show a room's plan; None for a room that nobody sits in here, as this node decides and hears nothing of it.

    Args:
        gathering: Knows the plans.
        room: The room.
        now: Seconds, on the clock of the plans.
    """
    decider = gathering.decider(room)
    if decider is None:
        return None
    policy, facts, held = gathering.policy(room), gathering.facts(room), gathering.plan(room)
    plan = held or Plan()
    if policy == "relay" and plan.reason is not PlanReason.POLICY:
        # Such a room is not looked at: nothing has to be decided of it.
        plan, held = Plan(reason=PlanReason.POLICY), None
    advice = advise(facts, staying=plan.node)
    return PlanShown(
        policy=policy,
        decided_by=decider,
        node=plan.node,
        reason=plan.reason,
        code=plan.code,
        for_s=None if held is None else round(max(0.0, now - plan.since), 1),
        advice=advice.verdict,
        advised=advice.node,
        people=len(facts.people),
        measured=sum(one.home in one.rtts_ms for one in facts.people.values()),
        weighed=tuple(_shown(one) for one in (advice.relay, *advice.options)),
        refused=dict(advice.refused),
    )


def _shown(one: Weighed) -> WeighedShown:
    return WeighedShown(node=one.node, mean_ms=round(one.mean_ms, 1), longest_ms=round(one.longest_ms, 1))
