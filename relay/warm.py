"""Which links are kept without a room that needs them: pure, and both ends of a link come to the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from signalling.ids import NodeId


def warm_nodes(own: NodeId, others: Collection[NodeId], count: int) -> frozenset[NodeId]:
    """The first nodes by id; a node that is one of these itself is wanted by all others, and wants them.

    Args:
        own: This node.
        others: The other living nodes.
        count: How many first ones a node has links with, the same on all nodes.
    """
    before = sum(node < own for node in others)
    return frozenset(others if before < count else sorted(others)[:count])
