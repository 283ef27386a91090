"""Going to a nearer node while one is in a room: measure, and let the node decide.

    async with open_seat(nodes, room, name="Ada", nearest=True) as seat:
        ...  # the network is another one
        if seat.client is not None:
            await look_for_nearer(seat.client, nodes, room)

The node knows what a client does not: how loaded its fellows are, and how far from each other and from the people of
the room. Where one of them is clearly better it says :class:`Move`, which a seat obeys without anybody noticing
(:mod:`signalling.client.seat`). Whoever insists on a node does not ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from signalling.client.choosing import choose_nodes
from signalling.client.refusal import NodeUnreachableError, RefusedByNodeError
from signalling.client.remembered_rtts import REMEMBERED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signalling.client.choosing import Probe
    from signalling.client.connection import Client
    from signalling.ids import NodeId, RoomId

__all__ = ["look_for_nearer", "nearest_first"]


async def look_for_nearer(
    client: Client, nodes: Sequence[str], room: RoomId, *, probe: Probe = REMEMBERED.anew
) -> bool:
    """Measure how far nodes are and tell the one that we are on, once the network is another one.

    Cancelling leaves nothing behind.

    Args:
        client: The connection with the seat.
        nodes: Base URLs of nodes to ask which there are.
        room: Where the seat is.
        probe: Measures round trips, ms, with a deadline of its own.

    Returns:
        Whether the node was told: one of an older version would not know what to do, and without a measurement there
        is nothing to tell.

    Raises:
        NodeUnreachableError: No node says which there are.
        RefusedByNodeError: `rate_limited`, `not_in_room`, or what a node says to the question.
        ConnectionLostError: The connection broke meanwhile.
        trio.TooSlowError: The node does not answer.
    """
    found = await choose_nodes(nodes, room, probe=probe)
    rtts_ms = {one.node: one.measured_ms for one in found if one.measured_ms is not None}
    if not rtts_ms or "measured" not in client.welcome.features:
        return False
    await client.measured(rtts_ms)
    return True


async def nearest_first(nodes: Sequence[str], room: RoomId) -> tuple[Sequence[str], dict[NodeId, float]]:
    """The nodes as they suit us, with how far they are, ms; those that are known, where none of them says."""
    try:
        found = await choose_nodes(nodes, room)
    except (NodeUnreachableError, RefusedByNodeError):
        return nodes, {}  # a later try, at the door, says better what is wrong
    measured = {one.node: one.measured_ms for one in found if one.measured_ms is not None}
    return [one.url for one in found] or nodes, measured
