"""Where a node of a mesh and its people are: in a network namespace each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sfu import EngineConfig
from sfu.participants import open_participants
from sfu.process import find_program
from tests.cluster.relay.mesh import Place

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from lab import Wan
    from sfu.participants_protocol import ReceivedMedia
    from signalling.client.messages import MediaKind
    from tests.cluster.relay.mesh import MeshNode

__all__ = ["absent", "open_place", "place_on", "received"]


async def open_place(stack: AsyncExitStack, namespace: str, address: str, **engine: Any) -> Place:
    """Start the people's program in a namespace; the engine is to be started there with these settings."""
    inside = ("nsenter", f"--net=/run/netns/{namespace}", "--", str(find_program()))
    return Place(
        engine=EngineConfig(media_address=address, workers=1, program=(*inside, "engine"), **engine),
        participants=await stack.enter_async_context(
            open_participants(address=address, program=(*inside, "participants"))
        ),
    )


async def place_on(stack: AsyncExitStack, wan: Wan, host: str) -> Place:
    """Likewise, on a host of an emulated network."""
    return await open_place(stack, wan.namespace(host), wan.address(host))


async def received(node: MeshNode, name: str) -> dict[MediaKind, ReceivedMedia]:
    """What a participant of that node has received so far."""
    reports = await node.participants.report()
    return {item.kind: item for report in reports if report.participant == name for item in report.received}


def absent(media: ReceivedMedia) -> int:
    """Packets that were sent and did not arrive, or not yet."""
    return media.lost + media.missing
