"""What the operator may order about this node's service through the admin listener, and how it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from node.drain import Drainer
    from signalling.ids import NodeId

NodeAction: TypeAlias = Literal["status", "drain", "undrain", "eligible", "ineligible"]

DRAIN_DEADLINE_S: Final = 300.0
"""Of a drain that an operator asks for and gives no time: people may end what they are saying."""


class NodeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order; the other fields go with `drain`.

    Attributes:
        action: What to do.
        deadline_s: From now until people who are still here lose their seats, seconds.
        batch: How many are moved at a time; none spreads them over half of that.
        moves: Whether they are sent to other nodes; otherwise they lose their seats now.
    """

    action: NodeAction = "status"
    deadline_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = DRAIN_DEADLINE_S
    batch: Annotated[int, msgspec.Meta(ge=1)] | None = None
    moves: bool = True


class NodeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How this node's service stands; with a ``code``, the order was not carried out.

    Attributes:
        node: Its id.
        state: `serving`, `draining` or `released`.
        eligible: Whether it takes new people while it serves.
        stopping: Whether its process ends with the drain.
        moved: People who sit on another node now.
        left: People who left meanwhile, or whose connection was lost.
        remaining: People who sit here.
        released: People whose seats were ended at the deadline.
        passing: Tracks of other nodes that go to others over this one: while it drains, these go elsewhere first.
        deadline_in_s: Seconds until that; none where there is none.
        code: Why the order was not carried out.
        message: Likewise, for people.
    """

    node: str
    state: str
    eligible: bool
    stopping: bool
    moved: int
    left: int
    remaining: int
    released: int
    passing: int = 0
    deadline_in_s: float | None
    code: str = ""
    message: str = ""


async def carry_out_order(node: NodeId, drainer: Drainer, order: NodeOrder) -> NodeAnswer:
    """Do what the operator wants; a refusal is an answer."""
    from node.drain import DrainOverError, UnkeptError  # whoever asks imports this module, and needs no drain for it

    code = message = ""
    try:
        match order.action:
            case "status":
                pass
            case "drain":
                drainer.drain(deadline_s=order.deadline_s, batch=order.batch, moves=order.moves)
            case "undrain":
                drainer.undo()
            case "eligible" | "ineligible":
                await drainer.set_eligible(order.action == "eligible")
    except (DrainOverError, UnkeptError) as refused:
        code, message = refused.code, refused.message
    seen = drainer.progress()
    return NodeAnswer(
        node=node,
        state=seen.state,
        eligible=drainer.eligible,
        stopping=seen.stopping,
        moved=seen.moved,
        left=seen.left,
        remaining=seen.remaining,
        released=seen.released,
        passing=seen.passing,
        deadline_in_s=None if seen.deadline_in_s is None else round(seen.deadline_in_s, 1),
        code=code,
        message=message,
    )
