"""What is decided of a room's placement, as `GET /v1/explain/placement` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.http.candidates import PlanShown, WeighedShown

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
    plan, planner = gathering.plan(room)
    advice = None if planner is None else planner.advice
    weighed = () if advice is None else (advice.relay, *advice.options)
    return PlanShown(
        policy=gathering.policy(room),
        decided_by=decider,
        node=plan.node,
        reason=plan.reason,
        code=plan.code,
        for_s=round(max(0.0, now - plan.since), 1),
        advice="" if advice is None else advice.verdict,
        weighed=tuple(_shown(one) for one in weighed),
        refused={} if advice is None else dict(advice.refused),
    )


def _shown(one: Weighed) -> WeighedShown:
    return WeighedShown(node=one.node, mean_ms=round(one.mean_ms, 1), longest_ms=round(one.longest_ms, 1))
