"""How the engine's ends of links are named: by the node at the far end, and a number."""

from __future__ import annotations

from typing import Final

from signalling.ids import NodeId, PeerId

LINK_PEER_PREFIX: Final = "link:"


def link_peer(node: NodeId, number: int) -> PeerId:
    """Name the ``number``-th end that we made of a link with that node."""
    return PeerId(f"{LINK_PEER_PREFIX}{node}:{number}")


def node_of_link(peer: PeerId) -> NodeId | None:
    """Find the node at the far end; None for a peer that is no link."""
    prefix, _, rest = peer.partition(":")
    node, colon, _ = rest.partition(":")
    return NodeId(node) if prefix + ":" == LINK_PEER_PREFIX and colon else None
